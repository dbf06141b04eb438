//! A hook: where a client wants to be told, and of what.

use std::fmt;

use super::account::{AccountId, Sealed};
use super::resource::{Kind, ResourceId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub i64);

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose a hook is, within its account: two owners never take each other's callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Whoever proves the account's own credentials.
    Account,
}

impl Owner {
    pub fn as_str(&self) -> &'static str {
        match self {
            Owner::Account => "account",
        }
    }
}

/// An absolute http or https URL with a host, without user information and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookUrl(url::Url);

impl HookUrl {
    pub const MAX_BYTES: usize = 2048;

    pub fn parse(text: &str) -> Result<HookUrl, InvalidHookUrl> {
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidHookUrl::TooLong);
        }
        let url = url::Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => InvalidHookUrl::Relative,
            other => InvalidHookUrl::Malformed(other.to_string()),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidHookUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidHookUrl::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(InvalidHookUrl::Fragment);
        }
        Ok(HookUrl(url))
    }

    pub fn as_url(&self) -> &url::Url {
        &self.0
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHookUrl {
    #[error("it is relative: give an absolute URL such as https://example.com/hook")]
    Relative,
    #[error("its scheme is {0:?}: a hook is http or https")]
    Scheme(String),
    #[error("it is not a URL: {0}")]
    Malformed(String),
    #[error("it carries a user or password: put a secret in track_token")]
    UserInformation,
    #[error("it has a fragment (#...), which is never sent: leave it out")]
    Fragment,
    #[error("it is longer than 2048 bytes")]
    TooLong,
}

/// A hook on one resource, which may not have been seen yet.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: HookId,
    pub account: AccountId,
    pub owner: Owner,
    pub kind: Kind,
    pub resource: ResourceId,
    pub url: HookUrl,
    /// The client's token, given back to it in each callback.
    pub token: Option<Sealed>,
    /// The signing secret.
    pub secret: Sealed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absolute_http_url_is_a_hook() {
        let check = |text: &str, want: Result<(), InvalidHookUrl>| {
            assert_eq!(HookUrl::parse(text).map(|_| ()), want, "{text}");
        };
        check("https://example.com/cb", Ok(()));
        check("http://127.0.0.1:9/cb?x=1", Ok(()));
        check("/cb", Err(InvalidHookUrl::Relative));
        check("example.com/cb", Err(InvalidHookUrl::Relative));
        check("ftp://example.com/", Err(InvalidHookUrl::Scheme("ftp".into())));
        check("file:///etc/passwd", Err(InvalidHookUrl::Scheme("file".into())));
        check("https://u:p@example.com/", Err(InvalidHookUrl::UserInformation));
        check("https://example.com/#x", Err(InvalidHookUrl::Fragment));
        check(&format!("https://example.com/{}", "x".repeat(2048)), Err(InvalidHookUrl::TooLong));
        assert!(matches!(HookUrl::parse("http://"), Err(InvalidHookUrl::Malformed(_))));
    }
}
