//! The parameters of a request, wherever they are: in its query, in a form, in JSON or in XML.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::driver::wire::Asked;
use crate::kit::conformance::document::{Document, Node};

/// By where they stand and their names.
pub(in super::super) type Parameters = BTreeMap<String, String>;

pub(in super::super) fn parameters(asked: &Asked) -> Parameters {
    let mut found = Parameters::new();
    for (name, value) in asked.url.query_pairs() {
        found.insert(format!("query {name}"), value.into_owned());
    }
    match serde_json::from_slice::<Value>(&asked.body) {
        Ok(value) if value.is_object() => json(&value, "json ", &mut found),
        _ if asked.body.trim_ascii_start().starts_with(b"<") => {
            for Node { path, text, .. } in Document::read(&asked.body).map(|body| body.nodes()).unwrap_or_default() {
                // Of several elements of one path, each is a parameter.
                let others = found.keys().filter(|name| name.starts_with(&format!("xml {path}#"))).count();
                drop(text.map(|text| found.insert(format!("xml {path}#{others}"), text)));
            }
        }
        _ if asked.body.contains(&b'=') => {
            for (name, value) in url::form_urlencoded::parse(&asked.body) {
                found.insert(format!("form {name}"), value.into_owned());
            }
        }
        _ => {}
    }
    found
}

fn json(value: &Value, path: &str, found: &mut Parameters) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| json(member, &format!("{path}/{name}"), found));
        }
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(at, entry)| json(entry, &format!("{path}/{at}"), found));
        }
        Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
        Value::Null => {}
        other => drop(found.insert(path.to_owned(), other.to_string())),
    }
}

/// What a request asks for where its body says it and not its URL: the first element in the body of SOAP, and the method of
/// XML-RPC or JSON-RPC.
pub(in super::super) fn operation(asked: &Asked) -> Option<String> {
    match Document::read(&asked.body)? {
        Document::Json(value) => value.get("method")?.as_str().map(str::to_owned),
        xml => {
            let nodes = xml.nodes();
            let method = nodes.iter().find(|node| node.path == "/methodCall/methodName");
            let body = || nodes.iter().find(|node| node.path.starts_with("/Envelope/Body/")).map(|node| &node.path);
            method.and_then(|node| node.text.as_ref()).or_else(body).cloned()
        }
    }
}

/// The name of a parameter by itself.
pub(super) fn name(parameter: &str) -> &str {
    parameter.split_once(' ').map_or(parameter, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;

    fn post(body: &str) -> Asked {
        let url = url::Url::parse("https://a.example/api?v=1").expect("a URL");
        Asked { method: Method::POST, url, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) }
    }

    #[test]
    fn a_body_has_parameters_in_any_format() {
        let check = |body: &str, want: &[(&str, &str)]| {
            let mut found = parameters(&post(body));
            assert_eq!(found.remove("query v").as_deref(), Some("1"));
            let want = want.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            assert_eq!(found, want.collect::<Parameters>(), "{body}");
        };
        check("a=1&b=x%20y", &[("form a", "1"), ("form b", "x y")]);
        check(r#"{"a":{"b":[1,"2"]}}"#, &[("json /a/b/0", "1"), ("json /a/b/1", "2")]);
        check("<a t='3'><b>1</b><b>2</b></a>", &[("xml /a/@t#0", "3"), ("xml /a/b#0", "1"), ("xml /a/b#1", "2")]);
        check("", &[]);
    }

    #[test]
    fn a_body_says_what_it_asks_for() {
        let check = |body: &str, want: Option<&str>| assert_eq!(operation(&post(body)).as_deref(), want, "{body}");
        check("<s:Envelope><s:Body><Login><u>me</u></Login></s:Body></s:Envelope>", Some("/Envelope/Body/Login"));
        check("<methodCall><methodName>one.vmpool.info</methodName></methodCall>", Some("one.vmpool.info"));
        check(r#"{"jsonrpc":"2.0","method":"list","id":1}"#, Some("list"));
        check(r#"{"filter":1}"#, None);
        check("a=1", None);
    }
}
