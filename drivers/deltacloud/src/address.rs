//! Addresses, each with its type, and times, as they are printed by Ruby.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, AddressKind, Error, Timestamp, time};

/// The addresses in the element that was entered.
pub(crate) fn list<R: BufRead>(xml: &mut Reader<R>) -> Result<Vec<Address>, Error> {
    let mut addresses = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "address" {
            xml.skip()?;
            continue;
        }
        let kind = xml.attribute("type")?;
        let address = of_network(kind.as_deref(), xml.text()?);
        addresses.extend(address.filter(|address| !addresses.contains(address)));
    }
    Ok(addresses)
}

/// An address in a network: others are of hardware (`mac`) or of a console (`vnc`). Older servers do not say what it is.
fn of_network(kind: Option<&str>, text: &str) -> Option<Address> {
    let is = |word: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(word));
    if is("mac") || is("vnc") {
        return None;
    }
    let is_name = (kind.is_none() || is("hostname")) && !text.contains([':', '/']);
    Address::read(text).filter(|address| address.kind != AddressKind::Hostname || is_name)
}

/// Public addresses without those that are private, too: clouds without public ones give the private one for both.
pub(crate) fn public(addresses: Vec<Address>, private: &[Address]) -> Vec<Address> {
    addresses.into_iter().filter(|ip| ip.kind == AddressKind::Hostname || !private.contains(ip)).collect()
}

/// RFC 3339, or what Ruby prints: `2026-03-14 10:26:50 +0100`, `2026-03-14 09:26:50 UTC`, and until 1.8
/// `Sat Mar 14 10:26:50 +0100 2026`.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(time) = time::parse_rfc3339(text) {
        return Some(time);
    }
    let zoned = |zone| if zone == "UTC" || zone == "GMT" { "Z" } else { zone };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        [date, clock, zone] => time::parse_rfc3339(&format!("{date} {clock}{}", zoned(zone))),
        [_, month, day, clock, zone, year] => {
            let midnight = time::parse_http_date(&format!("{day} {month} {year} 00:00:00"))?;
            // The offset and the hour count from that midnight.
            let of_epoch = time::parse_rfc3339(&format!("1970-01-01T{clock}{}", zoned(zone)))?;
            Some(midnight.saturating_add(of_epoch))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_printed() {
        let check = |text: &str, expected: Option<Timestamp>| assert_eq!(time(text), expected, "{text}");
        check("2026-03-14T09:26:50.000Z", Some(1_773_480_410_000));
        check("2026-03-14 10:26:50 +0100", Some(1_773_480_410_000));
        check("2026-03-14 09:26:50 UTC", Some(1_773_480_410_000));
        check("Sat Mar 14 10:26:50 +0100 2026", Some(1_773_480_410_000));
        check("Sat Mar 14 09:26:50 UTC 2026", Some(1_773_480_410_000));
        check("Fri Mar 13 23:26:50 -1000 2026", Some(1_773_480_410_000));
        for none in ["Sat Mar 14 09:26:50 CET 2026", "Sat Mar 34 09:26:50 UTC 2026", "Sat Mar 14 09:26 UTC 2026"] {
            check(none, None);
        }
        for none in ["", " ", "UTC", "2026-03-14", "2026-03-14 09:26:50", "2026-03-14 09:26:50 CET", "soon"] {
            check(none, None);
        }
    }
}
