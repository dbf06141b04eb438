//! How a list of another Tracker goes on: `Link: <https://host/api/instances?limit=1000&after=..>; rel="next"`. Of the address
//! only its query counts, and it is asked for where the account is: the server may know itself by another address.

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::Headers;

/// The query of the next page, where there is one.
pub(crate) fn query(headers: &Headers) -> Result<Option<String>, Error> {
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link")) {
        let mut rest = value;
        while let Some((address, parameters)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
            // A link ends where the next one begins.
            let end = parameters.find('<').unwrap_or(parameters.len());
            if is_next(&parameters[..end]) {
                return query_of(address).map(Some);
            }
            rest = parameters;
        }
    }
    Ok(None)
}

/// Whether the parameters of a link say that it leads to the next page (RFC 8288).
fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let relations = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel") && relations.into_iter().any(|word| word.eq_ignore_ascii_case("next"))
    })
}

fn query_of(address: &str) -> Result<String, Error> {
    let address = address.split('#').next().unwrap_or_default();
    let query = address.split_once('?').map(|(_, query)| query).filter(|query| !query.is_empty());
    let is_plain = |query: &&str| query.bytes().all(|byte| byte.is_ascii_graphic());
    let wrong = || {
        let address = quote(address.as_bytes());
        Error::UnexpectedAnswer(format!("the link to the next page, `{address}`, has no query to ask for"))
    };
    query.filter(is_plain).map(str::to_owned).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<String>, Error> {
        query(&Headers::new(values.iter().map(|value| ("Link".to_owned(), (*value).to_owned())).collect()))
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let check = |values: &[&str], expected: Option<&str>| {
            assert_eq!(of(values), Ok(expected.map(str::to_owned)), "{values:?}");
        };
        check(&[], None);
        check(&[r#"<https://h/api/instances?limit=2&after=i%2F1>; rel="next""#], Some("limit=2&after=i%2F1"));
        check(&["</api/instances?after=a,b;c=d>;rel=next"], Some("after=a,b;c=d"));
        check(&[r#"<?a=1>; rel="prev", <?a=2>; title="x"; rel="last next", <?a=3>; rel=last"#], Some("a=2"));
        check(&["<?a=1>; rel=prev", "<?a=2#x>; REL=Next"], Some("a=2"));
        for none in ["", "<", "<?a=1>", "<?a=1>; rel", "<?a=1>; rel=last", "<?a=1>; title=next", "x; rel=next"] {
            check(&[none], None);
        }
        for wrong in ["</api>; rel=next", "<>; rel=next", "</api?>; rel=next", "</api?a b>; rel=next"] {
            assert!(of(&[wrong]).is_err(), "{wrong}");
        }
    }
}
