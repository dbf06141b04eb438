//! `GET /docs`: the description as a page, written on the host. It needs no script and nothing from elsewhere. Pure.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2rem; font-family: ui-monospace, monospace; font-size: 1rem; }
h3 b { display: inline-block; min-width: 4rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: var(--soft); padding: .6rem 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .3rem .8rem .3rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; }
nav a { display: inline-block; margin-right: 1.5rem; }
";

/// What a browser is to let this page do: show itself in its own style, and nothing else.
pub(super) fn policy() -> String {
    let hash = BASE64.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The page of a description, as JSON.
pub(super) fn written(api: &Value) -> String {
    let mut page = Page { html: String::new(), api };
    page.all();
    page.html
}

struct Page<'a> {
    html: String,
    api: &'a Value,
}

impl Page<'_> {
    fn put(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn all(&mut self) {
        let api = self.api;
        let (title, version) = (text(&api["info"]["title"]), text(&api["info"]["version"]));
        self.put(&format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} {version}</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
             <h1>{title} {version}</h1><p>{}</p>",
            text(&api["info"]["description"]),
        ));
        self.put("<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p><nav>");
        for tag in list(&api["tags"]) {
            self.put(&format!("<a href=\"#{0}\">{0}</a>", text(&tag["name"])));
        }
        self.put("<a href=\"#shapes\">shapes</a></nav><h2>Credentials</h2><table>");
        for (name, scheme) in members(&api["components"]["securitySchemes"]) {
            self.row(&[format!("<code>{}</code>", escaped(name)), text(&scheme["description"])]);
        }
        self.put("</table>");
        for tag in list(&api["tags"]) {
            let name = text(&tag["name"]);
            self.put(&format!("<h2 id=\"{name}\">{name}</h2><p>{}</p>", text(&tag["description"])));
            for (path, item) in members(&api["paths"]) {
                for (method, operation) in members(item) {
                    if list(&operation["tags"]).contains(&tag["name"]) {
                        self.operation(path, method, operation);
                    }
                }
            }
        }
        self.put("<h2 id=\"shapes\">Shapes</h2>");
        for (name, schema) in members(&api["components"]["schemas"]) {
            let name = escaped(name);
            self.put(&format!("<h3 id=\"shape-{name}\">{name}</h3><p>{}</p>", text(&schema["description"])));
            self.shape_of(schema);
        }
        self.put("</body></html>\n");
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) {
        let (id, method, path) = (text(&operation["operationId"]), escaped(&method.to_uppercase()), escaped(path));
        self.put(&format!(
            "<h3 id=\"{id}\"><b>{method}</b> {path}</h3><p>{}. {}</p>",
            text(&operation["summary"]),
            text(&operation["description"])
        ));
        let needs_credentials = list(&operation["security"]).iter().any(|scheme| !members(scheme).is_empty());
        let mut line = format!("curl{}", if needs_credentials { " -u USER:PASSWORD" } else { "" });
        if method != "GET" {
            let _ = write!(line, " -X {method}");
        }
        if !operation["requestBody"].is_null() {
            line += " -H 'Content-Type: application/json' -d '{...}'";
        }
        self.put(&format!("<pre>{line} '{}{path}'</pre>", text(&self.api["servers"][0]["url"])));
        self.put("<table>");
        for parameter in list(&operation["parameters"]) {
            self.parameter(parameter);
        }
        for (media_type, content) in members(&operation["requestBody"]["content"]) {
            let shape = shape(&content["schema"]);
            self.row(&["body".into(), format!("<code>{}</code>: {shape}", escaped(media_type))]);
        }
        for (status, response) in members(&operation["responses"]) {
            let mut answer = text(&response["description"]);
            for (media_type, content) in members(&response["content"]) {
                let _ = write!(answer, "<br><code>{}</code>: {}", escaped(media_type), shape(&content["schema"]));
            }
            let headers: Vec<String> = members(&response["headers"]).iter().map(|(name, _)| escaped(name)).collect();
            if !headers.is_empty() {
                let _ = write!(answer, "<br>with {}", headers.join(", "));
            }
            self.row(&[format!("answer <b>{}</b>", escaped(status)), answer]);
        }
        self.put("</table>");
    }

    fn parameter(&mut self, parameter: &Value) {
        let needed = if parameter["required"] == true { ", needed" } else { "" };
        let what = format!(
            "{} ({}{needed}): {}",
            text(&parameter["description"]),
            text(&parameter["in"]),
            shape(&parameter["schema"])
        );
        self.row(&[format!("<code>{}</code>", text(&parameter["name"])), what]);
    }

    /// The members of an object; of one that is put together, those of each part.
    fn shape_of(&mut self, schema: &Value) {
        self.put("<table>");
        let parts = list(&schema["allOf"]);
        for part in parts.iter().chain(parts.is_empty().then_some(schema)) {
            let properties = members(&part["properties"]);
            if properties.is_empty() {
                let what = shape(part);
                self.row(&[what]);
            }
            for (name, member) in properties {
                let what = format!("{} {}", shape(member), text(&member["description"]));
                self.row(&[format!("<code>{}</code>", escaped(name)), what]);
            }
        }
        self.put("</table>");
    }

    fn row(&mut self, cells: &[String]) {
        self.put("<tr>");
        for cell in cells {
            self.put(&format!("<td>{cell}</td>"));
        }
        self.put("</tr>");
    }
}

/// A schema in a few words.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escaped(name));
    }
    for alternatives in ["oneOf", "anyOf"] {
        let some = list(&schema[alternatives]);
        if !some.is_empty() {
            return some.iter().map(shape).collect::<Vec<_>>().join(" or ");
        }
    }
    let words = list(&schema["enum"]);
    if !words.is_empty() {
        return words.iter().map(|word| format!("<code>{}</code>", text(word))).collect::<Vec<_>>().join(" ");
    }
    if schema["type"] == "array" {
        return format!("a list of {}", shape(&schema["items"]));
    }
    let properties = members(&schema["properties"]);
    if !properties.is_empty() {
        let members =
            properties.iter().map(|(name, member)| format!("<code>{}</code>: {}", escaped(name), shape(member)));
        return format!("{{ {} }}", members.collect::<Vec<_>>().join(", "));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    };
    let mut said = types;
    for (name, word) in
        [("format", ""), ("minimum", "from "), ("maximum", "to "), ("maxLength", "at most "), ("pattern", "")]
    {
        if !schema[name].is_null() {
            let _ = write!(said, " {word}<code>{}</code>", text(&schema[name]));
        }
    }
    said
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn members(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map_or_else(Vec::new, |object: &Map<String, Value>| object.iter().collect())
}

/// A value as text that can stand in HTML; nothing, of one that is not there.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
