//! Addresses, as far as a driver needs them: split into what `wasi:http` wants, in the form in which the
//! host will send them (a signature covers the Host header), and put together with the right escapes.

use std::fmt;

use crate::Error;
use crate::error::quote;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    /// Host in lower case, and port where it is not the scheme's own: the Host header as it is sent.
    pub authority: String,
    /// Begins with a slash.
    pub path_and_query: String,
}

impl Url {
    /// Takes an `http` or `https` address apart; anything else is `invalid-account`, for endpoints are configured.
    pub fn parse(url: &str) -> Result<Url, Error> {
        let wrong =
            |what: &str| Error::InvalidAccount(format!("`{}` is not an address: {what}", quote(url.as_bytes())));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, ":80"),
            "https" => (Scheme::Https, ":443"),
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("user and password belong in the account, not in it"));
        }
        let mut authority = authority.to_ascii_lowercase();
        if let Some(host) = authority.strip_suffix(default_port) {
            authority = host.to_owned();
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]%~".contains(c);
        if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(plain) {
            return Err(wrong("it names no host"));
        }
        if path.chars().any(|c| c.is_ascii_control() || c == ' ') {
            return Err(wrong("a space or control character has to be escaped"));
        }
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { scheme, authority, path_and_query })
    }

    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    /// What stands behind the first question mark.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }
}

/// Names and values for a query: `a=1&b=x%20y`. Everything but RFC 3986's unreserved characters is escaped.
pub fn encode_query<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, "", &mut text);
        text.push('=');
        escape(value, "", &mut text);
    }
    text
}

/// Names and values for a form body. A space is `%20`, which every reader of forms takes too.
pub fn encode_form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    encode_query(fields)
}

/// A path with its slashes kept and all else but unreserved characters escaped.
pub fn encode_path(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    escape(path, "/", &mut text);
    text
}

/// Escapes as RFC 3986 says, with upper-case digits, but for the unreserved characters and those in `kept`.
fn escape(text: &str, kept: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        let char = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(char) || (byte.is_ascii() && kept.contains(char)) {
            into.push(char);
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_as_they_will_be_sent() {
        let of = |url: &str| Url::parse(url).map(|u| format!("{} {} {}", u.scheme, u.authority, u.path_and_query)).ok();
        let check = |url: &str, expected: Option<&str>| assert_eq!(of(url).as_deref(), expected, "{url}");
        check("https://EC2.example.com", Some("https ec2.example.com /"));
        check("https://h:443/a/b?c=d#e", Some("https h /a/b?c=d"));
        check("http://h:443/", Some("http h:443 /"));
        check("HTTP://127.0.0.1:5000", Some("http 127.0.0.1:5000 /"));
        check("http://[::1]:80?x", Some("http [::1] /?x"));
        check("unix:/var/run/x.sock", None);
        check("ftp://h/", None);
        check("http://", None);
        check("http://:80/", None);
        check("http://me:pw@h/", None);
        check("http://h/a b", None);
        check("http://h\r\nx/", None);
    }

    #[test]
    fn escapes_are_those_of_rfc_3986() {
        assert_eq!(encode_query([("a b", "1/2=é"), ("c", "~-._")]), "a%20b=1%2F2%3D%C3%A9&c=~-._");
        assert_eq!(encode_path("/a b/ü"), "/a%20b/%C3%BC");
    }
}
