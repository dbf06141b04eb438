//! What an account's options say, read before anything is asked.

use tracker_driver_sdk::{Account, AccountOption, Error};

use crate::regions::{self, Region};
use crate::request::SESSION_TOKEN;

const REGION: &str = "region";
const REGIONS: &str = "regions";
const STATUS_CHECKS: &str = "status-checks";

/// In place of the names of regions: all that the account can use.
const OPTED_IN: &str = "opted-in";

#[derive(Debug)]
pub(crate) struct Settings {
    /// The account's own region, at its own endpoint.
    pub(crate) own: Region,
    /// Which regions are listed; absent where it is only that one.
    pub(crate) regions: Option<Wanted>,
    pub(crate) has_checks: bool,
}

/// Which regions an account lists.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    OptedIn,
    Named(Vec<String>),
}

pub(crate) fn options() -> Vec<AccountOption> {
    vec![
        AccountOption::new(
            REGION,
            "The region that requests are signed for, where the provider's name is not one (a compatible cloud). Default: \
             the provider's name if it looks like a region, or else us-east-1.",
        ),
        AccountOption::new(
            REGIONS,
            "The regions that are listed: opted-in for all that the account can use, or their names, separated by blanks or \
             commas. Default: the account's own region.",
        ),
        AccountOption::new(
            STATUS_CHECKS,
            "on: asks for the status checks of instances that run, too, and shows those that do not pass in the provider's \
             state, as in running/impaired. Default: off.",
        ),
        AccountOption::new(
            SESSION_TOKEN,
            "The session token that belongs to temporary credentials. Default: none is sent.",
        )
        .secret(),
    ]
}

impl Settings {
    pub(crate) fn of(account: &Account) -> Result<Settings, Error> {
        let own = Region { name: own_region(account)?.to_owned(), endpoint: account.endpoint.clone() };
        let has_checks = match account.option(STATUS_CHECKS) {
            None | Some("off") => false,
            Some("on") => true,
            Some(other) => return Err(Error::bad_option(STATUS_CHECKS, other, "on or off")),
        };
        Ok(Settings { own, regions: account.option(REGIONS).map(wanted).transpose()?, has_checks })
    }
}

/// The region to sign for.
fn own_region(account: &Account) -> Result<&str, Error> {
    match account.option(REGION) {
        None if regions::looks_like_one(&account.provider) => Ok(&account.provider),
        None => Ok("us-east-1"),
        Some(set) if regions::is_name(set) => Ok(set),
        Some(set) => Err(Error::bad_option(REGION, set, "lower-case letters, digits and hyphens, as in us-east-1")),
    }
}

fn wanted(set: &str) -> Result<Wanted, Error> {
    let mut names: Vec<String> = Vec::new();
    for name in set.split([' ', ',']).filter(|name| !name.is_empty()) {
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    if names == [OPTED_IN] {
        return Ok(Wanted::OptedIn);
    }
    let are_regions = names.iter().all(|name| regions::is_name(name) && name != OPTED_IN);
    if names.is_empty() || !are_regions {
        return Err(Error::bad_option(REGIONS, set, "opted-in, or names of regions, as in us-east-1 eu-west-1"));
    }
    Ok(Wanted::Named(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_a_word_or_names() {
        let named = |names: &[&str]| Some(Wanted::Named(names.iter().map(|name| name.to_string()).collect()));
        let check = |set: &str, expected: Option<Wanted>| assert_eq!(wanted(set).ok(), expected, "{set}");
        check("opted-in", Some(Wanted::OptedIn));
        check("us-east-1", named(&["us-east-1"]));
        check("us-east-1, eu-west-1 us-east-1", named(&["us-east-1", "eu-west-1"]));
        for bad in ["", " , ", "US-EAST-1", "opted-in us-east-1", "us-east-1;eu-west-1", "suite malformed?"] {
            check(bad, None);
        }
    }
}
