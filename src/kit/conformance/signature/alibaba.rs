//! Alibaba Cloud: "Request syntax and signature method V3", in a header, and the older signature of RPC calls with
//! HMAC-SHA1, in a query or in a form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::utf8_percent_encode;

use super::parts::{
    Credentials, Fields, RESERVED, are_signed, canonical_headers, canonical_query, header_of, is_now, is_users,
    parameters, squeezed,
};
use crate::driver::signing::{Hash, digest, hmac};
use crate::driver::wire::Asked;
use crate::model::Timestamp;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// What Alibaba Cloud takes a clock to be off at most.
const SKEW_SECONDS: u64 = 900;

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    if let Some(fields) = Fields::of(sent, ALGORITHM) {
        return Some(in_header(sent, &fields, credentials));
    }
    let parameters = parameters(sent);
    let is_signed = parameters.iter().any(|(name, value)| name == "SignatureMethod" && value == "HMAC-SHA1");
    is_signed.then(|| among_parameters(sent, &parameters, credentials))
}

fn in_header(sent: &Asked, fields: &Fields<'_>, credentials: &Credentials<'_>) -> Result<(), String> {
    is_users(fields.get("Credential")?, credentials)?;
    let stamp = header_of(sent, "x-acs-date").ok_or("it has no x-acs-date")?;
    is_now(stamp, seconds(stamp), (SKEW_SECONDS, credentials))?;
    let payload = hex::encode(digest(Hash::Sha256, &sent.body));
    if header_of(sent, "x-acs-content-sha256") != Some(payload.as_str()) {
        return Err("x-acs-content-sha256 is not the digest of its body".into());
    }
    let headers = fields.get("SignedHeaders")?;
    are_signed(headers, &["host"])?;
    let own = sent.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-acs-"));
    are_signed(headers, &own.collect::<Vec<_>>())?;
    let lines = canonical_headers(sent, headers, squeezed)?;
    let query = canonical_query(sent.url.query().unwrap_or_default(), None);
    let request = format!("{}\n{}\n{query}\n{lines}\n{headers}\n{payload}", sent.method, sent.url.path());
    let to_sign = format!("{ALGORITHM}\n{}", hex::encode(digest(Hash::Sha256, request.as_bytes())));
    let signature = fields.get("Signature")?;
    let is_of = |secret: &&str| {
        hmac(Hash::Sha256, secret.as_bytes(), &[&to_sign]).is_ok_and(|computed| hex::encode(computed) == signature)
    };
    told(credentials.secrets.iter().any(is_of))
}

fn among_parameters(
    sent: &Asked,
    parameters: &[(String, String)],
    credentials: &Credentials<'_>,
) -> Result<(), String> {
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("it has no {name}"))
    };
    is_users(parameter("AccessKeyId")?, credentials)?;
    let stamp = parameter("Timestamp")?;
    is_now(stamp, seconds(stamp), (SKEW_SECONDS, credentials))?;
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut signed: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| name != "Signature")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    signed.sort();
    let signed = signed.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let to_sign = format!("{}&%2F&{}", sent.method, encoded(&signed));
    let signature = parameter("Signature")?;
    let is_of = |secret: &&str| {
        let computed = hmac(Hash::Sha1, format!("{secret}&").as_bytes(), &[&to_sign]);
        computed.is_ok_and(|computed| BASE64.encode(computed) == signature)
    };
    told(credentials.secrets.iter().any(is_of))
}

fn seconds(stamp: &str) -> Option<i64> {
    stamp.parse::<Timestamp>().ok().map(Timestamp::as_seconds)
}

fn told(is_right: bool) -> Result<(), String> {
    match is_right {
        true => Ok(()),
        false => Err("it is not what Alibaba Cloud's algorithm makes of the request and the account's secret".into()),
    }
}
