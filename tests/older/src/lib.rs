//! A driver of contract 0.1, made by its bindings alone: what was built for it loads and passes, whatever the SDKs
//! speak. Its provider is that of the templates, whose cassettes it plays.

wit_bindgen::generate!({ path: "../../wit/0.1.0", world: "driver", generate_all });

mod answer;
mod fetch;

use exports::tracker::driver::inventory::{
    Account, AccountOption, Description, Error, Features, Guest, InstancePage, Provider, Query, RealmPage,
};

/// Where the provider of a project that is named `older-cloud` is.
const ENDPOINT: &str = "https://api.older-cloud.example";

struct Older;

export!(Older);

impl Guest for Older {
    fn describe() -> Description {
        Description {
            name: "older-cloud".into(),
            title: "Older Cloud".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            providers: vec![Provider { name: "main".into(), endpoint: ENDPOINT.into() }],
            endpoints: vec![ENDPOINT.into()],
            options: vec![AccountOption {
                name: "project".into(),
                help: "The project whose servers are listed. Default: all of them.".into(),
                required: false,
                secret: false,
            }],
            requests_per_minute: None,
            features: Features::empty(),
        }
    }

    fn list_instances(account: Account, query: Query) -> Result<InstancePage, Error> {
        let mut path = "/v1/servers?limit=100".to_owned();
        if let Some((_, project)) = account.options.iter().find(|(name, _)| name == "project") {
            path.push_str(&format!("&project={}", escaped(project)));
        }
        if let Some(cursor) = query.cursor {
            path.push_str(&format!("&after={}", escaped(&cursor)));
        }
        answer::servers(&fetch::get(&account, &path)?)
    }

    fn list_realms(account: Account, _: Query) -> Result<RealmPage, Error> {
        answer::zones(&fetch::get(&account, "/v1/zones")?)
    }
}

/// A value for a query: all but the unreserved characters of RFC 3986 is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
