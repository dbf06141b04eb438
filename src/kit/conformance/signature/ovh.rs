//! OVH's API ("First steps with the API").

use super::parts::{Credentials, header_of, is_now};
use crate::driver::signing::{Hash, digest};
use crate::driver::wire::Asked;

/// What OVH takes a clock to be off at most.
const SKEW_SECONDS: u64 = 300;

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    header_of(sent, "x-ovh-signature").map(|signature| check(sent, signature, credentials))
}

fn check(sent: &Asked, signature: &str, credentials: &Credentials<'_>) -> Result<(), String> {
    let given = |name: &str| header_of(sent, name).ok_or_else(|| format!("it has no header {name}"));
    given("x-ovh-application")?;
    let (consumer, stamp) = (given("x-ovh-consumer")?, given("x-ovh-timestamp")?);
    is_now(stamp, stamp.parse().ok(), (SKEW_SECONDS, credentials))?;
    let is_of = |secret: &&str| {
        let before = format!("{secret}+{consumer}+{}+{}+", sent.method, sent.url);
        let message = [before.as_bytes(), &sent.body, b"+", stamp.as_bytes()].concat();
        format!("$1${}", hex::encode(digest(Hash::Sha1, &message))) == signature
    };
    match credentials.secrets.iter().any(is_of) {
        true => Ok(()),
        false => Err("it is not what OVH's algorithm makes of the request and the account's secrets".into()),
    }
}
