//! Oracle's request signature, version 1 ("Request Signatures"; draft-cavage-http-signatures-08): RSA with SHA-256 over
//! the date, the request's target and its host. The host signs; the key is never here.

use tracker_driver_sdk::http::{Request, Url};
use tracker_driver_sdk::secret::{self, Output, Scheme};
use tracker_driver_sdk::{Error, Timestamp, time};

/// A GET request of this address, signed at this moment: more than five minutes later it is refused.
pub(crate) fn get(url: String, key_id: &str) -> Result<Request, Error> {
    let date = http_date(time::now());
    let message = signing_string(&Url::parse(&url)?, &date);
    let signature = secret::sign(secret::PASSWORD, Scheme::Rs256, message.as_bytes(), Output::Base64)?;
    let authorization = format!(
        "Signature version=\"1\",keyId=\"{key_id}\",algorithm=\"rsa-sha256\",headers=\"date (request-target) host\",\
         signature=\"{signature}\""
    );
    Ok(Request::get(url).header("date", date).header("authorization", authorization))
}

/// What is signed of a GET request: the target and the host as they are sent.
pub fn signing_string(url: &Url, date: &str) -> String {
    format!("date: {date}\n(request-target): get {}\nhost: {}", url.path_and_query, url.authority)
}

/// `Fri, 20 Nov 2026 10:00:00 GMT` (RFC 9110, 5.6.7).
pub fn http_date(now: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 1970-01-01 was a Thursday.
    let weekday = usize::try_from(now.div_euclid(86_400_000).rem_euclid(7)).ok().and_then(|day| DAYS.get(day));
    let stamp = time::format_amz_date(now);
    let part = |range| stamp.get(range).unwrap_or_default();
    let month = part(4..6).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (weekday, month) = (weekday.copied().unwrap_or_default(), month.copied().unwrap_or_default());
    let (day, year) = (part(6..8), part(0..4));
    format!("{weekday}, {day} {month} {year} {}:{}:{} GMT", part(9..11), part(11..13), part(13..15))
}
