//! `If-Match` and `If-None-Match` of requests that write (RFC 9110, section 13). A client that has read a hook changes
//! it only if nobody else has changed it since. The tag of a hook names its version; the store compares it within the
//! transaction that writes. Instances and realms have weak tags, which only say that two representations look the same.

use axum::extract::FromRequestParts;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use xxhash_rust::xxh3::xxh3_128;

use crate::api::problem::{Problem, ProblemType};
use crate::model::HookVersion;
use crate::store::{Condition, Versions};

/// What a request makes its write conditional on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions(pub(crate) Condition);

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Conditions, Problem> {
        Ok(Conditions::of(&parts.headers)?)
    }
}

/// What a request makes a `PUT` of an instance or a realm conditional on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceConditions {
    only: Option<Tags>,
    none_of: Option<Tags>,
}

/// The header has something else than tags.
#[derive(Debug)]
pub(crate) struct NoTags(HeaderName);

impl From<NoTags> for Problem {
    fn from(NoTags(header): NoTags) -> Problem {
        let detail = format!("{header} has to be *, or tags in double quotes separated by commas");
        Problem::new(ProblemType::MalformedRequest, detail)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<String>),
}

impl Conditions {
    fn of(headers: &HeaderMap) -> Result<Conditions, NoTags> {
        // If-Match is compared strongly, which a weak tag never passes; If-None-Match weakly.
        let only = tags(headers, &IF_MATCH)?.map(|tags| tags.versions(|tag| tag));
        let none_of = tags(headers, &IF_NONE_MATCH)?.map(|tags| tags.versions(tag_text));
        Ok(Conditions(Condition { only, none_of }))
    }
}

impl ResourceConditions {
    pub(crate) fn of(headers: &HeaderMap) -> Result<ResourceConditions, NoTags> {
        Ok(ResourceConditions { only: tags(headers, &IF_MATCH)?, none_of: tags(headers, &IF_NONE_MATCH)? })
    }

    /// Whether they hold for a resource that `GET` shows so, or does not show at all.
    pub(crate) fn hold(&self, shown: Option<&[u8]>) -> bool {
        let is_only = match &self.only {
            None => true,
            Some(Tags::Any) => shown.is_some(),
            // Compared strongly, a weak tag is like no other.
            Some(Tags::These(_)) => false,
        };
        let is_none = match (&self.none_of, shown) {
            (None, _) | (Some(_), None) => true,
            (Some(Tags::Any), Some(_)) => false,
            (Some(Tags::These(tags)), Some(shown)) => {
                let tag = tag_of(shown);
                !tags.iter().any(|other| tag_text(other) == tag_text(&tag))
            }
        };
        is_only && is_none
    }
}

impl Tags {
    /// The versions that they name. Tags that are not the tracker's name none, and fit nothing.
    fn versions(&self, text: impl Fn(&str) -> &str) -> Versions {
        match self {
            Tags::Any => Versions::Any,
            Tags::These(tags) => Versions::These(tags.iter().filter_map(|tag| version(text(tag))).collect()),
        }
    }
}

/// The tag of a hook, a strong one.
pub(crate) fn tag(version: HookVersion) -> String {
    format!("\"{version}\"")
}

/// The tag of a body, a weak one: the same content may be compressed, or not.
pub(crate) fn tag_of(body: &[u8]) -> String {
    format!("W/\"{:032x}\"", xxh3_128(body))
}

/// Without the mark of a weak one: by that two are compared here.
pub(crate) fn tag_text(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a header, if it is there.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, NoTags> {
    let values: Vec<_> = headers.get_all(name).into_iter().collect();
    if values.is_empty() {
        return Ok(None);
    }
    let mut named = Vec::new();
    for value in &values {
        let text = value.to_str().map_err(|_| NoTags(name.clone()))?.trim();
        if text == "*" && values.len() == 1 {
            return Ok(Some(Tags::Any));
        }
        for tag in text.split(',').map(str::trim) {
            if !is_tag(tag) {
                return Err(NoTags(name.clone()));
            }
            named.push(tag.to_owned());
        }
    }
    Ok(Some(Tags::These(named)))
}

/// Whether it is an entity tag. One with a comma in it is none here: the tracker gives out no such tag.
fn is_tag(text: &str) -> bool {
    let tag = text.strip_prefix("W/").unwrap_or(text);
    let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    opaque.is_some_and(|opaque| opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

fn version(tag: &str) -> Option<HookVersion> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
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
            let version = |number| HookVersion { store: 0x5f09_68e4, number };
            assert_eq!([version(1), version(2)].map(|version| condition.holds(version)), want, "{headers:?}");
        };
        check(&[], [true, true]);
        check(&[(IF_MATCH, "\"5f0968e4-1\"")], [true, false]);
        check(&[(IF_MATCH, "*")], [true, true]);
        check(&[(IF_MATCH, "\"5f0968e4-7\", \"5f0968e4-2\"")], [false, true]);
        check(&[(IF_MATCH, "\"5f0968e4-1\""), (IF_MATCH, "\"5f0968e4-2\"")], [true, true]);
        check(&[(IF_MATCH, "W/\"5f0968e4-1\"")], [false, false]);
        for foreign in [
            "\"1\"",
            "\"5f0968e5-1\"",
            "\"5f0968e4-01\"",
            "\"5F0968E4-1\"",
            "\"05f0968e4-1\"",
            "\"5f0968e4\"",
            "\"-1\"",
            "\"x\"",
            "\"\"",
            "\"-\", W/\"1x\"",
        ] {
            check(&[(IF_MATCH, foreign)], [false, false]);
            check(&[(IF_NONE_MATCH, foreign)], [true, true]);
        }
        for wrong in [
            "",
            "1",
            "\"",
            "\"1",
            "'1'",
            "\"5f0968e4-1\" \"5f0968e4-2\"",
            "\"5f0968e4-1\",",
            "*, \"5f0968e4-1\"",
            "w/\"5f0968e4-1\"",
            "\"a b\"",
        ] {
            for name in [IF_MATCH, IF_NONE_MATCH] {
                let map = HeaderMap::from_iter([(name, HeaderValue::from_static(wrong))]);
                assert!(Conditions::of(&map).is_err(), "{wrong}");
            }
        }
        check(&[(IF_NONE_MATCH, "*")], [false, false]);
        check(&[(IF_NONE_MATCH, "\"5f0968e4-1\"")], [false, true]);
        check(&[(IF_NONE_MATCH, "W/\"5f0968e4-1\"")], [false, true]);
        check(&[(IF_MATCH, "\"5f0968e4-1\", \"5f0968e4-2\""), (IF_NONE_MATCH, "\"5f0968e4-2\"")], [true, false]);
    }

    #[test]
    fn a_resource_has_a_weak_tag_or_none() {
        let tag = tag_of(b"{}");
        let strong = tag_text(&tag).to_owned();
        // Shown so, shown otherwise, not shown.
        let check = |name: HeaderName, value: &str, want: [bool; 3]| {
            let map = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).expect("a value"))]);
            let conditions = ResourceConditions::of(&map).expect("tags");
            let got = [Some(&b"{}"[..]), Some(b"{ }"), None].map(|shown| conditions.hold(shown));
            assert_eq!(got, want, "{name}: {value}");
        };
        check(IF_MATCH, "*", [true, true, false]);
        check(IF_MATCH, &tag, [false, false, false]);
        check(IF_MATCH, &strong, [false, false, false]);
        check(IF_NONE_MATCH, "*", [false, false, true]);
        for tag in [&tag, &strong] {
            check(IF_NONE_MATCH, tag, [false, true, true]);
            check(IF_NONE_MATCH, &format!("\"x\", {tag}"), [false, true, true]);
        }
        let none = ResourceConditions::of(&HeaderMap::new()).expect("none");
        assert!(none.hold(None) && none.hold(Some(b"{}")));
    }
}
