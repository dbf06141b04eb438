//! Apache CloudStack ("Signing API Requests").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::parts::{Credentials, is_users, parameters};
use crate::driver::signing::{Hash, hmac};
use crate::driver::wire::Asked;
use crate::model::Timestamp;

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    let mut parameters: Vec<(String, String)> =
        parameters(sent).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let has = |name: &str| parameters.iter().any(|(own, _)| own == name);
    if !["command", "apikey", "signature"].into_iter().all(has) {
        return None;
    }
    parameters.sort();
    Some(check(&parameters, credentials))
}

fn check(parameters: &[(String, String)], credentials: &Credentials<'_>) -> Result<(), String> {
    let parameter = |name: &str| {
        parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    is_users(parameter("apikey"), credentials)?;
    let expires = parameter("expires").replace("+0000", "Z").parse::<Timestamp>();
    if expires.is_ok_and(|expires| expires <= credentials.at) {
        return Err(format!("it expired at {}, and it is {}", parameter("expires"), credentials.at));
    }
    let signed = parameters.iter().filter(|(name, _)| name != "signature");
    let to_sign = signed.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
    let to_sign = to_sign.to_lowercase();
    let is_of = |secret: &&str| {
        let computed = hmac(Hash::Sha1, secret.as_bytes(), &[&to_sign]);
        computed.is_ok_and(|computed| BASE64.encode(computed) == parameter("signature"))
    };
    match credentials.secrets.iter().any(is_of) {
        true => Ok(()),
        false => Err("it is not what CloudStack's algorithm makes of the request and the account's secret".into()),
    }
}

/// As the management server encodes values before it signs: as a form is, with blanks as `%20`.
fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}
