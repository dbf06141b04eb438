//! The address of a client: the address of the connection or, if that is a trusted proxy, the address that the proxy
//! names. Pure.
//!
//! Proxies append to the headers that they forward. So the headers are read from the right, as Caddy reads them with
//! `trusted_proxies_strict`: each address was written by the one to its right, and counts while that one is trusted.
//! Addresses that the client itself wrote are to the left of the first untrusted address, and are never reached.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::api::settings::ClientHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Whose an address is: of IPv6, a customer has a /64 at least.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Which proxies are believed, and where they name the client.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    headers: Vec<ClientHeader>,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<IpNet>, headers: Vec<ClientHeader>) -> Proxies {
        Proxies { trusted, headers }
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came in from `connected`. Of several headers the first that is there counts.
    pub(super) fn client(&self, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(connected) {
            return connected;
        }
        let present = self.headers.iter().find(|header| headers.contains_key(header.name()));
        let Some(header) = present else { return connected };
        let mut client = connected;
        // Several lines are one list (RFC 9110, 5.3).
        for line in headers.get_all(header.name()).iter().rev() {
            let Ok(text) = std::str::from_utf8(HeaderValue::as_bytes(line)) else { return client };
            for entry in header.entries(text).into_iter().rev() {
                // What can't be read ends the search: nobody vouches for what stands to the left of it.
                let Some(address) = header.address(entry) else { return client };
                client = address;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

impl ClientHeader {
    fn name(self) -> HeaderName {
        match self {
            ClientHeader::XForwardedFor => X_FORWARDED_FOR,
            ClientHeader::Forwarded => FORWARDED,
        }
    }

    fn entries(self, line: &str) -> Vec<&str> {
        match self {
            ClientHeader::XForwardedFor => line.split(',').collect(),
            ClientHeader::Forwarded => outside_quotes(line, ','),
        }
    }

    fn address(self, entry: &str) -> Option<IpAddr> {
        match self {
            ClientHeader::XForwardedFor => address(unquoted(entry.trim())?.as_ref()),
            ClientHeader::Forwarded => {
                let mut named = None;
                for pair in outside_quotes(entry, ';') {
                    let (name, value) = pair.split_once('=')?;
                    if name.trim().eq_ignore_ascii_case("for") && named.replace(value.trim()).is_some() {
                        return None;
                    }
                }
                address(unquoted(named?)?.as_ref())
            }
        }
    }
}

/// The parts between separators that do not stand within quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, found) in text.char_indices() {
        match found {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            found if found == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// What a token or a quoted string says; none where the quotes are not around all of it.
fn unquoted(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let (mut said, mut characters) = (String::with_capacity(inside.len()), inside.chars());
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(said),
            '\\' => said.push(characters.next()?),
            other => said.push(other),
        }
    }
}

/// An address, with or without a port, IPv6 with or without brackets. `unknown` and obfuscated names are none.
fn address(text: &str) -> Option<IpAddr> {
    let without_zone = |text: &str| text.split_once('%').map_or(text.to_owned(), |(address, _)| address.to_owned());
    let found = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() {
            port.strip_prefix(':')?.parse::<u16>().ok()?;
        }
        IpAddr::V6(without_zone(address).parse().ok()?)
    } else if let Ok(socket) = text.parse::<SocketAddr>() {
        socket.ip()
    } else {
        without_zone(text).parse().ok()?
    };
    Some(found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        let trusted = trusted.iter().map(|network| network.parse().expect(network)).collect();
        Proxies::new(trusted, vec![ClientHeader::XForwardedFor, ClientHeader::Forwarded])
    }

    fn client(proxies: &Proxies, connected: &str, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect(name);
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
        }
        proxies.client(connected.parse().expect(connected), &headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let check = |connected: &str, lines: &[&str], want: &str| {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(client(&proxies, connected, &lines), want, "{connected}: {lines:?}");
        };
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        // Whoever is not trusted names nobody.
        check("192.0.2.9", &["192.0.2.7"], "192.0.2.9");
        check("10.0.0.1", &[], "10.0.0.1");
        // What stands left of the first that is not trusted was written by that one.
        check("10.0.0.1", &["203.0.113.1, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["203.0.113.1, 192.0.2.7, 10.2.3.4"], "192.0.2.7");
        check("10.0.0.1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9");
        // Several lines are one list.
        check("10.0.0.1", &["203.0.113.1", "192.0.2.7", "10.2.3.4"], "192.0.2.7");
        check("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7");
        check("10.0.0.1", &["2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]:4711, fd00::2"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["\"[2001:db8::1]:80\""], "2001:db8::1");
        check("10.0.0.1", &["fe80::1%eth0"], "fe80::1");
        check("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        check("fd00::1", &["192.0.2.7"], "192.0.2.7");
        // What is no address ends the search at the last one that is.
        check("10.0.0.1", &["192.0.2.7, nonsense, 10.2.3.4"], "10.2.3.4");
        for nonsense in
            ["", ",", "unknown", "192.0.2.7:port", "192.0.2.7:99999", "[192.0.2.7]", "[::1", "192.0.2", "\""]
        {
            check("10.0.0.1", &[nonsense], "10.0.0.1");
        }
        check("10.0.0.1", &["192.0.2.7", "\u{fc}"], "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let check = |lines: &[&str], want: &str| {
            let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            assert_eq!(client(&proxies, "10.0.0.1", &lines), want, "{lines:?}");
        };
        check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60");
        check(&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17");
        check(&["proto=https; FOR = \"192.0.2.43:47011\""], "192.0.2.43");
        check(&["for=203.0.113.1, for=192.0.2.43, for=10.1.1.1"], "192.0.2.43");
        check(&["for=203.0.113.1", "for=192.0.2.43"], "192.0.2.43");
        check(&["for=\"192\\.0.2.43\""], "192.0.2.43");
        check(&["for=192.0.2.43;host=\"a,b;for=1.1.1.1\""], "192.0.2.43");
        for hidden in ["for=unknown", "for=_gazonk", "for=\"_SEVKISEK:_17\"", "proto=http", "for", "for=", ""] {
            check(&[&format!("for=192.0.2.43, {hidden}")], "10.0.0.1");
            check(&[&format!("for=192.0.2.43, {hidden}, for=10.1.1.1")], "10.1.1.1");
        }
        check(&["for=192.0.2.1;for=192.0.2.2"], "10.0.0.1");
        // A client that opens a quote hides itself behind the proxy, and passes for nobody else.
        check(&["for=203.0.113.1, for=\", for=192.0.2.43"], "10.0.0.1");
    }

    #[test]
    fn the_first_header_that_is_there_counts() {
        let both = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.2")];
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let check = |headers: Vec<ClientHeader>, want: &str| {
            let proxies = Proxies::new(trusted.clone(), headers);
            assert_eq!(client(&proxies, "10.0.0.1", &both), want, "{proxies:?}");
        };
        check(vec![ClientHeader::XForwardedFor, ClientHeader::Forwarded], "192.0.2.2");
        check(vec![ClientHeader::Forwarded, ClientHeader::XForwardedFor], "192.0.2.1");
        check(vec![], "10.0.0.1");
    }

    #[test]
    fn a_customer_has_a_network() {
        let check = |address: &str, want: &str| {
            assert_eq!(network(address.parse().expect(address)).to_string(), want);
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }
}
