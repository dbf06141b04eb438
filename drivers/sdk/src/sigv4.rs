//! AWS Signature Version 4, without ever holding the secret key: the driver writes the canonical request,
//! the host computes the digests and the signature, which the driver never sees. A session token is signed and sent as a placeholder.
//!
//! The rules are AWS's "Create a signed AWS API request"; the tests are their published examples.

use crate::http::{Request, Url, encode_path};
use crate::model::Timestamp;
use crate::secret::{self, Encoding, Hash, Output};
use crate::{Error, time};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs, and for what.
#[derive(Debug, Clone)]
pub struct Signer<'a> {
    /// The public half of the credentials: the account's user.
    pub access_key: &'a str,
    /// The name of the secret that holds the secret key: mostly [`secret::PASSWORD`].
    pub secret_key: &'a str,
    /// The name of the secret option that holds a session token, where there is such an option.
    pub session_token: Option<&'a str>,
    pub region: &'a str,
    pub service: &'a str,
}

impl Signer<'_> {
    /// The request with `x-amz-date`, where there is a session token `x-amz-security-token`, and `authorization`.
    /// All its headers are signed, so add none behind it.
    pub fn sign(&self, request: Request) -> Result<Request, Error> {
        self.sign_at(request, time::now())
    }

    /// The same at a time that the caller chooses.
    pub fn sign_at(&self, request: Request, now: Timestamp) -> Result<Request, Error> {
        let url = Url::parse(&request.url)?;
        let stamp = time::format_amz_date(now);
        let day = &stamp[..8];
        let mut request = request.header("x-amz-date", stamp.as_str());
        if let Some(name) = self.session_token
            && let Some(word) = secret::optional_placeholder(name, Encoding::Raw)?
        {
            request = request.header("x-amz-security-token", word);
        }

        let payload = secret::digest(Hash::Sha256, &request.body, Output::Hex)?;
        let canonical = Canonical::new(&request, &url, &payload);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let digest = secret::digest(Hash::Sha256, canonical.text.as_bytes(), Output::Hex)?;
        let to_sign = format!("{ALGORITHM}\n{stamp}\n{scope}\n{digest}");
        let chain = [day, self.region, self.service, "aws4_request", &to_sign].map(str::as_bytes);
        let signature = secret::hmac(self.secret_key, Hash::Sha256, b"AWS4", &chain, Output::Hex)?;

        let Canonical { signed_headers, .. } = canonical;
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
            self.access_key
        );
        Ok(request.header("authorization", authorization))
    }
}

/// The canonical request, and the names of the headers in it.
struct Canonical {
    text: String,
    signed_headers: String,
}

impl Canonical {
    fn new(request: &Request, url: &Url, payload: &str) -> Self {
        let mut headers: Vec<(String, String)> = vec![("host".to_owned(), url.authority.clone())];
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            // Runs of spaces count as one, and those at the ends as none.
            let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            match headers.iter_mut().find(|(set, _)| *set == name) {
                Some((_, values)) => {
                    values.push(',');
                    values.push_str(&value);
                }
                None => headers.push((name, value)),
            }
        }
        headers.sort();
        let signed_headers = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");

        let mut query: Vec<(String, String)> = url
            .query()
            .split('&')
            .filter(|field| !field.is_empty())
            .map(|field| field.split_once('=').unwrap_or((field, "")))
            .map(|(name, value)| (canonical_query(name), canonical_query(value)))
            .collect();
        query.sort();
        let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");

        // Every service but S3 signs the path escaped once more than it is sent.
        let mut text = format!("{}\n{}\n{query}\n", request.method, encode_path(url.path()));
        for (name, value) in &headers {
            text.push_str(&format!("{name}:{value}\n"));
        }
        text.push_str(&format!("\n{signed_headers}\n{payload}"));
        Canonical { text, signed_headers }
    }
}

/// A name or value of a query, which is escaped already, with what its writer left unescaped escaped too.
fn canonical_query(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    for part in text.split_inclusive('%') {
        match part.strip_suffix('%') {
            Some(before) => {
                canonical.push_str(&encode_path(before).replace('/', "%2F"));
                canonical.push('%');
            }
            None => canonical.push_str(&encode_path(part).replace('/', "%2F")),
        }
    }
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    /// AWS's published test suite: its credentials, its time (2015-08-30T12:36:00Z), its host.
    fn signature(request: Request) -> String {
        let host = Host::new().secret("password", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let signer = Signer {
            access_key: "AKIDEXAMPLE",
            secret_key: "password",
            session_token: Some("session-token"),
            region: "us-east-1",
            service: "service",
        };
        let (signed, _) = host.run(|| signer.sign_at(request, 1_440_938_160_000).unwrap());
        let (_, authorization) = signed.headers.last().unwrap();
        let (head, signature) = authorization.split_once("Signature=").unwrap();
        assert!(head.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "));
        Host::computed(signature)
    }

    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let get = |path: &str| Request::get(format!("https://example.amazonaws.com{path}"));
        let post = || Request::post("https://example.amazonaws.com/");
        let check = |name: &str, request: Request, expected: &str| assert_eq!(signature(request), expected, "{name}");
        check("get-vanilla", get("/"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check(
            "get-vanilla-query-order-key-case",
            get("/?Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        check(
            "get-vanilla-utf8-query",
            get("/?ሴ=bar"),
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        );
        check("get-utf8", get("/ሴ"), "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
        check("post-vanilla", post(), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        check(
            "post-x-www-form-urlencoded",
            post().header("Content-Type", "application/x-www-form-urlencoded").body("Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
        check(
            "get-header-value-trim",
            get("/").header("My-Header1", " value1").header("My-Header2", " \"a   b   c\""),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        );
    }

    #[test]
    fn a_session_token_is_signed_as_it_will_be_sent() {
        // The suite's post-sts-header-before: the token is part of what is signed.
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeo\
                     IYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5V\
                     SXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yj\
                     c8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let host =
            Host::new().secret("password", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").secret("session-token", token);
        let signer = Signer {
            access_key: "AKIDEXAMPLE",
            secret_key: "password",
            session_token: Some("session-token"),
            region: "us-east-1",
            service: "service",
        };
        let request = Request::post("https://example.amazonaws.com/");
        let (signed, _) = host.run(|| signer.sign_at(request, 1_440_938_160_000).unwrap());
        let (_, authorization) = signed.headers.last().unwrap();
        assert_eq!(
            Host::computed(authorization.split_once("Signature=").unwrap().1),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        );
        assert!(!format!("{signed:?}").contains("AQoDYX"));
    }
}
