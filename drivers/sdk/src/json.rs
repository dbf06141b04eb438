//! JSON answers: `serde_json`, with its failures sorted into what the host acts upon.

use serde::de::DeserializeOwned;

use crate::Error;
use crate::error::quote;

/// An answer's body as a value. A body that breaks off is `unavailable`; one that is empty, is no JSON or
/// lacks what was expected is `unexpected-answer`, with its beginning quoted. A byte order mark before it is passed over.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::UnexpectedAnswer("the answer is empty where JSON was expected".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| match Error::from(error) {
        Error::UnexpectedAnswer(message) => Error::UnexpectedAnswer(format!("{message}, in `{}`", quote(body))),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        assert_eq!(parse::<Vec<u8>>(b"[1]"), Ok(vec![1]));
        assert_eq!(parse::<Vec<u8>>(b"\xef\xbb\xbf[1]"), Ok(vec![1]));
        assert!(matches!(parse::<Vec<u8>>(b"\xef\xbb\xbf"), Err(Error::UnexpectedAnswer(_))));
        assert!(matches!(parse::<Vec<u8>>(b" \n"), Err(Error::UnexpectedAnswer(_))));
        assert!(matches!(parse::<Vec<u8>>(b"[1, 2"), Err(Error::Unavailable(_))));
        let Err(Error::UnexpectedAnswer(message)) = parse::<Vec<u8>>(b"<html>") else { panic!("that is no JSON") };
        assert!(message.contains("`<html>`"), "{message}");
    }
}
