//! AWS version 4, in a header and in a query ("Create a signed AWS API request", of IAM).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::parts::{
    Credentials, Fields, RESERVED, are_signed, canonical_headers, canonical_query, header_of, is_now, is_users,
    squeezed,
};
use crate::driver::signing::{Hash, digest, hmac};
use crate::driver::wire::Asked;
use crate::model::Timestamp;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What AWS takes a clock to be off at most.
const SKEW_SECONDS: u64 = 300;
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    if let Some(fields) = Fields::of(sent, ALGORITHM) {
        return Some(in_header(sent, &fields, credentials));
    }
    let in_a_query = sent.url.query_pairs().any(|(name, _)| name == "X-Amz-Signature");
    in_a_query.then(|| in_query(sent, credentials))
}

/// What a signature of AWS version 4 says of itself.
struct Signed<'a> {
    credential: &'a str,
    headers: &'a str,
    signature: &'a str,
    stamp: &'a str,
    payload: String,
    /// The parameter that the canonical query leaves out.
    without: Option<&'a str>,
}

fn in_header(sent: &Asked, fields: &Fields<'_>, credentials: &Credentials<'_>) -> Result<(), String> {
    let given = |name: &str| header_of(sent, name);
    let own = hex::encode(digest(Hash::Sha256, &sent.body));
    if let Some(payload) = given("x-amz-content-sha256")
        && payload != own
        && payload != "UNSIGNED-PAYLOAD"
    {
        return Err("x-amz-content-sha256 is not the digest of its body".into());
    }
    let signed = Signed {
        credential: fields.get("Credential")?,
        headers: fields.get("SignedHeaders")?,
        signature: fields.get("Signature")?,
        stamp: given("x-amz-date").ok_or("it has no x-amz-date")?,
        payload: given("x-amz-content-sha256").map_or(own, str::to_owned),
        without: None,
    };
    for name in ["x-amz-date", "x-amz-security-token"] {
        if given(name).is_some() && !signed.headers.split(';').any(|header| header == name) {
            return Err(format!("its header {name} is not signed"));
        }
    }
    signed.check(sent, credentials)
}

fn in_query(sent: &Asked, credentials: &Credentials<'_>) -> Result<(), String> {
    let query: BTreeMap<String, String> = sent.url.query_pairs().into_owned().collect();
    let field = |name: &str| query.get(name).map(String::as_str).ok_or(format!("its query has no {name}"));
    Signed {
        credential: field("X-Amz-Credential")?,
        headers: field("X-Amz-SignedHeaders")?,
        signature: field("X-Amz-Signature")?,
        stamp: field("X-Amz-Date")?,
        payload: hex::encode(digest(Hash::Sha256, &sent.body)),
        without: Some("X-Amz-Signature"),
    }
    .check(sent, credentials)
}

impl Signed<'_> {
    fn check(&self, sent: &Asked, credentials: &Credentials<'_>) -> Result<(), String> {
        let mut scope = self.credential.rsplitn(5, '/');
        let mut part = || scope.next().ok_or_else(|| format!("{:?} is no credential scope", self.credential));
        let (end, service, region, day, key) = (part()?, part()?, part()?, part()?, part()?);
        if end != "aws4_request" {
            return Err(format!("its scope ends with {end:?} in the place of \"aws4_request\""));
        }
        is_users(key, credentials)?;
        if !self.stamp.starts_with(day) || day.len() != 8 {
            return Err(format!("its scope is of {day}, and its date is {}", self.stamp));
        }
        is_now(self.stamp, time(self.stamp).map(Timestamp::as_seconds), (SKEW_SECONDS, credentials))?;
        is_for(sent, (service, region), credentials)?;
        are_signed(self.headers, &["host"])?;
        let canonical = self.canonical(sent)?;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let right = canonical.iter().any(|canonical| {
            let digest = hex::encode(digest(Hash::Sha256, canonical.as_bytes()));
            let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{digest}", self.stamp);
            credentials.secrets.iter().any(|secret| {
                let chain = [day, region, service, "aws4_request", &to_sign];
                let computed = hmac(Hash::Sha256, format!("AWS4{secret}").as_bytes(), &chain);
                computed.is_ok_and(|computed| hex::encode(computed) == self.signature)
            })
        });
        match right {
            true => Ok(()),
            false => Err("it is not what AWS's algorithm makes of the request and the account's secret".into()),
        }
    }

    /// The canonical request, with the path encoded once and twice: services differ.
    fn canonical(&self, sent: &Asked) -> Result<[String; 2], String> {
        let lines = canonical_headers(sent, self.headers, squeezed)?;
        let query = canonical_query(sent.url.query().unwrap_or_default(), self.without);
        let path = sent.url.path();
        let twice = utf8_percent_encode(path, RESERVED_IN_PATH).to_string();
        let request =
            |path: &str| format!("{}\n{path}\n{query}\n{lines}\n{}\n{}", sent.method, self.headers, self.payload);
        Ok([request(path), request(&twice)])
    }
}

/// Where the host's name says for which service and region a request is, the scope says the same; elsewhere the region is
/// the account's, or the one that stands for none.
fn is_for(sent: &Asked, (service, region): (&str, &str), credentials: &Credentials<'_>) -> Result<(), String> {
    let host = sent.url.host_str().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let is_aws = labels.contains(&"amazonaws");
    // Some services have one host for all regions.
    let other = labels.iter().filter(|label| is_region(label)).any(|label| *label != region);
    if is_aws && other && !labels.contains(&region) {
        return Err(format!("it is for the region {region:?}, and goes to {host}"));
    }
    if is_aws && !labels.contains(&service) {
        return Err(format!("it is for the service {service:?}, and goes to {host}"));
    }
    if let Some(own) = credentials.region.filter(|own| *own != region) {
        return Err(format!("it is for the region {region:?}, and the account's option says {own:?}"));
    }
    let is_known = credentials.provider == region || credentials.options.contains(&region) || host.contains(region);
    if !is_aws && !is_known && region != "us-east-1" {
        return Err(format!("it is for the region {region:?}, of which the account says nothing"));
    }
    Ok(())
}

/// Words and a number, as in `us-east-1`.
fn is_region(label: &str) -> bool {
    let (words, number) = label.rsplit_once('-').unwrap_or((label, ""));
    words.contains('-') && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// `20261120T100000Z`.
fn time(stamp: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| stamp.get(from..to);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    );
    written.parse().ok()
}
