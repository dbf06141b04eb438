//! A JSON object as a request's body, read strictly: what is not understood is said, not passed over, and each
//! bad member is named by its JSON pointer (RFC 6901). Pure.

use serde_json::{Map, Value};

/// The members of an object, taken one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(Map<String, Value>);

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Member {
    pointer: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    #[error("the body is {0}, and has to be a JSON object")]
    NoObject(&'static str),
    #[error("{name:?} is not a member here; known are: {}", .known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    #[error("{pointer} {why}")]
    Invalid { pointer: String, why: String },
}

/// How much of what a client wrote is quoted back to it.
const QUOTED_CHARS: usize = 64;

impl Object {
    pub(super) fn parse(body: &[u8]) -> Result<Object, BodyError> {
        match serde_json::from_slice(body).map_err(|error| BodyError::Malformed(error.to_string()))? {
            Value::Object(members) => Ok(Object(members)),
            other => Err(BodyError::NoObject(name_of(&other))),
        }
    }

    /// Errs unless every member is among these.
    pub(super) fn only(&self, known: &[&'static str]) -> Result<(), BodyError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(BodyError::Unknown { name: name.chars().take(QUOTED_CHARS).collect(), known: known.to_vec() })
            }
            None => Ok(()),
        }
    }

    /// Takes a member out. One that is null is as good as absent.
    /// Whether it has such a member, and says something by it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Member> {
        let value = self.0.remove(name).filter(|value| !value.is_null())?;
        Some(Member { pointer: format!("/{name}"), value })
    }

    /// The same, of one that has to be there; `what` says what it is.
    pub(super) fn need(&mut self, name: &str, what: &str) -> Result<Member, BodyError> {
        let absent = || BodyError::Invalid { pointer: format!("/{name}"), why: format!("is needed: {what}") };
        self.take(name).ok_or_else(absent)
    }
}

impl Member {
    pub(super) fn invalid(&self, why: impl Into<String>) -> BodyError {
        BodyError::Invalid { pointer: self.pointer.clone(), why: why.into() }
    }

    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    pub(super) fn text(&self) -> Result<&str, BodyError> {
        self.value.as_str().ok_or_else(|| self.invalid(format!("is {}, and has to be text", name_of(&self.value))))
    }

    pub(super) fn number(&self) -> Result<f64, BodyError> {
        self.value.as_f64().ok_or_else(|| self.invalid(format!("is {}, and has to be a number", name_of(&self.value))))
    }

    /// The items of an array, of which there may be so many.
    pub(super) fn items(&self, most: usize) -> Result<Vec<Member>, BodyError> {
        let Value::Array(values) = &self.value else {
            return Err(self.invalid(format!("is {}, and has to be an array", name_of(&self.value))));
        };
        if values.len() > most {
            return Err(self.invalid(format!("has {} items, and may have {most}", values.len())));
        }
        let item =
            |(at, value): (usize, &Value)| Member { pointer: format!("{}/{at}", self.pointer), value: value.clone() };
        Ok(values.iter().enumerate().map(item).collect())
    }

    /// One of a closed set of words.
    pub(super) fn word<T>(&self, parse: impl Fn(&str) -> Option<T>, known: &[&str]) -> Result<T, BodyError> {
        parse(self.text()?).ok_or_else(|| self.invalid(format!("is one of {}", known.join(", "))))
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_a_body() {
        let check = |body: &str, want: Result<usize, &str>| {
            let got = Object::parse(body.as_bytes()).map(|object| object.0.len()).map_err(|error| error.to_string());
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{body}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{body}: {got}"),
                (got, want) => panic!("{body}: got {got:?}, want {want:?}"),
            }
        };
        check("{}", Ok(0));
        check(r#" {"a": 1, "b": null} "#, Ok(2));
        check("[]", Err("the body is an array, and has to be a JSON object"));
        check("null", Err("the body is null"));
        check("{", Err("the body is not JSON"));
        check("{} {}", Err("the body is not JSON"));
        check("url=https://e.com/", Err("the body is not JSON"));
        check(&"[".repeat(10_000), Err("the body is not JSON"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        const KNOWN: &[&str] = &["text", "list"];
        fn read(body: &str) -> Result<String, BodyError> {
            let mut object = Object::parse(body.as_bytes())?;
            object.only(KNOWN)?;
            let mut read = object.need("text", "some words")?.text()?.to_owned();
            if let Some(list) = object.take("list") {
                for item in list.items(2)? {
                    read += item.word(|word| (word == "a").then_some("A"), &["a"])?;
                }
            }
            Ok(read)
        }
        let check = |body: &str, want: Result<&str, &str>| {
            let got = read(body).map_err(|error| error.to_string());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{body}");
        };
        check(r#"{"text": "x"}"#, Ok("x"));
        check(r#"{"text": "x", "list": null}"#, Ok("x"));
        check(r#"{"text": "x", "list": ["a", "a"]}"#, Ok("xAA"));
        check("{}", Err("/text is needed: some words"));
        check(r#"{"text": null}"#, Err("/text is needed: some words"));
        check(r#"{"text": 5}"#, Err("/text is a number, and has to be text"));
        check(r#"{"text": "x", "list": {}}"#, Err("/list is an object, and has to be an array"));
        check(r#"{"text": "x", "list": ["a", "b"]}"#, Err("/list/1 is one of a"));
        check(r#"{"text": "x", "list": [["a"]]}"#, Err("/list/0 is an array, and has to be text"));
        check(r#"{"text": "x", "list": ["a", "a", "a"]}"#, Err("/list has 3 items, and may have 2"));
        check(r#"{"text": "x", "lists": []}"#, Err(r#""lists" is not a member here; known are: text, list"#));
    }
}
