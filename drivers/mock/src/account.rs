//! Who is let in, and what an account may ask for.

use tracker_driver_sdk::secret;
use tracker_driver_sdk::{Account, Error};

use crate::fleet::Fleet;

/// The one account that Deltacloud's mock knew.
const USER: &str = "mockuser";
const PASSWORD: &str = "mockpassword";

/// Lets in who the original let in. The password is not shown to a driver: the host says whether it is the right one.
pub(crate) fn admit(account: &Account) -> Result<(), Error> {
    let right = secret::matches(secret::PASSWORD, PASSWORD) == Ok(true);
    if account.user == USER && right { Ok(()) } else { Err(Error::Unauthorized("Authentication Failure".to_owned())) }
}

/// The account's options, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Set where `count` is.
    pub(crate) fleet: Option<Fleet>,
}

impl Options {
    /// Reads them all, so that a wrong one is told of whether it has an effect or not.
    pub(crate) fn of(account: &Account) -> Result<Options, Error> {
        let count = "a whole number from 0 to 1000000";
        let churn = "a number from 0 to 3600";
        let seed = "a whole number from 0 to 18446744073709551615";
        let out_of_range = |name, accepted| Err(Error::bad_option(name, account.option(name).unwrap_or(""), accepted));

        let seed = account.parsed_option::<u64>("seed", seed)?.unwrap_or(0);
        let churn_per_hour = match account.parsed_option::<f64>("churn", churn)? {
            None => 6.0,
            Some(set) if (0.0..=3600.0).contains(&set) => set,
            Some(_) => return out_of_range("churn", churn),
        };
        let fleet = match account.parsed_option::<u32>("count", count)? {
            None => None,
            Some(set) if set <= 1_000_000 => Some(Fleet::new(set, churn_per_hour, seed)),
            Some(_) => return out_of_range("count", count),
        };
        Ok(Options { fleet })
    }
}
