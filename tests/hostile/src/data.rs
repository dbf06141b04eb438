//! Attacks by what is answered: data of every kind that the types allow and that no provider has.

use crate::exports::tracker::driver::inventory::{
    Address, AddressKind, Coverage, Error, Instance, InstancePage, Query, Throttle,
};
use crate::{instance, no_such, page};

pub(crate) fn mebibyte() -> String {
    "x".repeat(1 << 20)
}

/// What would be a line of the host's own log, if it were let, behind what clears a terminal; and very long.
fn forged() -> String {
    let line = "\x1b[2J\x1b[31mred\n2026-11-22T10:00:00Z  INFO tracker: forged\r\u{202e}\u{2028}\0";
    line.repeat((1 << 20) / line.len())
}

pub(crate) fn attack(how: &str, query: &Query) -> Result<InstancePage, Error> {
    let one = instance("i-1");
    let number = query.cursor.as_ref().map_or(0, |cursor| cursor.parse::<u64>().unwrap_or(0));
    let next = |page: InstancePage, next: String| Ok(InstancePage { next: Some(next), ..page });
    let address = |kind, value: &str| vec![Address { kind, value: value.into() }];
    let item = match how {
        "id-empty" => instance(""),
        "id-long" => instance(&"x".repeat(256)),
        "id-mebibyte" => instance(&mebibyte()),
        "id-line" => instance("i-1\n2026-11-22T10:00:00Z  INFO tracker: forged"),
        "id-escape" => instance("i-\x1b[2J"),
        "id-nul" => instance("i-\0"),
        "id-unseen" => instance("i-\u{202e}1\u{200b}"),
        "name" => Instance { name: Some(mebibyte()), ..one },
        "owner" => Instance { owner: Some(mebibyte()), ..one },
        "realm" => Instance { realm: Some(mebibyte()), ..one },
        "image" => Instance { image: Some(mebibyte()), ..one },
        "profile" => Instance { hardware_profile: Some(mebibyte()), ..one },
        "provider-state" => Instance { provider_state: mebibyte(), ..one },
        "label-name" => Instance { labels: vec![(mebibyte(), String::new())], ..one },
        "label-value" => Instance { labels: vec![(String::new(), mebibyte())], ..one },
        "labels-twice" => Instance { labels: vec![("a".into(), "1".into()), ("a".into(), "2".into())], ..one },
        "labels-many" => Instance { labels: vec![("a".into(), "1".into()); 100_000], ..one },
        "address" => Instance { public_addresses: address(AddressKind::Hostname, &mebibyte()), ..one },
        "address-v4" => Instance { public_addresses: address(AddressKind::Ipv4, "999.1.1.1\x1b[2J"), ..one },
        "address-v6" => Instance { private_addresses: address(AddressKind::Ipv6, "10.0.0.1"), ..one },
        "addresses-many" => {
            let addresses = vec![Address { kind: AddressKind::Hostname, value: "a".into() }; 100_000];
            Instance { private_addresses: addresses, ..one }
        }
        "time-first" => Instance { launched_at: Some(i64::MIN), ..one },
        "time-last" => Instance { launched_at: Some(i64::MAX), ..one },
        // Strange, and nothing that would be wrong.
        "strange" => Instance {
            name: Some("\0\x1b[2J\u{202e}\n".into()),
            provider_state: String::new(),
            labels: vec![("\n\0".into(), "\u{feff}".into())],
            launched_at: Some(0),
            ..one
        },
        "twice" => return Ok(page(vec![one.clone(), Instance { name: Some("later".into()), ..one }])),
        "twice-paged" if number == 0 => return next(page(vec![one]), "1".into()),
        "twice-paged" => Instance { name: Some("later".into()), ..one },
        "million" => return Ok(page(vec![one; 1_000_000])),
        "many" => return Ok(page(vec![one; 20_001])),
        "many-paged" => return next(page(others(&one, number)), (number + 1).to_string()),
        "heavy-paged" => {
            let heavy = Instance { name: Some("x".repeat(4000)), ..one };
            return next(page(others(&heavy, number)), (number + 1).to_string());
        }
        "pages" => {
            let another = Instance { id: format!("i-{number}"), ..one };
            return next(page(vec![another]), (number + 1).to_string());
        }
        "pages-empty" => return next(page(vec![]), (number + 1).to_string()),
        "cursor-same" => return next(page(vec![]), "again".into()),
        "cursor-empty" => return next(page(vec![]), String::new()),
        "cursor-huge" => return next(page(vec![]), mebibyte()),
        "delta" => return Ok(InstancePage { coverage: Coverage::Delta(vec![]), ..page(vec![]) }),
        "partial" => return Ok(InstancePage { coverage: Coverage::Partial(forged()), ..page(vec![]) }),
        "unauthorized" => return Err(Error::Unauthorized(forged())),
        "forbidden" => return Err(Error::Forbidden(forged())),
        "throttled" => {
            return Err(Error::Throttled(Throttle { retry_after: Some(u32::MAX), message: forged() }));
        }
        "unavailable" => return Err(Error::Unavailable(forged())),
        "invalid-account" => return Err(Error::InvalidAccount(forged())),
        "unexpected-answer" => return Err(Error::UnexpectedAnswer(forged())),
        _ => return Err(no_such(how)),
    };
    Ok(page(vec![item]))
}

/// A page of a thousand that no page before had.
fn others(one: &Instance, number: u64) -> Vec<Instance> {
    (0..1000).map(|place| Instance { id: format!("i-{number}-{place}"), ..one.clone() }).collect()
}
