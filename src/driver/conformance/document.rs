//! A provider's answer as a document whose values can be changed, whatever the provider is: JSON or XML. It is
//! how the suite makes answers that nobody recorded (a state that nobody knows, a thousand instances, another
//! order) of those that somebody did.

mod ends;
mod ids;
mod json;
mod xml;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(super) use ends::ends;
pub(super) use ids::Fresh;

/// An answer's body, understood.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Json(serde_json::Value),
    Xml(xml::Xml),
}

/// Where something stands in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In JSON, as JSON pointers have it.
    Pointer(String),
    /// An element of XML, by its number in the document.
    Element(usize),
    /// A text or an attribute of XML, by its number.
    Value(usize),
}

/// One value, or several together under one name.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    /// The names on the way from the root, without places in lists: the same in every entry of a list.
    pub(super) path: String,
    /// Of one value, its text.
    pub(super) text: Option<String>,
}

impl Node {
    /// The path of what it is in.
    pub(super) fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

/// What is done to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Remove,
    /// It is there, and there is nothing in it: `null`, an empty element.
    Null,
    /// It is there, and nothing is left in it: an empty list or object, an empty element.
    Emptied,
    /// Another text; a number stays one where the text is one.
    Text(String),
    /// A value becomes an object, and several together become a text.
    OtherType,
}

/// In which order the members of an object, or the elements within an element, stand: by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

impl Order {
    pub(super) const ALL: [Order; 2] = [Order::Ascending, Order::Descending];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Order::Ascending => "in the order of their names",
            Order::Descending => "in the opposite order of their names",
        }
    }
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

    /// Everything that has a name in it, in its order.
    pub(super) fn nodes(&self) -> Vec<Node> {
        match self {
            Document::Json(value) => json::nodes(value, ""),
            Document::Xml(xml) => xml.nodes(None),
        }
    }

    /// Everything that has a name in one entry.
    pub(super) fn nodes_in(&self, entry: &Place) -> Vec<Node> {
        match (self, entry) {
            (Document::Json(value), Place::Pointer(pointer)) => json::nodes(value, pointer),
            (Document::Xml(xml), Place::Element(element)) => xml.nodes(Some(*element)),
            _ => Vec::new(),
        }
    }

    /// Where ids stand: the path with the most of them, and of several the one with the fewest other values.
    pub(super) fn id_path(&self, ids: &HashSet<&str>) -> Option<String> {
        let nodes = self.nodes();
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in &nodes {
            if let Some(text) = node.text.as_deref().filter(|text| !text.is_empty()) {
                by_path.entry(&node.path).or_default().push(text);
            }
        }
        let held = |texts: &[&str]| texts.iter().filter(|text| ids.contains(**text)).collect::<BTreeSet<_>>().len();
        let best = by_path.iter().max_by_key(|(_, texts)| (held(texts), std::cmp::Reverse(texts.len())));
        best.filter(|(_, texts)| held(texts) > 0).map(|(path, _)| (*path).to_owned())
    }

    /// The entries of the list that all these ids are in: of lists in lists, the outer one.
    pub(super) fn entries(&self, ids: &HashSet<&str>) -> Vec<Place> {
        let Some(path) = self.id_path(ids) else { return Vec::new() };
        let nodes = self.nodes().into_iter().filter(|node| node.path == path);
        let places: Vec<Place> = nodes
            .filter(|node| node.text.as_deref().is_some_and(|text| ids.contains(text)))
            .map(|node| node.place)
            .collect();
        match self {
            Document::Json(value) => json::entries(value, &places)
                .or_else(|| json::list(value, ids).map(|list| list.places()))
                .unwrap_or_default(),
            Document::Xml(xml) => {
                xml.outer_entries(&places).unwrap_or_else(|| xml.entries(ids).into_iter().map(Place::Element).collect())
            }
        }
    }

    /// What the entries with these ids are in, from the innermost to the outermost with a name.
    pub(super) fn containers(&self, ids: &HashSet<&str>) -> Vec<Node> {
        let entries = self.entries(ids);
        match (self, entries.first()) {
            (Document::Json(_), Some(Place::Pointer(entry))) => json::containers(entry),
            (Document::Xml(xml), Some(Place::Element(entry))) => xml.containers(*entry),
            _ => Vec::new(),
        }
    }

    /// Whether a place is within another one.
    pub(super) fn is_within(&self, inner: &Place, outer: &Place) -> bool {
        match (self, inner, outer) {
            (Document::Json(_), Place::Pointer(inner), Place::Pointer(outer)) => {
                inner.starts_with(&format!("{outer}/"))
            }
            (Document::Xml(xml), inner, outer) => xml.is_within(inner, outer),
            _ => false,
        }
    }

    /// The body with some nodes edited, none of which is in another.
    pub(super) fn edited(&self, edits: &[(Place, Edit)]) -> Vec<u8> {
        match self {
            Document::Json(value) => json::edited(value, edits),
            Document::Xml(xml) => xml.edited(edits),
        }
    }

    /// The body with a second one of what a value stands in, in a list within an entry, that has another text for it. None
    /// where it stands in no list.
    pub(super) fn with_another(&self, entry: &Place, value: &Place, text: &str) -> Option<Vec<u8>> {
        match (self, entry, value) {
            (Document::Json(document), Place::Pointer(entry), Place::Pointer(value)) => {
                json::with_another(document, entry, value, text)
            }
            (Document::Xml(xml), Place::Element(entry), Place::Element(value)) => {
                xml.with_another(*entry, *value, text)
            }
            _ => None,
        }
    }

    /// The body with what has a name in another order. Lists keep theirs.
    pub(super) fn ordered(&self, order: Order) -> Vec<u8> {
        match self {
            Document::Json(value) => json::ordered(value, order),
            Document::Xml(xml) => xml.ordered(order),
        }
    }

    /// The XML elements that are lists within an entry, of which this document shows it: more than one element of a name is
    /// in one of them somewhere.
    pub(super) fn list_paths(&self) -> BTreeSet<String> {
        match self {
            Document::Json(_) => BTreeSet::new(),
            Document::Xml(xml) => xml.list_paths(),
        }
    }

    /// Whether nothing is at a place: `null`.
    pub(super) fn is_null(&self, place: &Place) -> bool {
        match (self, place) {
            (Document::Json(value), Place::Pointer(pointer)) => {
                value.pointer(pointer).is_some_and(serde_json::Value::is_null)
            }
            _ => false,
        }
    }

    /// Whether a number is at a place. XML has none.
    pub(super) fn is_number(&self, place: &Place) -> bool {
        match (self, place) {
            (Document::Json(value), Place::Pointer(pointer)) => {
                value.pointer(pointer).is_some_and(serde_json::Value::is_number)
            }
            _ => false,
        }
    }

    /// An XML body with an element emptied, under a name that nobody knows.
    pub(super) fn renamed(&self, place: &Place) -> Vec<u8> {
        match self {
            Document::Json(_) => self.edited(&[]),
            Document::Xml(xml) => xml.replaced(place, "<suiteUnknown/>"),
        }
    }

    /// An XML body with something else in its root; none where it is no XML.
    pub(super) fn with_root_content(&self, content: &str) -> Option<Vec<u8>> {
        match self {
            Document::Json(_) => None,
            Document::Xml(xml) => xml.with_root_content(content),
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
    fn members_change_places_and_lists_keep_their_order() {
        let check = |body: &str, order: Order, want: &str| {
            let ordered = Document::read(body.as_bytes()).expect(body).ordered(order);
            assert_eq!(String::from_utf8(ordered).expect("text"), want, "{body}");
        };
        let json = r#"{"b":[{"y":2,"x":"\""},1],"a":null}"#;
        check(json, Order::Ascending, r#"{"a":null,"b":[{"x":"\"","y":2},1]}"#);
        check(json, Order::Descending, r#"{"b":[{"y":2,"x":"\""},1],"a":null}"#);
        let xml = "<?xml version='1.0'?> <r> <b><i n='1'/><i><y/><x>2</x></i></b> <a/></r>";
        check(xml, Order::Ascending, "<?xml version='1.0'?> <r> <a/> <b><i n='1'/><i><x>2</x><y/></i></b></r>");
        check("<r><k/><v/><k/><v/></r>", Order::Descending, "<r><k/><v/><k/><v/></r>");
    }

    #[test]
    fn a_list_within_an_entry_gets_another_element() {
        let check = |body: &str, path: &str, want: Option<&str>| {
            let document = Document::read(body.as_bytes()).expect(body);
            let nodes = document.nodes();
            let node = nodes.iter().find(|node| node.path == path).expect(path);
            let entry = document.entries(&HashSet::from(["a", "b"]))[0].clone();
            let grown = document.with_another(&entry, &node.place, "9");
            assert_eq!(grown.map(|body| String::from_utf8(body).expect("text")).as_deref(), want, "{body}");
        };
        let json = r#"[{"id":"a","ip":"1","nets":[{"ip":"1"}]},{"id":"b"}]"#;
        check(json, "/nets/ip", Some(r#"[{"id":"a","ip":"1","nets":[{"ip":"1"},{"ip":"9"}]},{"id":"b"}]"#));
        check(json, "/ip", None);
        let list = r#"[{"id":"a","ips":["1"]},{"id":"b"}]"#;
        check(list, "/ips/[]", Some(r#"[{"id":"a","ips":["1","9"]},{"id":"b"}]"#));
        let xml = "<l><vm><id>a</id><n><item><ip>1</ip></item></n></vm><vm><id>b</id></vm></l>";
        let want = "<l><vm><id>a</id><n><item><ip>1</ip></item><item><ip>9</ip></item></n></vm><vm><id>b</id></vm></l>";
        check(xml, "/l/vm/n/item/ip", Some(want));
    }

    #[test]
    fn what_is_neither_is_no_document() {
        for body in ["", "on", "id,name\n1,a", "{", "<a><b></a>", "<a>"] {
            assert!(Document::read(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(Document::read(RESERVATIONS.as_bytes()).expect("XML").count(&HashSet::from(["i-0a1", "i-0b3"])), 2);
    }
}
