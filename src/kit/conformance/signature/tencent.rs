//! Tencent Cloud's API 3.0, "Signature v3".

use super::parts::{
    Credentials, Fields, are_signed, canonical_headers, canonical_query, header_of, is_now, is_users, squeezed,
};
use crate::driver::signing::{Hash, digest, hmac};
use crate::driver::wire::Asked;
use crate::model::Timestamp;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// What Tencent Cloud takes a clock to be off at most.
const SKEW_SECONDS: u64 = 300;

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    Fields::of(sent, ALGORITHM).map(|fields| check(sent, &fields, credentials))
}

fn check(sent: &Asked, fields: &Fields<'_>, credentials: &Credentials<'_>) -> Result<(), String> {
    let credential = fields.get("Credential")?;
    let parts: Vec<&str> = credential.split('/').collect();
    let [key, day, service, "tc3_request"] = parts.as_slice() else {
        return Err(format!("{credential:?} is no key, date, service and \"tc3_request\""));
    };
    is_users(key, credentials)?;
    let stamp = header_of(sent, "x-tc-timestamp").ok_or("it has no X-TC-Timestamp")?;
    let at = stamp.parse::<i64>().ok();
    is_now(stamp, at, (SKEW_SECONDS, credentials))?;
    let own_day = at.and_then(|at| at.checked_mul(1000)).map(|at| Timestamp::from_millis(at).to_string());
    if own_day.is_none_or(|own| !own.starts_with(day) || day.len() != 10) {
        return Err(format!("its scope is of {day}, and its X-TC-Timestamp is {stamp}"));
    }
    let headers = fields.get("SignedHeaders")?;
    are_signed(headers, &["content-type", "host"])?;
    let lines = canonical_headers(sent, headers, |value| squeezed(value).to_ascii_lowercase())?;
    let payload = hex::encode(digest(Hash::Sha256, &sent.body));
    let query = sent.url.query().unwrap_or_default();
    let signature = fields.get("Signature")?;
    // The parameters as they are sent; some SDKs sort them first.
    let is_right = [query.to_owned(), canonical_query(query, None)].iter().any(|query| {
        let request = format!("{}\n{}\n{query}\n{lines}\n{headers}\n{payload}", sent.method, sent.url.path());
        let request = hex::encode(digest(Hash::Sha256, request.as_bytes()));
        let to_sign = format!("{ALGORITHM}\n{stamp}\n{day}/{service}/tc3_request\n{request}");
        credentials.secrets.iter().any(|secret| {
            let chain = [*day, *service, "tc3_request", to_sign.as_str()];
            let computed = hmac(Hash::Sha256, format!("TC3{secret}").as_bytes(), &chain);
            computed.is_ok_and(|computed| hex::encode(computed) == signature)
        })
    });
    match is_right {
        true => Ok(()),
        false => Err("it is not what Tencent Cloud's algorithm makes of the request and the account's secret".into()),
    }
}
