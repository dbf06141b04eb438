//! The OpenAPI description is complete in itself, and matches the routes.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::openapi::description;

fn described() -> Value {
    serde_json::to_value(description("https://tracker.example", &crate::api::Settings::default())).expect("JSON")
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, root: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("of this document");
                    assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                members.values().for_each(|member| walk(member, root));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, root)),
            _ => {}
        }
    }
    let json = described();
    walk(&json, &json);
    assert_eq!(json["openapi"], "3.1.0");
}

/// The methods of each path, as they are described.
fn operations(json: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = json["paths"].as_object().expect("paths").iter();
    paths
        .map(|(path, item)| {
            (path.clone(), item.as_object().expect("operations").keys().map(|method| method.to_uppercase()).collect())
        })
        .collect()
}

/// Generators of clients make a type of each object and of each enumeration, and make up a name for one that has none.
#[test]
fn every_type_of_a_client_has_a_name() {
    fn unnamed(value: &Value, place: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if ["enum", "properties", "additionalProperties", "allOf"]
                    .iter()
                    .any(|word| members.contains_key(*word))
                {
                    found.push(place.to_owned());
                }
                members.iter().for_each(|(name, member)| unnamed(member, &format!("{place} {name}"), found));
            }
            Value::Array(items) => items.iter().for_each(|item| unnamed(item, place, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    unnamed(&described()["paths"], "", &mut found);
    assert!(found.is_empty(), "give these a name with `Table::define`:\n{}", found.join("\n"));
}

#[test]
fn operation_ids_are_names_that_generators_can_keep() {
    let json = described();
    let operations =
        json["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object().expect("some").values());
    let mut ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().expect("an id")).collect();
    for id in &ids {
        let is_camel_case =
            id.starts_with(|first: char| first.is_ascii_lowercase()) && id.chars().all(char::is_alphanumeric);
        assert!(is_camel_case, "{id}");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two operations have the same id");
}

#[test]
fn the_paths_are_those_of_the_router() {
    // All routes stand in one file, which is how they are known here.
    let source = include_str!("../../api.rs");
    let routes = source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).expect("a path").to_owned());
    let routes: BTreeSet<String> = routes.collect();
    assert_eq!(operations(&described()).into_keys().collect::<BTreeSet<_>>(), routes);
}

#[tokio::test]
async fn the_methods_are_those_that_are_taken() {
    let house = House::new();
    for (path, mut methods) in operations(&described()) {
        let answer = house.send("PATCH", &path.replace(['{', '}'], "x"), &[], "").await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.header("allow").expect("told").split(',').map(|method| method.trim().to_owned());
        // `GET` brings `HEAD` with it.
        if methods.contains("GET") {
            methods.insert("HEAD".into());
        }
        assert_eq!(allowed.collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[tokio::test]
async fn it_is_served_to_anybody_and_not_again_to_who_has_it() {
    let house = House::new();
    let answer = house.send("GET", "/openapi.json", &[], "").await;
    assert_eq!(answer.status, 200);
    let etag = answer.header("etag").expect("one").to_owned();
    assert_eq!(house.send("GET", "/openapi.json", &[("if-none-match", &etag)], "").await.status, 304);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, Some("accept-encoding")));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let house = House::new();
    let answer = house.send("GET", "/docs", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = answer.header("content-security-policy").expect("one");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    let links: Vec<&str> = answer.body.split("href=\"").chain(answer.body.split("src=\"")).collect();
    let mut files = 0;
    for link in links.into_iter().filter(|link| !link.starts_with('<')).filter_map(|rest| rest.split('"').next()) {
        if ["openapi.json", "data:,"].contains(&link) {
            continue;
        }
        assert!(link.starts_with("docs/"), "{link}");
        // The tag of any answer fits, so that there is an answer without its body.
        assert_eq!(house.send("GET", &format!("/{link}"), &[("if-none-match", "*")], "").await.status, 304, "{link}");
        files += 1;
    }
    assert_eq!(files, 4, "{}", answer.body);
    house.send("GET", "/docs/page.html", &[], "").await.problem(404, "not-found");
}
