//! A JSON object as the body of a request, parsed strictly. Unknown members are errors, and each bad member is named by
//! its JSON pointer (RFC 6901). Pure.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of an object, taken one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

/// A value, and where it stands.
#[derive(Debug)]
pub(crate) struct Member {
    pointer: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    #[error("the body is {0}, and has to be a JSON object")]
    NoObject(&'static str),
    #[error("{name:?} is not a known member; known members: {}", .known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    #[error("{pointer} {why}")]
    Invalid { pointer: String, why: String },
}

/// How much of what a client wrote is quoted back to it.
const QUOTED_CHARS: usize = 64;

impl Object {
    pub(crate) fn parse(body: &[u8]) -> Result<Object, BodyError> {
        match serde_json::from_slice(body).map_err(|error| BodyError::Malformed(error.to_string()))? {
            Unambiguous(Value::Object(members)) => Ok(Object(members)),
            Unambiguous(other) => Err(BodyError::NoObject(name_of(&other))),
        }
    }

    /// Errs unless every member is among these.
    pub(crate) fn only(&self, known: &[&'static str]) -> Result<(), BodyError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(BodyError::Unknown { name: name.chars().take(QUOTED_CHARS).collect(), known: known.to_vec() })
            }
            None => Ok(()),
        }
    }

    /// Whether it has such a member, and says something by it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a member out. One that is null is as good as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Member> {
        let value = self.0.remove(name).filter(|value| !value.is_null())?;
        Some(Member { pointer: format!("/{name}"), value })
    }

    /// The same, of one that has to be there; `what` says what it is.
    pub(crate) fn need(&mut self, name: &str, what: &str) -> Result<Member, BodyError> {
        let absent = || BodyError::Invalid { pointer: format!("/{name}"), why: format!("is needed: {what}") };
        self.take(name).ok_or_else(absent)
    }
}

impl Member {
    pub(crate) fn invalid(&self, why: impl Into<String>) -> BodyError {
        BodyError::Invalid { pointer: self.pointer.clone(), why: why.into() }
    }

    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn text(&self) -> Result<&str, BodyError> {
        self.value.as_str().ok_or_else(|| self.invalid(format!("is {}, and has to be text", name_of(&self.value))))
    }

    pub(crate) fn number(&self) -> Result<f64, BodyError> {
        self.value.as_f64().ok_or_else(|| self.invalid(format!("is {}, and has to be a number", name_of(&self.value))))
    }

    /// The items of an array, of which there may be so many.
    pub(crate) fn items(&self, most: usize) -> Result<Vec<Member>, BodyError> {
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
    pub(crate) fn word<T>(&self, parse: impl Fn(&str) -> Option<T>, known: &[&str]) -> Result<T, BodyError> {
        parse(self.text()?).ok_or_else(|| self.invalid(format!("is one of {}", known.join(", "))))
    }
}

/// A JSON value in which no object has two members of one name: programs differ in which of them they take (RFC 8259, 4).
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unambiguous, D::Error> {
        deserializer.deserialize_any(Builder).map(Unambiguous)
    }
}

/// Builds what serde_json's own `Value` would be.
struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.contains_key(&name) {
                let name: String = name.chars().take(QUOTED_CHARS).collect();
                return Err(A::Error::custom(format_args!("an object has the member {name:?} twice")));
            }
            let Unambiguous(value) = entries.next_value()?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
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
        check(r#"{"a": 1, "a": 1}"#, Err(r#"an object has the member "a" twice at line 1 column"#));
        check(r#"{"a": 1, "\u0061": 2}"#, Err(r#"the member "a" twice"#));
        check(r#"{"a": [{"b": {"c": 1, "d": 2, "c": null}}]}"#, Err(r#"the member "c" twice"#));
        check(r#"{"a": {"b": 1}, "b": {"a": 1}, "c": [{"a": 1}, {"a": 1}], "A": 1}"#, Ok(4));
    }

    #[test]
    fn a_body_is_read_as_any_json_is() {
        for text in [
            r#"{"a": [1, -1, 0.5, 1e300, 18446744073709551615, -9223372036854775808, "\u00e9", "", null, true, {}, []]}"#,
            r#"{"deep": [[[[[[{"x": [[[]]]}]]]]]]}"#,
        ] {
            let read = Object::parse(text.as_bytes()).expect(text);
            assert_eq!(Value::Object(read.0), serde_json::from_str::<Value>(text).expect(text));
        }
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
        check(r#"{"text": "x", "lists": []}"#, Err(r#""lists" is not a known member; known members: text, list"#));
    }
}
