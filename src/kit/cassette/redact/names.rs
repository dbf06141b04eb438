//! The names whose values are secrets. It is better to have one too many than one too few: a secret is replaced
//! everywhere, and a cassette that no longer plays because of it fails when it is recorded.

use http::HeaderName;
use http::header;

/// Whole names.
const NAMES: &[&str] = &[
    "apikey",
    "assertion",
    "authorization",
    "bearer",
    "connectionstring",
    "cookie",
    "credential",
    "jwt",
    "kubeconfig",
    "pwd",
    "sas",
    "sessionid",
    "sid",
    "ticket",
    "userdata",
];

/// Ends of names.
const ENDS: &[&str] = &[
    "accesskey",
    "adminpass",
    "apikey",
    "authkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretaccesskey",
    "secretkey",
    "secretvalue",
    "sessionid",
    "sharedkey",
    "signingkey",
    "token",
    "tokenvalue",
];

/// Beginnings of names that end in `token` and are places in a list, or a client's own marks.
const PLACES: &[&str] =
    &["client", "continu", "cursor", "first", "idempotency", "last", "marker", "next", "page", "prev", "sync"];

/// Names of what holds a name itself, as in `{"name": "password", "value": "..."}`.
const HOLD_NAMES: &[&str] =
    &["attribute", "field", "header", "id", "key", "label", "name", "option", "parameter", "property", "variable"];

/// Names of what holds its value.
const HOLD_VALUES: &[&str] = &["content", "data", "default", "text", "val", "value", "values"];

/// In names of headers.
const IN_HEADERS: &[&str] =
    &["apikey", "auth", "cookie", "credential", "password", "secret", "session", "signature", "ticket", "token"];

/// Headers of answers that say nothing of what was asked, and differ each time.
const NOISE: &[&str] = &[
    "age",
    "alt-svc",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "expires",
    "keep-alive",
    "nel",
    "report-to",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
];

/// A name without what writers differ in: `Access_Token`, `accessToken` and `ns:access-token` are one.
fn plain(name: &str) -> String {
    let own = name.rsplit(':').next().unwrap_or(name);
    own.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a member, an element or a parameter of that name is a secret.
pub(super) fn is_credential(name: &str) -> bool {
    let plain = plain(name);
    let one = plain.strip_suffix('s').unwrap_or(&plain);
    let is = |name: &str| NAMES.contains(&name) || ENDS.iter().any(|end| name.ends_with(end));
    let is_place = one.ends_with("token") && PLACES.iter().any(|start| one.starts_with(start));
    !is_place && (is(&plain) || is(one))
}

/// Whether a member of that name says the name of something.
pub(super) fn holds_a_name(name: &str) -> bool {
    HOLD_NAMES.contains(&plain(name).as_str())
}

/// Whether a member of that name has the value of something.
pub(super) fn holds_a_value(name: &str) -> bool {
    HOLD_VALUES.contains(&plain(name).as_str())
}

/// Whether a parameter of a query is a signature.
pub(super) fn is_signature(name: &str) -> bool {
    let plain = plain(name);
    plain == "sig" || ["signature", "hmac"].iter().any(|end| plain.ends_with(end))
}

/// Whether a header is a secret, or shows one's signature.
pub(super) fn is_credential_header(name: &HeaderName) -> bool {
    if matches!(*name, header::WWW_AUTHENTICATE | header::PROXY_AUTHENTICATE) {
        return false;
    }
    let plain = plain(name.as_str());
    IN_HEADERS.iter().any(|part| plain.contains(part))
}

pub(super) fn is_noise(name: &HeaderName) -> bool {
    let plain = plain(name.as_str());
    NOISE.contains(&name.as_str()) || ["requestid", "traceid"].iter().any(|end| plain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let check = |names: &[&str], want: bool| {
            for name in names {
                assert_eq!(is_credential(name), want, "{name}");
            }
        };
        check(
            &["token", "access_token", "accessToken", "Access-Token", "id_token", "refresh_token", "SessionToken"],
            true,
        );
        check(
            &["secret", "client_secret", "SecretAccessKey", "ns:Password", "adminPass", "private_key", "apiKey"],
            true,
        );
        check(&["tokens", "credentials", "CSRFPreventionToken", "ticket", "jwt", "user_data", "sid"], true);
        check(&["nextToken", "NextToken", "next_page_token", "continuation_token", "clientToken", "pageToken"], false);
        check(&["token_type", "expires_in", "key_name", "accessKeyId", "id", "name", "status", "residence"], false);
        check(&["password_expires_at", "keyName", "tokenizer", "instanceId", "ownerId"], false);
    }

    #[test]
    fn headers_are_known_by_their_names() {
        let check = |name: &'static str, credential: bool, noise: bool| {
            let name = HeaderName::from_static(name);
            assert_eq!((is_credential_header(&name), is_noise(&name)), (credential, noise), "{name}");
        };
        check("authorization", true, false);
        check("x-auth-token", true, false);
        check("x-subject-token", true, false);
        check("set-cookie", true, false);
        check("vmware-api-session-id", true, false);
        check("x-amz-security-token", true, false);
        check("x-api-key", true, false);
        check("www-authenticate", false, false);
        check("link", false, false);
        check("retry-after", false, false);
        check("x-amzn-requestid", false, true);
        check("date", false, true);
    }
}
