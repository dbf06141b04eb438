//! `If-Match` and `If-None-Match` of requests that write (RFC 9110, section 13): a client that has read a hook changes it
//! only where nobody else did since. The tag of a hook names its version, which the store compares within the transaction
//! that writes.

use axum::extract::FromRequestParts;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::problem::{Problem, ProblemType};
use crate::model::HookVersion;
use crate::store::{Condition, Versions};

/// What a request makes its write conditional on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions(pub(super) Condition);

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Conditions, Problem> {
        Conditions::of(&parts.headers).map_err(|NoTags(header)| {
            let detail = format!("{header} has to be *, or tags in double quotes with commas between");
            Problem::new(ProblemType::MalformedRequest, detail)
        })
    }
}

/// The header has something else than tags.
#[derive(Debug)]
struct NoTags(HeaderName);

impl Conditions {
    fn of(headers: &HeaderMap) -> Result<Conditions, NoTags> {
        // If-Match is compared strongly, which a weak tag never passes; If-None-Match weakly.
        let only = versions(headers, &IF_MATCH, |tag| tag)?;
        let none_of = versions(headers, &IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag))?;
        Ok(Conditions(Condition { only, none_of }))
    }
}

/// The tag of a hook.
pub(super) fn tag(version: HookVersion) -> String {
    format!("\"{version}\"")
}

/// The versions that a header names, if it is there. Tags that are not the tracker's name none, and fit nothing.
fn versions(headers: &HeaderMap, name: &HeaderName, strong: impl Fn(&str) -> &str) -> Result<Option<Versions>, NoTags> {
    let values: Vec<_> = headers.get_all(name).into_iter().collect();
    if values.is_empty() {
        return Ok(None);
    }
    let mut named = Vec::new();
    for value in &values {
        let text = value.to_str().map_err(|_| NoTags(name.clone()))?.trim();
        if text == "*" && values.len() == 1 {
            return Ok(Some(Versions::Any));
        }
        for tag in text.split(',').map(str::trim) {
            if !is_tag(tag) {
                return Err(NoTags(name.clone()));
            }
            named.extend(version(strong(tag)));
        }
    }
    Ok(Some(Versions::These(named)))
}

/// Whether it is an entity tag. One with a comma in it is none here: the tracker gives out no such tag.
fn is_tag(text: &str) -> bool {
    let tag = text.strip_prefix("W/").unwrap_or(text);
    let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    opaque.is_some_and(|opaque| opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

fn version(tag: &str) -> Option<HookVersion> {
    let number = tag.strip_prefix('"')?.strip_suffix('"')?;
    number.parse().ok().map(HookVersion).filter(|version| version.to_string() == number)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_compared_as_rfc_9110_says() {
        let check = |headers: &[(HeaderName, &'static str)], want: [bool; 2]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, HeaderValue::from_static(value));
            }
            let Conditions(condition) = Conditions::of(&map).expect("tags");
            assert_eq!([HookVersion(1), HookVersion(2)].map(|version| condition.holds(version)), want, "{headers:?}");
        };
        check(&[], [true, true]);
        check(&[(IF_MATCH, "\"1\"")], [true, false]);
        check(&[(IF_MATCH, "*")], [true, true]);
        check(&[(IF_MATCH, "\"7\", \"2\"")], [false, true]);
        check(&[(IF_MATCH, "\"1\""), (IF_MATCH, "\"2\"")], [true, true]);
        check(&[(IF_MATCH, "W/\"1\"")], [false, false]);
        for foreign in ["\"01\"", "\"x\"", "\"\"", "\"-\", W/\"1x\""] {
            check(&[(IF_MATCH, foreign)], [false, false]);
            check(&[(IF_NONE_MATCH, foreign)], [true, true]);
        }
        for wrong in ["", "1", "\"", "\"1", "'1'", "\"1\" \"2\"", "\"1\",", "*, \"1\"", "w/\"1\"", "\"a b\""] {
            for name in [IF_MATCH, IF_NONE_MATCH] {
                let map = HeaderMap::from_iter([(name, HeaderValue::from_static(wrong))]);
                assert!(Conditions::of(&map).is_err(), "{wrong}");
            }
        }
        check(&[(IF_NONE_MATCH, "*")], [false, false]);
        check(&[(IF_NONE_MATCH, "\"1\"")], [false, true]);
        check(&[(IF_NONE_MATCH, "W/\"1\"")], [false, true]);
        check(&[(IF_MATCH, "\"1\", \"2\""), (IF_NONE_MATCH, "\"2\"")], [true, false]);
    }
}
