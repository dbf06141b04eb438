//! What is asked: a form by POST, signed for a region, at the region's endpoint.

use std::borrow::Cow;

use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::secret;
use tracker_driver_sdk::sigv4::Signer;
use tracker_driver_sdk::{Account, Error};

use crate::regions::Region;

pub(crate) const SESSION_TOKEN: &str = "session-token";

const VERSION: &str = "2016-11-15";

/// The most that DescribeInstances and DescribeInstanceStatus give at once.
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
    /// Of all instances that run: the API would take ids, and have an error for all where one is not there.
    DescribeInstanceStatus {
        next_token: Option<&'a str>,
    },
    DescribeAvailabilityZones,
    DescribeRegions,
}

impl Call<'_> {
    pub fn action(&self) -> &'static str {
        match self {
            Call::DescribeInstances { .. } => "DescribeInstances",
            Call::DescribeInstanceStatus { .. } => "DescribeInstanceStatus",
            Call::DescribeAvailabilityZones => "DescribeAvailabilityZones",
            Call::DescribeRegions => "DescribeRegions",
        }
    }

    /// The request, ready to be sent.
    pub(crate) fn signed(&self, account: &Account, region: &Region) -> Result<Request, Error> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        if let Call::DescribeInstances { ids, .. } = self {
            names.extend((1..=ids.len()).map(|number| format!("Filter.1.Value.{number}")));
            values.extend(ids.iter().map(|id| literal(id)));
        }
        let each = names.iter().map(String::as_str).zip(values.iter().map(|value| &**value));
        let mut form = vec![("Action", self.action()), ("Version", VERSION)];
        match self {
            Call::DescribeInstances { next_token, .. } => {
                form.push(("MaxResults", PAGE));
                if !names.is_empty() {
                    form.push(("Filter.1.Name", "instance-id"));
                    form.extend(each);
                }
                form.extend(next_token.map(|token| ("NextToken", token)));
            }
            Call::DescribeInstanceStatus { next_token } => {
                form.push(("MaxResults", PAGE));
                form.extend(next_token.map(|token| ("NextToken", token)));
            }
            // Only the zones and regions that the account has: those that it would have to opt into first are none of its
            // own.
            Call::DescribeAvailabilityZones => form.push(("AllAvailabilityZones", "false")),
            Call::DescribeRegions => form.push(("AllRegions", "false")),
        }
        let request = Request::post(format!("{}/", region.endpoint)).form(form);
        let signer = Signer {
            access_key: &account.user,
            secret_key: secret::PASSWORD,
            session_token: Some(SESSION_TOKEN),
            region: &region.name,
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
