//! A provider's answer as a document whose values can be changed, whatever the provider is: JSON or XML. It is
//! how the suite makes answers that nobody recorded (a state that nobody knows, a thousand instances, another
//! order) of those that somebody did.

mod ids;
mod json;
mod xml;

use std::collections::{BTreeSet, HashSet};

use ids::Fresh;

/// An answer's body, understood.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Json(serde_json::Value),
    Xml(xml::Xml),
}

/// A list with more in it.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) body: Vec<u8>,
    /// The ids that are in it and were not before.
    pub(super) added: BTreeSet<String>,
}

impl Document {
    /// Reads a body; none where it is neither JSON nor XML.
    pub(super) fn read(body: &[u8]) -> Option<Document> {
        let start = body.trim_ascii_start().first()?;
        match start {
            b'{' | b'[' => serde_json::from_slice(body).ok().map(Document::Json),
            b'<' => xml::Xml::read(body).map(Document::Xml),
            _ => None,
        }
    }

    /// The body with values exchanged: `change` is asked about each text and number, and gives what stands in
    /// its place. None where it changed nothing.
    pub(super) fn with_values(&self, change: &mut dyn FnMut(&str) -> Option<String>) -> Option<Vec<u8>> {
        match self {
            Document::Json(value) => json::with_values(value, change),
            Document::Xml(xml) => xml.with_values(change),
        }
    }

    /// How many entries of one list in it hold one of these ids.
    pub(super) fn count(&self, ids: &HashSet<&str>) -> usize {
        match self {
            Document::Json(value) => json::list(value, ids).map_or(0, |list| list.entries.len()),
            Document::Xml(xml) => xml.entries(ids).len(),
        }
    }

    /// The body with the entries that hold these ids in the opposite order; none where there are not two.
    pub(super) fn reversed(&self, ids: &HashSet<&str>) -> Option<Vec<u8>> {
        match self {
            Document::Json(value) => json::reversed(value, ids),
            Document::Xml(xml) => xml.reversed(ids),
        }
    }

    /// The body with copies of those entries behind them, each with ids of its own, until so many ids more are
    /// in it. `listed` is how many the whole list had: where the answer says that number, it says the new one.
    pub(super) fn grown(&self, ids: &HashSet<&str>, more: usize, listed: usize) -> Option<Grown> {
        let mut fresh = Fresh::beside(ids);
        let body = match self {
            Document::Json(value) => json::grown(value, ids, more, listed, &mut fresh),
            Document::Xml(xml) => xml.grown(ids, more, &mut fresh),
        }?;
        Some(Grown { body, added: fresh.into_made() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: &str = r#"{"servers": [{"id": 42, "name": "a", "status": "on", "cpus": 42, "href": "/v1/42"},
        {"id": 43, "name": "b", "status": "off", "cpus": 1, "volumes": [{"id": 7}]}], "meta": {"total": 2, "page": 1}}"#;
    const RESERVATIONS: &str = "<?xml version=\"1.0\"?>\n<R><set><item><owner>1</owner><in><item><id>i-0a1</id><state>on</state></item>\
        <item><id>i-0a2</id><state>o&amp;n</state></item></in></item><item><owner>2</owner><in><item><id>i-0b3</id>\
        <state>off</state></item></in></item></set><next/></R>";
    const ATTRIBUTES: &str = "<l><vm id=\"vm-9\" state=\"up\"/><vm id=\"vm-10\" state=\"down\"/></l>";

    fn ids_in(body: &[u8]) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let document = Document::read(body).expect("a document");
        let _ = document.with_values(&mut |value| {
            all.insert(value.to_owned());
            None
        });
        all
    }

    #[test]
    fn a_list_grows_by_entries_with_ids_of_their_own() {
        let check = |body: &str, ids: &[&str], more: usize, at_most: usize| {
            let wanted: HashSet<&str> = ids.iter().copied().collect();
            let document = Document::read(body.as_bytes()).expect(body);
            let grown = document.grown(&wanted, more, ids.len()).expect(body);
            assert!((more..=at_most).contains(&grown.added.len()), "{} added", grown.added.len());
            let there = ids_in(&grown.body);
            assert!(grown.added.iter().all(|id| there.contains(id)), "all are in it");
            assert!(ids.iter().all(|id| there.contains(*id) && !grown.added.contains(*id)), "the old ones are kept");
        };
        check(SERVERS, &["42", "43"], 998, 998);
        check(RESERVATIONS, &["i-0a1", "i-0a2", "i-0b3"], 997, 998);
        check(ATTRIBUTES, &["vm-9", "vm-10"], 998, 998);
        check("<l><vm><id>one</id></vm></l>", &["one"], 999, 999);
        check(
            r#"[{"uuid": "6dff0c2e-0000-4f3b-8c3a-3d9f35a8a1c2"}]"#,
            &["6dff0c2e-0000-4f3b-8c3a-3d9f35a8a1c2"],
            999,
            999,
        );
    }

    #[test]
    fn what_counts_a_list_counts_the_grown_one() {
        let document = Document::read(SERVERS.as_bytes()).expect("JSON");
        let grown = document.grown(&HashSet::from(["42", "43"]), 8, 2).expect("grown");
        let json: serde_json::Value = serde_json::from_slice(&grown.body).expect("JSON");
        assert_eq!((json["meta"]["total"].as_u64(), json["meta"]["page"].as_u64()), (Some(10), Some(1)));
        let servers = json["servers"].as_array().expect("a list");
        assert_eq!(servers.len(), 10);
        assert!(servers.iter().all(|server| server["cpus"] == 42 || server["cpus"] == 1), "only ids are exchanged");
        assert!(servers[2]["href"] != "/v1/42", "an id within an address is exchanged, too: {}", servers[2]);
    }

    #[test]
    fn entries_change_places() {
        let check = |body: &str, ids: &[&str], want: Option<&str>| {
            let ids: HashSet<&str> = ids.iter().copied().collect();
            let reversed = Document::read(body.as_bytes()).expect(body).reversed(&ids);
            assert_eq!(reversed.map(|body| String::from_utf8(body).expect("text")).as_deref(), want, "{body}");
        };
        check(r#"{"a":[{"id":1},{"id":2}],"b":[3,4]}"#, &["1", "2"], Some(r#"{"a":[{"id":2},{"id":1}],"b":[3,4]}"#));
        check("<l> <vm id='1'/>, <vm id='2'/> <n/></l>", &["1", "2"], Some("<l> <vm id='2'/>, <vm id='1'/> <n/></l>"));
        check(r#"{"a":[{"id":1}]}"#, &["1"], None);
        check("<l><vm><id>1</id></vm></l>", &["1"], None);
        check(r#"{"a":[1,2]}"#, &["1", "2"], None);
    }

    #[test]
    fn values_are_exchanged_whole() {
        let check = |body: &str, word: &str, want: Option<&str>| {
            let document = Document::read(body.as_bytes()).expect(body);
            let changed = document.with_values(&mut |value| (value == word).then(|| "<new>".to_owned()));
            assert_eq!(changed.map(|body| String::from_utf8(body).expect("text")).as_deref(), want, "{body}");
        };
        check(r#"{"on":"on","a":["one","on"],"n":5}"#, "on", Some(r#"{"a":["one","<new>"],"n":5,"on":"<new>"}"#));
        check(r#"{"n":5}"#, "5", Some(r#"{"n":"<new>"}"#));
        check("<a on='on'><b>on</b><c>one</c></a>", "on", Some("<a on='&lt;new&gt;'><b>&lt;new&gt;</b><c>one</c></a>"));
        check(
            "<a><b>o&amp;n</b><c><![CDATA[o&n]]></c></a>",
            "o&n",
            Some("<a><b>&lt;new&gt;</b><c>&lt;new&gt;</c></a>"),
        );
        check("<a><b>on</b></a>", "off", None);
    }

    #[test]
    fn what_is_neither_is_no_document() {
        for body in ["", "on", "id,name\n1,a", "{", "<a><b></a>", "<a>"] {
            assert!(Document::read(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(Document::read(RESERVATIONS.as_bytes()).expect("XML").count(&HashSet::from(["i-0a1", "i-0b3"])), 2);
    }
}
