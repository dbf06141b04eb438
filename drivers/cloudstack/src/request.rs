//! What is asked: a query by GET, its parameters sorted, with a signature over them that ends soon.

use tracker_driver_sdk::http::{Request, encode_query};
use tracker_driver_sdk::secret::{self, Hash, Output};
use tracker_driver_sdk::{Account, Error, Timestamp, time};

/// The options, by name.
pub(crate) const PROJECT: &str = "project";
pub(crate) const PAGE_SIZE: &str = "page-size";

/// The usual value of the setting `default.page.size`, which no page may exceed.
const USUAL_PAGE: u64 = 500;
const LARGEST_PAGE: u64 = 10_000;

/// How long a request is good for: CloudStack may be set to refuse more than 15 minutes.
const LIFETIME_MS: i64 = 600_000;

/// The parts of a VM that are listed, and no others: the statistics of each VM cost the management server most.
const DETAILS: &str = "iso,nics,servoff,tmpl";

/// What the account's options say.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// `projectid` as it is sent.
    project: Option<&'a str>,
    pub(crate) page_size: u64,
}

impl<'a> Settings<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let project = match account.option(PROJECT) {
            Some("") => return Err(Error::bad_option(PROJECT, "", "`all`, or the id of a project")),
            // All projects, and what is in none.
            Some("all") => Some("-1"),
            other => other,
        };
        let accepted = "a number from 1 to 10000";
        let page_size = account.parsed_option(PAGE_SIZE, accepted)?.unwrap_or(USUAL_PAGE);
        if !(1..=LARGEST_PAGE).contains(&page_size) {
            return Err(Error::bad_option(PAGE_SIZE, &page_size.to_string(), accepted));
        }
        Ok(Settings { project, page_size })
    }
}

/// One call of the API.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// These VMs alone, or all if there are none.
    Vms(&'a [&'a str]),
    Zones,
}

impl Call<'_> {
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Call::Vms(_) => "listVirtualMachines",
            Call::Zones => "listZones",
        }
    }

    /// The request for the page of that number, ready to be sent.
    pub(crate) fn signed(&self, account: &Account, settings: &Settings<'_>, number: u64) -> Result<Request, Error> {
        let expires = expires(time::now());
        let (number, size) = (number.to_string(), settings.page_size.to_string());
        let ids = match self {
            Call::Vms(ids) => ids.join(","),
            Call::Zones => String::new(),
        };
        let mut query: Vec<(&str, &str)> = vec![
            ("apikey", &account.user),
            ("command", self.command()),
            ("expires", &expires),
            ("page", &number),
            ("pagesize", &size),
            ("response", "json"),
            ("signatureversion", "3"),
        ];
        match self {
            // Without it those alone in which the account has VMs.
            Call::Zones => query.push(("available", "true")),
            Call::Vms(_) => {
                query.extend([("details", DETAILS), ("listall", "true")]);
                query.extend(settings.project.map(|id| ("projectid", id)));
            }
        }
        if !ids.is_empty() {
            query.push(("ids", &ids));
        }
        query.sort_unstable();
        let message =
            query.iter().map(|(name, value)| format!("{name}={}", as_signed(value))).collect::<Vec<_>>().join("&");
        let signature =
            secret::hmac(secret::PASSWORD, Hash::Sha1, b"", &[message.to_lowercase().as_bytes()], Output::Base64Query)?;
        let address = address(&account.endpoint);
        Ok(Request::get(format!("{address}?{}&signature={signature}", encode_query(query))))
    }
}

/// Where the API is: operators know it by either address.
fn address(endpoint: &str) -> String {
    match endpoint.ends_with("/api") {
        true => endpoint.to_owned(),
        false => format!("{endpoint}/client/api"),
    }
}

/// The time at which a request of now ends: `2026-11-20T10:10:00+0000`. Older versions know no `Z`.
fn expires(now: Timestamp) -> String {
    let date = time::format_amz_date(now.saturating_add(LIFETIME_MS));
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or_default();
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(9, 11), part(11, 13), part(13, 15));
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}+0000")
}

/// A value as the management server writes it before it compares signatures: as Java's `URLEncoder`, with blanks as `%20`.
fn as_signed(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_signed_as_java_writes_them() {
        let check = |value: &str, expected: &str| assert_eq!(as_signed(value), expected);
        check("iso,nics", "iso%2Cnics");
        check("2026-11-20T10:10:00+0000", "2026-11-20T10%3A10%3A00%2B0000");
        check("a b*c~d_e-f.é", "a%20b*c%7Ed_e-f.%C3%A9");
    }

    #[test]
    fn a_request_ends_ten_minutes_later() {
        assert_eq!(expires(1_795_168_800_000), "2026-11-20T10:10:00+0000");
        assert_eq!(expires(1_709_251_199_000), "2024-03-01T00:09:59+0000");
    }

    #[test]
    fn the_api_is_known_by_either_address() {
        for endpoint in ["https://cloud.example", "https://cloud.example/client/api"] {
            assert_eq!(address(endpoint), "https://cloud.example/client/api");
        }
        assert_eq!(address("https://cloud.example/zone/api"), "https://cloud.example/zone/api");
        assert_eq!(address("https://cloud.example/below"), "https://cloud.example/below/client/api");
    }
}
