//! What is asked: a form by POST, signed for the account's region, at the account's own endpoint.

use std::borrow::Cow;

use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::secret;
use tracker_driver_sdk::sigv4::Signer;
use tracker_driver_sdk::{Account, Error};

use crate::regions;

/// The options, by name.
pub(crate) const REGION: &str = "region";
pub(crate) const SESSION_TOKEN: &str = "session-token";

const VERSION: &str = "2016-11-15";

/// The most that DescribeInstances gives at once.
const PAGE: &str = "1000";

/// One call of the Query API.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    DescribeInstances {
        /// What the page before gave, as it gave it.
        next_token: Option<&'a str>,
        /// These alone, or all if there are none. They are a filter, and not `InstanceId`, of which one that is not there
        /// is an error for all of them.
        ids: &'a [String],
    },
    DescribeAvailabilityZones,
}

impl Call<'_> {
    pub fn action(&self) -> &'static str {
        match self {
            Call::DescribeInstances { .. } => "DescribeInstances",
            Call::DescribeAvailabilityZones => "DescribeAvailabilityZones",
        }
    }

    /// The request, ready to be sent.
    pub(crate) fn signed(&self, account: &Account) -> Result<Request, Error> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        if let Call::DescribeInstances { ids, .. } = self {
            names.extend((1..=ids.len()).map(|number| format!("Filter.1.Value.{number}")));
            values.extend(ids.iter().map(|id| literal(id)));
        }
        let mut form = vec![("Action", self.action()), ("Version", VERSION)];
        match self {
            Call::DescribeInstances { next_token, .. } => {
                form.push(("MaxResults", PAGE));
                if !names.is_empty() {
                    form.push(("Filter.1.Name", "instance-id"));
                    form.extend(names.iter().map(String::as_str).zip(values.iter().map(|value| &**value)));
                }
                form.extend(next_token.map(|token| ("NextToken", token)));
            }
            // Only the zones that the account has: those that it would have to opt into first are none of its own.
            Call::DescribeAvailabilityZones => form.push(("AllAvailabilityZones", "false")),
        }
        let request = Request::post(format!("{}/", account.endpoint)).form(form);
        let signer = Signer {
            access_key: &account.user,
            secret_key: secret::PASSWORD,
            session_token: Some(SESSION_TOKEN),
            region: region(account)?,
            service: "ec2",
        };
        signer.sign(request)
    }
}

/// An id as a filter's value, in which `*` and `?` stand for others unless a backslash precedes them.
fn literal(id: &str) -> Cow<'_, str> {
    match id.contains(['*', '?', '\\']) {
        true => Cow::Owned(id.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")),
        false => Cow::Borrowed(id),
    }
}

/// The region to sign for.
fn region(account: &Account) -> Result<&str, Error> {
    match account.option(REGION) {
        None if regions::looks_like_one(&account.provider) => Ok(&account.provider),
        None => Ok("us-east-1"),
        Some(set) => {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if set.is_empty() || !set.bytes().all(plain) {
                return Err(Error::bad_option(REGION, set, "lower-case letters, digits and hyphens, as in us-east-1"));
            }
            Ok(set)
        }
    }
}
