//! What is asked: a collection or one resource of it, in XML, with the account's credentials and what the server is to use them for.

use tracker_driver_sdk::http::{Request, encode_path};
use tracker_driver_sdk::secret;
use tracker_driver_sdk::{Account, Error, SecretKind};

/// The options, by name.
pub(crate) const DRIVER: &str = "driver";
pub(crate) const PROVIDER: &str = "provider";
pub(crate) const PAGE_SIZE: &str = "page-size";

/// As many entries as a Tracker gives on a page, unless it is configured.
const USUAL_PAGE: u32 = 1_000;
const LARGEST_PAGE: u32 = 100_000;

/// What the account says of its requests.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    account: &'a Account,
    /// Driver and provider, by the headers that name them.
    named: Vec<(&'static str, &'a str)>,
    /// None: everything is to be on one page.
    page_size: Option<u32>,
}

impl<'a> Settings<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let mut named = Vec::new();
        for (option, header) in [(DRIVER, "x-deltacloud-driver"), (PROVIDER, "x-deltacloud-provider")] {
            let Some(value) = account.option(option) else { continue };
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::bad_option(option, value, "visible ASCII characters without blanks"));
            }
            named.push((header, value));
        }
        let page_size = match account.option(PAGE_SIZE) {
            None => Some(USUAL_PAGE),
            Some("all") => None,
            Some(text) => {
                let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
                let bad = || Error::bad_option(PAGE_SIZE, text, "a number from 1 to 100000, or `all`");
                Some(size.ok_or_else(bad)?)
            }
        };
        Ok(Settings { account, named, page_size })
    }

    /// A page of a collection: the first one, or the one with that query.
    pub(crate) fn list(&self, collection: &str, query: Option<&str>) -> Result<Request, Error> {
        let query = match (query, self.page_size) {
            (Some(query), _) => format!("?{query}"),
            (None, Some(size)) => format!("?limit={size}"),
            (None, None) => String::new(),
        };
        self.get(&format!("{collection}{query}"))
    }

    pub(crate) fn single(&self, collection: &str, id: &str) -> Result<Request, Error> {
        self.get(&format!("{collection}/{}", encode_path(id).replace('/', "%2F")))
    }

    fn get(&self, below: &str) -> Result<Request, Error> {
        let request =
            Request::get(format!("{}/{below}", entry(&self.account.endpoint))).header("accept", "application/xml");
        let request = match self.account.secret {
            SecretKind::AccessToken => request.bearer(secret::PASSWORD)?,
            _ => request.basic_auth()?,
        };
        Ok(self.named.iter().fold(request, |request, (header, value)| request.header(*header, *value)))
    }
}

/// The server's entry point: operators know it by either address. It may have matrix parameters: `/api;driver=ec2`.
fn entry(endpoint: &str) -> String {
    let last = endpoint.rsplit('/').next().unwrap_or_default();
    match last == "api" || last.starts_with("api;") {
        true => endpoint.to_owned(),
        false => format!("{endpoint}/api"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_known_by_either_address() {
        let check = |endpoint: &str, expected: &str| assert_eq!(entry(endpoint), expected);
        check("https://cloud.example:3001", "https://cloud.example:3001/api");
        check("https://cloud.example/api", "https://cloud.example/api");
        check(
            "https://cloud.example/below/api;driver=ec2;provider=a",
            "https://cloud.example/below/api;driver=ec2;provider=a",
        );
        check("https://api", "https://api");
        check("https://cloud.example/apis", "https://cloud.example/apis/api");
    }
}
