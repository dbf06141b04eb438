//! The credentials for each request to a registry: none, a password, or a token from a token service. The registry
//! names that service, not the operator. So the service is trusted no more than a redirect: it is bounded, and must use
//! TLS.

use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::download::{Downloads, Wanted, may_follow, shown};
use super::error::FetchError;
use super::login::Login;

/// Tokens have some thousand bytes, where they are long.
const ANSWER_BYTES: u64 = 64 << 10;
const LIMIT: &str = "no answer to a login is that long";

/// What is to be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Pull,
    Push,
}

/// As whom a registry is asked.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Nobody,
    Password(Login),
    Token(SecretString),
}

impl Credentials {
    /// As they stand in a header.
    pub(super) fn header(&self) -> Option<SecretString> {
        match self {
            Credentials::Nobody => None,
            Credentials::Password(login) => Some(login.basic()),
            Credentials::Token(token) => Some(format!("Bearer {}", token.expose_secret()).into()),
        }
    }
}

/// A registry of the OCI's distribution specification, and whom it is asked as.
pub(super) struct Door<'a> {
    pub(super) downloads: &'a Downloads,
    /// Scheme, host and port, without a path.
    pub(super) registry: &'a Url,
    pub(super) repository: &'a str,
    pub(super) login: Option<&'a Login>,
}

/// Who gives out tokens for a registry, as it says itself.
#[derive(Debug, PartialEq, Eq)]
struct Realm {
    realm: String,
    service: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    /// OAuth's name of the same.
    access_token: Option<String>,
}

impl Door<'_> {
    /// Asks what the registry wants to be shown, and gets it.
    pub(super) async fn credentials(&self, operation: Operation) -> Result<Credentials, FetchError> {
        let url = self.registry.join("/v2/").map_err(|_| self.unclear("its address has no path"))?;
        let wanted =
            Wanted { url, accept: "application/json", authorization: None, most_bytes: ANSWER_BYTES, limit: LIMIT };
        let asked = self.downloads.get(wanted).await?;
        match realm_in(&asked.challenges) {
            Some(realm) => self.token(&realm, operation).await.map(Credentials::Token),
            None => Ok(self.login.map_or(Credentials::Nobody, |login| Credentials::Password(login.clone()))),
        }
    }

    async fn token(&self, realm: &Realm, operation: Operation) -> Result<SecretString, FetchError> {
        let url = realm.url(self.repository, operation).ok_or_else(|| self.unclear("it sends logins to no URL"))?;
        if !may_follow(self.registry, &url) {
            let to = shown(&url.origin());
            return Err(FetchError::InsecureRealm { registry: shown(&self.registry.origin()), to });
        }
        let (authorization, from) = (self.login.map(Login::basic), shown(&url.origin()));
        let authorization = authorization.as_ref();
        let wanted = Wanted { url, accept: "application/json", authorization, most_bytes: ANSWER_BYTES, limit: LIMIT };
        let answer = self.downloads.get(wanted).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(FetchError::not_let_in(shown(&self.registry.origin()), self.login));
            }
            status => return Err(FetchError::Status { from, status: status.as_u16() }),
        }
        let given: Option<Answer> = serde_json::from_slice(&answer.bytes).ok();
        let token = given.and_then(|given| given.token.or(given.access_token)).filter(|token| !token.is_empty());
        token.map(SecretString::from).ok_or_else(|| self.unclear("there is no token in the answer to a login"))
    }

    fn unclear(&self, message: &str) -> FetchError {
        FetchError::Registry { registry: shown(&self.registry.origin()), message: message.to_owned() }
    }
}

impl Realm {
    fn url(&self, repository: &str, operation: Operation) -> Option<Url> {
        let mut url = Url::parse(&self.realm).ok().filter(Url::has_host)?;
        let actions = match operation {
            Operation::Pull => "pull",
            Operation::Push => "pull,push",
        };
        let mut query = url.query_pairs_mut();
        query.append_pair("scope", &format!("repository:{repository}:{actions}"));
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        drop(query);
        Some(url)
    }
}

/// The first challenge for a token; none where a password will do.
fn realm_in(challenges: &[String]) -> Option<Realm> {
    let mut challenges = challenges.iter().flat_map(|value| ChallengeParser::new(value).map_while(Result::ok));
    let challenge = challenges.find(|challenge| challenge.scheme.eq_ignore_ascii_case("Bearer"))?;
    Some(Realm { realm: parameter(&challenge, "realm").unwrap_or_default(), service: parameter(&challenge, "service") })
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_out_tokens_is_read() {
        let check = |challenge: &str, want: Option<&str>| {
            let realm = realm_in(&["Basic realm=\"x\"".to_owned(), challenge.to_owned()]);
            let url = realm.and_then(|realm| realm.url("me/ec2", Operation::Push));
            assert_eq!(url.as_ref().map(Url::as_str), want, "{challenge}");
        };
        check(
            "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"x\"",
            Some("https://auth.example/token?scope=repository%3Ame%2Fec2%3Apull%2Cpush&service=registry.example"),
        );
        check(
            "Digest realm=\"a\", bearer REALM=\"https://auth.example/token?a=b\"",
            Some("https://auth.example/token?a=b&scope=repository%3Ame%2Fec2%3Apull%2Cpush"),
        );
        check("Bearer service=\"x\"", None);
        check("Bearer realm=\"auth.example\"", None);
        check("Bearer realm=\"data:x\"", None);
        check("Bearer realm=\"https://auth.example", None);
        check("Basic realm=\"https://auth.example\"", None);
        check("", None);
        check("\u{7f} ???", None);
        assert_eq!(realm_in(&["Basic realm=\"x\"".into()]), None);
    }

    #[test]
    fn no_secret_is_shown() {
        let login = Login { user: "me".into(), password: "hunter2".to_owned().into() };
        let all = [Credentials::Nobody, Credentials::Password(login), Credentials::Token("hunter2".to_owned().into())];
        assert!(!format!("{all:?}").contains("hunter2"));
        let headers = all.map(|credentials| credentials.header().map(|header| header.expose_secret().to_owned()));
        assert_eq!(headers, [None, Some("Basic bWU6aHVudGVyMg==".into()), Some("Bearer hunter2".into())]);
    }
}
