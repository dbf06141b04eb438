//! Parsing and editing of documents, in JSON and in XML.

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
    check(r#"[{"uuid": "6dff0c2e-0000-4f3b-8c3a-3d9f35a8a1c2"}]"#, &["6dff0c2e-0000-4f3b-8c3a-3d9f35a8a1c2"], 999, 999);
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
    check("<a><b>o&amp;n</b><c><![CDATA[o&n]]></c></a>", "o&n", Some("<a><b>&lt;new&gt;</b><c>&lt;new&gt;</c></a>"));
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
        let copies = [vec![(node.place.clone(), Edit::Text("9".to_owned()))]];
        let element = document.element(&entry, &node.place, 0);
        let grown = element.and_then(|element| document.with_copies(&element, &copies));
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
fn an_element_is_found_in_each_of_the_lists_that_it_is_in() {
    let check = |body: &str, path: &str, level: usize, want: Option<&str>| {
        let document = Document::read(body.as_bytes()).expect(body);
        let nodes = document.nodes();
        let node = nodes.iter().find(|node| node.path == path).expect(path);
        let entry = document.entries(&HashSet::from(["a", "b"]))[0].clone();
        let element = document.element(&entry, &node.place, level);
        let grown = element.and_then(|element| document.with_copies(&element, &[Vec::new()]));
        assert_eq!(grown.map(|body| String::from_utf8(body).expect("text")).as_deref(), want, "{body}");
    };
    let json = r#"[{"id":"a","nets":[{"ips":["1","2"]}]},{"id":"b"}]"#;
    check(json, "/nets/ips/[]", 0, Some(r#"[{"id":"a","nets":[{"ips":["1","1","2"]}]},{"id":"b"}]"#));
    check(json, "/nets/ips/[]", 1, Some(r#"[{"id":"a","nets":[{"ips":["1","2"]},{"ips":["1","2"]}]},{"id":"b"}]"#));
    check(json, "/nets/ips/[]", 2, None);
    let xml = "<l><vm><id>a</id><n><item><s><item>1</item></s></item></n></vm><vm><id>b</id></vm></l>";
    let net = "<item><s><item>1</item></s></item>";
    let want = format!("<l><vm><id>a</id><n>{net}{net}</n></vm><vm><id>b</id></vm></l>");
    check(xml, "/l/vm/n/item/s/item", 1, Some(&want));
    check(xml, "/l/vm/n/item/s/item", 2, None);
}

#[test]
fn what_is_neither_is_no_document() {
    for body in ["", "on", "id,name\n1,a", "{", "<a><b></a>", "<a>"] {
        assert!(Document::read(body.as_bytes()).is_none(), "{body}");
    }
    assert_eq!(Document::read(RESERVATIONS.as_bytes()).expect("XML").count(&HashSet::from(["i-0a1", "i-0b3"])), 2);
}

#[test]
fn a_page_gets_what_another_one_has() {
    let check = |own: &str, other: &str, path: &str, want: Option<&str>| {
        let (own, other) = (Document::read(own.as_bytes()).expect(own), Document::read(other.as_bytes()).expect(other));
        let nodes = other.nodes();
        let node = nodes.iter().find(|node| node.path == path).expect(path);
        let body = own.overlaid(&other, node).map(|body| String::from_utf8(body).expect("text"));
        assert_eq!(body.as_deref(), want, "{path}");
    };
    check(r#"{"a":[1]}"#, r#"{"failed":["z"]}"#, "/failed", Some(r#"{"a":[1],"failed":["z"]}"#));
    check(r#"{"a":[1],"failed":[]}"#, r#"{"failed":["z"]}"#, "/failed", Some(r#"{"a":[1],"failed":["z"]}"#));
    check(r#"{"a":[1]}"#, r#"{"m":{"failed":1}}"#, "/m/failed", None);
    check("<r><a/></r>", "<r><f>z</f></r>", "/r/f", Some("<r><a/><f>z</f></r>"));
    check("<r><f/></r>", "<r><f>z</f></r>", "/r/f", Some("<r><f>z</f></r>"));
    check("<r><a/></r>", "<r><m><f>z</f></m></r>", "/r/m/f", None);
}

#[test]
fn a_member_gets_another_name() {
    let check = |body: &str, pointer: &str, want: Option<&str>| {
        let document = Document::read(body.as_bytes()).expect(body);
        let renamed = document.with_name(&Place::Pointer(pointer.to_owned()), "new");
        assert_eq!(renamed.map(|body| String::from_utf8(body).expect("text")).as_deref(), want, "{body}");
    };
    check(r#"{"a":{"x/y":1}}"#, "/a/x~1y", Some(r#"{"a":{"new":1}}"#));
    check(r#"{"a":1,"new":2}"#, "/a", None);
    check("<a/>", "/a", None);
}

#[test]
fn an_element_keeps_its_attributes() {
    let check = |edit: Edit, want: &str| {
        let document = Document::read(b"<l><o t=\"VM\" >vm-1</o><o t=\"VM\"/></l>").expect("XML");
        let edits: Vec<_> = document
            .nodes()
            .into_iter()
            .filter(|node| node.path == "/l/o")
            .map(|node| (node.place, edit.clone()))
            .collect();
        assert_eq!(edits.len(), 2);
        assert_eq!(String::from_utf8(document.edited(&edits)).expect("text"), want, "{edit:?}");
    };
    check(Edit::Text("a&b".to_owned()), "<l><o t=\"VM\">a&amp;b</o><o t=\"VM\">a&amp;b</o></l>");
    check(Edit::Emptied, "<l><o t=\"VM\"/><o t=\"VM\"/></l>");
    check(Edit::Remove, "<l></l>");
}

#[test]
fn entries_go_to_another_page_without_what_is_beside_them() {
    let check = |own: &str, other: &str, want: Option<&str>| {
        let ids = HashSet::from(["a", "b", "c", "d"]);
        let (own, other) = (Document::read(own.as_bytes()).expect(own), Document::read(other.as_bytes()).expect(other));
        let body = own.with_entries_of(&other, &ids).map(|body| String::from_utf8(body).expect("text"));
        assert_eq!(body.as_deref(), want);
    };
    let xml = |ids: [&str; 2], token: &str| {
        let entries = ids.map(|id| format!("<vm><id>{id}</id></vm>")).concat();
        format!("<r>{token}<l>{token}{entries}</l></r>")
    };
    let (first, last) = (xml(["a", "b"], "<token>1</token>"), xml(["c", "d"], ""));
    check(&first, &last, Some(&xml(["c", "d"], "<token>1</token>")));
    check(&last, &first, Some(&xml(["a", "b"], "")));
    check(
        r#"{"next":"x","vms":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"vms":[{"id":"c"},{"id":"d"}]}"#,
        Some(r#"{"next":"x","vms":[{"id":"c"},{"id":"d"}]}"#),
    );
}

#[test]
fn the_lists_of_a_map_are_one_list() {
    let body =
        r#"{"items":{"zones/a":{"vms":[{"id":"1"},{"id":"2"}]},"zones/b":{"vms":[{"id":"3"}]},"zones/c":{"w":1}}}"#;
    let document = Document::read(body.as_bytes()).expect("JSON");
    let ids = HashSet::from(["1", "2", "3"]);
    assert_eq!(document.id_path(&ids).as_deref(), Some("/items/*/vms/id"));
    let place = |pointer: &str| Place::Pointer(pointer.to_owned());
    let entries = ["/items/zones~1a/vms/0", "/items/zones~1a/vms/1", "/items/zones~1b/vms/0"].map(place);
    assert_eq!(document.entries(&ids), entries);
    let lists: Vec<Place> = document.lists(&ids).into_iter().map(|list| list.place).collect();
    assert_eq!(lists, ["/items/zones~1a/vms", "/items/zones~1b/vms"].map(place));
}
