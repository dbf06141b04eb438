//! {{title}}: its servers and zones, in pages of JSON.
//!
//! What is here speaks HTTP; what an answer means is in `answer`. The provider is made up: put yours in its
//! place, one function after the other, and keep the tests going.

pub mod answer;

use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::{Account, AccountOption, Description, Driver, Error, Instance, Page, Provider, Query, Realm};

/// Where the provider is reached, unless the operator configured another place.
const ENDPOINT: &str = "https://api.{{name}}.example";

/// How many servers the provider gives on one page, at most.
const PAGE: &str = "100";

pub struct Cloud;

tracker_driver_sdk::export_driver!(Cloud);

impl Driver for Cloud {
    fn describe() -> Description {
        Description {
            providers: vec![Provider::new("main", ENDPOINT)],
            // The host lets no request go anywhere else.
            endpoints: vec![ENDPOINT.into()],
            options: vec![AccountOption::new("project", "The project whose servers are listed. Default: all of them.")],
            ..Description::new("{{name}}", "{{title}}", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let mut fields = vec![("limit", PAGE)];
        fields.extend(account.option("project").map(|name| ("project", name)));
        // What the page before gave as `next`; the first page has none.
        fields.extend(query.cursor.as_deref().map(|cursor| ("after", cursor)));
        answer::servers(&get(account, "/v1/servers", &fields)?)
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        answer::zones(&get(account, "/v1/zones", &[])?)
    }
}

/// The body of what the provider answers. The token is put in by the host, on the way out: the driver never
/// sees it. `success` makes the contract's error of every status that is not 2xx.
fn get(account: &Account, path: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
    let mut url = format!("{}{path}", account.endpoint);
    if !fields.is_empty() {
        url = format!("{url}?{}", encode_query(fields.iter().copied()));
    }
    let request = Request::get(url).header("accept", "application/json");
    request.bearer("password")?.send()?.success()?.bytes()
}
