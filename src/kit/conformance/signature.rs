//! Signatures held against their algorithms, by whoever knows the secret: AWS version 4 in a header or in a query, and
//! JSON Web Tokens with HS256 and RS256. What is signed in another way is not looked at.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::driver::signing::{Hash, Scheme, digest, hex, hmac, rsa};
use crate::driver::wire::Asked;
use crate::model::Timestamp;

/// Who signs, and when.
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) secrets: Vec<&'a str>,
    pub(super) options: Vec<&'a str>,
    /// What the account says of the region, in so many words.
    pub(super) region: Option<&'a str>,
    pub(super) provider: &'a str,
    pub(super) at: Timestamp,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What AWS takes a clock to be off at most.
const SKEW_SECONDS: u64 = 300;
/// RFC 3986: what is not reserved is written as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Whether a request's signature is right; none where it has none that is known.
pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    if let Some(fields) = sent.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
        && let Some(fields) = fields.strip_prefix(ALGORITHM)
    {
        return Some(in_header(sent, fields, credentials));
    }
    if sent.url.query_pairs().any(|(name, _)| name == "X-Amz-Signature") {
        return Some(in_query(sent, credentials));
    }
    token(sent).map(|token| is_signed(&token, credentials))
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

fn in_header(sent: &Asked, fields: &str, credentials: &Credentials<'_>) -> Result<(), String> {
    let fields: BTreeMap<&str, &str> = fields.split(',').filter_map(|field| field.trim().split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().ok_or(format!("its Authorization has no {name}"));
    let given = |name: &str| sent.headers.get(name).and_then(|value| value.to_str().ok());
    let own = hex(&digest(Hash::Sha256, &sent.body));
    if let Some(payload) = given("x-amz-content-sha256")
        && payload != own
        && payload != "UNSIGNED-PAYLOAD"
    {
        return Err("x-amz-content-sha256 is not the digest of its body".into());
    }
    let signed = Signed {
        credential: field("Credential")?,
        headers: field("SignedHeaders")?,
        signature: field("Signature")?,
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
        payload: hex(&digest(Hash::Sha256, &sent.body)),
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
        if key != credentials.user {
            return Err("its access key is not the account's user".into());
        }
        if !self.stamp.starts_with(day) || day.len() != 8 {
            return Err(format!("its scope is of {day}, and its date is {}", self.stamp));
        }
        match time(self.stamp) {
            Some(at) if at.as_seconds().abs_diff(credentials.at.as_seconds()) <= SKEW_SECONDS => {}
            _ => return Err(format!("its date is {}, and it is {}", self.stamp, credentials.at)),
        }
        is_for(sent, (service, region), credentials)?;
        if !self.headers.split(';').any(|name| name == "host") {
            return Err("its host is not signed".into());
        }
        let canonical = self.canonical(sent)?;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let right = canonical.iter().any(|canonical| {
            let digest = hex(&digest(Hash::Sha256, canonical.as_bytes()));
            let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{digest}", self.stamp);
            credentials.secrets.iter().any(|secret| {
                let chain = [day, region, service, "aws4_request", &to_sign];
                let computed = hmac(Hash::Sha256, format!("AWS4{secret}").as_bytes(), &chain);
                computed.is_ok_and(|computed| hex(&computed) == self.signature)
            })
        });
        match right {
            true => Ok(()),
            false => Err("it is not what AWS's algorithm makes of the request and the account's secret".into()),
        }
    }

    /// The canonical request, with the path encoded once and twice: services differ.
    fn canonical(&self, sent: &Asked) -> Result<[String; 2], String> {
        let authority = match sent.url.port() {
            Some(port) => format!("{}:{port}", sent.url.host_str().unwrap_or_default()),
            None => sent.url.host_str().unwrap_or_default().to_owned(),
        };
        let mut lines = String::new();
        for name in self.headers.split(';') {
            let values: Vec<String> =
                sent.headers.get_all(name).iter().map(|value| squeezed(value.as_bytes())).collect();
            let value = match (name, values.is_empty()) {
                ("host", _) => authority.clone(),
                (_, true) => return Err(format!("it signs the header {name}, and does not send it")),
                (_, false) => values.join(","),
            };
            lines.push_str(&format!("{name}:{value}\n"));
        }
        let is_sorted = self.headers.split(';').is_sorted();
        if !is_sorted {
            return Err("the headers that it signs are not sorted".into());
        }
        let mut query: Vec<(String, String)> = Vec::new();
        for field in sent.url.query().unwrap_or_default().split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let encode =
                |text: &str| utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), RESERVED).to_string();
            if Some(name) != self.without {
                query.push((encode(name), encode(value)));
            }
        }
        query.sort();
        let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let path = sent.url.path();
        let twice = utf8_percent_encode(path, RESERVED_IN_PATH).to_string();
        let request =
            |path: &str| format!("{}\n{path}\n{query}\n{lines}\n{}\n{}", sent.method, self.headers, self.payload);
        Ok([request(path), request(&twice)])
    }
}

/// A value with runs of blanks made one.
fn squeezed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
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

/// A JSON Web Token that a driver made: in a form, or in a header.
fn token(sent: &Asked) -> Option<String> {
    let is_token = |text: &str| {
        let first = text.split('.').next()?;
        let head: Value = serde_json::from_slice(&BASE64_URL.decode(first).ok()?).ok()?;
        (text.split('.').count() == 3 && matches!(head["alg"].as_str()?, "RS256" | "HS256")).then(|| text.to_owned())
    };
    let form = url::form_urlencoded::parse(&sent.body).filter(|(name, _)| name.ends_with("assertion"));
    let in_form = form.filter_map(|(_, value)| is_token(&value)).next();
    in_form.or_else(|| {
        let values = sent.headers.values().filter_map(|value| value.to_str().ok());
        values.filter_map(|value| is_token(value.rsplit(' ').next()?)).next()
    })
}

fn is_signed(token: &str, credentials: &Credentials<'_>) -> Result<(), String> {
    let (message, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let decoded =
        |part: Option<&str>| -> Option<Value> { serde_json::from_slice(&BASE64_URL.decode(part?).ok()?).ok() };
    let mut parts = message.split('.');
    let head = decoded(parts.next()).ok_or("its head is no JSON")?;
    let claims = decoded(parts.next()).ok_or("its claims are no JSON")?;
    let now = credentials.at.as_seconds();
    if claims["exp"].as_i64().is_some_and(|end| end <= now) || claims["iat"].as_i64().is_some_and(|at| at > now + 300) {
        return Err(format!("it is not valid at {}", credentials.at));
    }
    let computed = |secret: &&str| match head["alg"].as_str() {
        Some("HS256") => hmac(Hash::Sha256, secret.as_bytes(), &[message]).ok(),
        _ => rsa(Scheme::Rs256, secret, message.as_bytes()).ok(),
    };
    let right = credentials.secrets.iter().filter_map(computed).any(|value| BASE64_URL.encode(value) == signature);
    match right {
        true => Ok(()),
        // A token that a login gave is signed by the provider.
        false if !credentials.secrets.iter().any(|secret| secret.contains("PRIVATE KEY")) && head["alg"] == "RS256" => {
            Ok(())
        }
        false => Err("it is not signed with the account's secret".into()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    /// "Create a signed AWS API request", of IAM.
    #[test]
    fn the_published_example_is_verified() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ];
        let sent = |url: &str, body: &'static str| Asked {
            method: Method::GET,
            url: url.parse().expect(url),
            headers: headers
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
                .collect::<HeaderMap>(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let check = |sent: Asked, secret: &str, user: &str, at: &str, want: Result<(), &str>| {
            let credentials = Credentials {
                user,
                secrets: vec![secret],
                options: vec![],
                region: None,
                provider: "us-east-1",
                at: at.parse().expect(at),
            };
            match (verify(&sent, &credentials).expect("a signature"), want) {
                (Ok(()), Ok(())) => {}
                (Err(why), Err(want)) => assert!(why.contains(want), "{why} should say {want}"),
                (got, want) => panic!("{got:?}, and not {want:?}"),
            }
        };
        let good = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let (secret, at) = ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "2015-08-30T12:36:00Z");
        let elsewhere = "https://iam.eu-west-1.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let service = "https://ec2.us-east-1.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        check(sent(good, ""), secret, "AKIDEXAMPLE", at, Ok(()));
        check(sent(elsewhere, ""), secret, "AKIDEXAMPLE", at, Err("the region"));
        check(sent(service, ""), secret, "AKIDEXAMPLE", at, Err("the service"));
        check(sent(good, ""), secret, "AKIDOTHER", at, Err("access key"));
        check(sent(good, ""), secret, "AKIDEXAMPLE", "2016-08-30T12:36:00Z", Err("its date"));
        check(sent(good, ""), "another", "AKIDEXAMPLE", at, Err("AWS's algorithm"));
        check(sent(good, "more"), secret, "AKIDEXAMPLE", at, Err("AWS's algorithm"));
    }
}
