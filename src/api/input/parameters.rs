//! Parameters of a query or of a form, parsed strictly: unknown parameters are errors. Pure.

/// Names and values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error("{0:?} is not percent-encoded UTF-8")]
    Encoding(String),
    #[error("{0} is given more than once")]
    Repeated(String),
    #[error("{0} is given with different values in the query and in the body")]
    Contradicted(String),
    #[error("{name:?} is not a known parameter; known parameters: {}", .known.join(", "))]
    Unknown { name: String, known: &'static [&'static str] },
    #[error("{name} {why}")]
    Invalid { name: &'static str, why: String },
}

/// How much of what a client wrote is quoted back to it.
const QUOTED_CHARS: usize = 64;

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`, in which queries are written, too.
    pub(crate) fn parse(text: &[u8]) -> Result<Parameters, ParameterError> {
        let mut parameters = Parameters::default();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &b""[..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            if parameters.get(&name).is_some() {
                return Err(ParameterError::Repeated(quoted(&name)));
            }
            parameters.0.push((name, value));
        }
        Ok(parameters)
    }

    /// Joins a query's with those of its body.
    pub(crate) fn and(mut self, body: Parameters) -> Result<Parameters, ParameterError> {
        for (name, value) in body.0 {
            match self.get(&name) {
                None => self.0.push((name, value)),
                Some(same) if same == value => {}
                Some(_) => return Err(ParameterError::Contradicted(quoted(&name))),
            }
        }
        Ok(self)
    }

    /// Errs unless every name is among these.
    pub(crate) fn only(&self, known: &'static [&'static str]) -> Result<(), ParameterError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ParameterError::Unknown { name: quoted(name), known }),
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// As a query, with one of them set anew.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(other, _)| other != name);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(name, value).finish()
    }

    /// As a query, with one of them left out.
    pub(crate) fn without(&self, name: &str) -> String {
        let others = self.0.iter().filter(|(other, _)| other != name);
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish()
    }

    /// Checks `format`, which Deltacloud's clients send: JSON is what there is here. Where there is XML, too,
    /// `deltacloud` has taken it out before.
    pub(crate) fn check_format(&self) -> Result<(), ParameterError> {
        match self.get("format") {
            None | Some("json") => Ok(()),
            Some(_) => Err(ParameterError::Invalid { name: "format", why: "can only be json".into() }),
        }
    }
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

/// `url::form_urlencoded` would put U+FFFD where the bytes are not UTF-8, and keep a broken `%` as it is: an
/// id that was sent in another encoding would then quietly be another id.
fn decode(encoded: &[u8]) -> Result<String, ParameterError> {
    let wrong = || ParameterError::Encoding(quoted(&String::from_utf8_lossy(encoded)));
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                match (high, low) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| wrong())?,
                    _ => return Err(wrong()),
                }
            }
            other => *other,
        });
    }
    String::from_utf8(decoded).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_forms_are_written() {
        let check = |text: &str, want: Result<&[(&str, &str)], ParameterError>| {
            let got = Parameters::parse(text.as_bytes());
            let want = want.map(|pairs| {
                Parameters(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
            });
            assert_eq!(got, want, "{text}");
        };
        check("", Ok(&[]));
        check("&&", Ok(&[]));
        check("a=1&b=2", Ok(&[("a", "1"), ("b", "2")]));
        check("a", Ok(&[("a", "")]));
        check("a=b=c", Ok(&[("a", "b=c")]));
        check("a=x+y%20z%2B", Ok(&[("a", "x y z+")]));
        check("t%C3%A4g=%E2%82%ac", Ok(&[("täg", "€")]));
        check("url=https%3A%2F%2Fe.com%2F%3Fa%3D1%26b%3D2", Ok(&[("url", "https://e.com/?a=1&b=2")]));
        check("a=%", Err(ParameterError::Encoding("%".into())));
        check("a=%2", Err(ParameterError::Encoding("%2".into())));
        check("a=%zz", Err(ParameterError::Encoding("%zz".into())));
        check("a=%+1", Err(ParameterError::Encoding("%+1".into())));
        check("a=%ff", Err(ParameterError::Encoding("%ff".into())));
        check("a=1&a=1", Err(ParameterError::Repeated("a".into())));
        check("a=1&%61=2", Err(ParameterError::Repeated("a".into())));
    }

    #[test]
    fn query_and_body_may_not_contradict_each_other() {
        let check = |query: &str, body: &str, want: Result<&str, ParameterError>| {
            let of = |text: &str| Parameters::parse(text.as_bytes()).expect(text);
            assert_eq!(of(query).and(of(body)), want.map(of), "{query} {body}");
        };
        check("a=1", "b=2", Ok("a=1&b=2"));
        check("a=1", "a=1", Ok("a=1"));
        check("a=1", "a=2", Err(ParameterError::Contradicted("a".into())));
    }

    #[test]
    fn one_that_is_not_known_is_named() {
        const KNOWN: &[&str] = &["id", "limit"];
        let check = |text: &str, want: Result<(), &str>| {
            let got = Parameters::parse(text.as_bytes()).expect(text).only(KNOWN);
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{text}");
        };
        check("id=1&limit=2", Ok(()));
        check("id=1&since=2", Err(r#""since" is not a known parameter; known parameters: id, limit"#));
        check("ID=1", Err(r#""ID" is not a known parameter; known parameters: id, limit"#));
    }
}
