//! The XML reader: what it gives, what it refuses, and that it gives what `quick-xml` gives. On whatever
//! input and in whatever pieces it comes, it answers or it fails: it never panics, and never takes what
//! was cut off for the whole.

use std::io::{BufReader, Read};

use quick_xml::events::Event;
use tracker_driver_sdk::Error;
use tracker_driver_sdk::xml::Reader;

/// A document as lines of what is in it, read to its end.
fn outline(xml: &mut Reader<impl std::io::BufRead>) -> Result<Vec<String>, Error> {
    let mut lines = vec![xml.any_root()?.to_owned()];
    let mut depth = 1;
    while depth > 0 {
        match xml.child()? {
            Some(name) => {
                lines.push(format!("{}{name}", " ".repeat(depth)));
                depth += 1;
            }
            None => depth -= 1,
        }
    }
    Ok(lines)
}

/// The text of the one element in the root.
fn text(document: &str) -> Result<String, Error> {
    let mut xml = Reader::new(document.as_bytes());
    xml.any_root()?;
    xml.child()?;
    xml.text().map(str::to_owned)
}

#[test]
fn text_is_what_was_meant() {
    let check = |inside: &str, expected: &str| {
        assert_eq!(text(&format!("<r><a>{inside}</a></r>")).as_deref(), Ok(expected), "{inside}");
    };
    check("", "");
    check("plain é", "plain é");
    check(" kept ", " kept ");
    check("a &amp;&lt;b&gt; &quot;c&apos;", "a &<b> \"c'");
    check("&#65;&#x42;&#xe9;&#128512;", "ABé😀");
    check("<![CDATA[<b>&amp;]]]]><![CDATA[>]]>", "<b>&amp;]]>");
    check("one<!-- not -- this -->two<?nor this?>", "onetwo");
    check("a&amp;<![CDATA[b]]>&amp;c", "a&b&c");
    assert_eq!(text("<r><a/></r>").as_deref(), Ok(""));
    assert_eq!(text("<r><a b='c'  /></r>").as_deref(), Ok(""));
}

#[test]
fn what_is_no_xml_is_refused_and_what_is_cut_off_is_told_apart() {
    let check = |document: &str, unexpected: bool| {
        let result = outline(&mut Reader::new(document.as_bytes()));
        let fits = match &result {
            Err(Error::UnexpectedAnswer(_)) => unexpected,
            Err(Error::Unavailable(_)) => !unexpected,
            _ => false,
        };
        assert!(fits, "{document}: {result:?}");
    };
    check("", true);
    check("  \n", true);
    check("hello", true);
    check("{\"a\": 1}", true);
    check("<!DOCTYPE html><html></html>", true);
    check("<a><b></a></b>", true);
    check("<a></ab>", true);
    check("<a><></></a>", true);
    check("<a><!ELEMENT x></a>", true);
    check(&"<a>".repeat(500), true);
    check("<", false);
    check("<a", false);
    check("<a>", false);
    check("<a><b/>", false);
    check("<a><b></b", false);
    check("<a><!-- ", false);
    check("<a><![CDATA[", false);
    check("<a><!", false);
    assert!(matches!(text("<r><a>&nbsp;</a></r>"), Err(Error::UnexpectedAnswer(_))));
    assert!(matches!(text("<r><a>&amp</a></r>"), Err(Error::UnexpectedAnswer(_))));
    assert!(matches!(text("<r><a>&#xD800;</a></r>"), Err(Error::UnexpectedAnswer(_))));
    assert!(matches!(text("<r><a><b/></a></r>"), Err(Error::UnexpectedAnswer(_))));
    assert!(matches!(text("<r><a>text"), Err(Error::Unavailable(_))));
    let message = Reader::new(&b"<a/>"[..]).root("list").unwrap_err();
    assert_eq!(message.message(), "the answer is a <a> where <list> was expected");
    let mut xml = Reader::new(&b"<r><a>\xff</a></r>"[..]);
    xml.root("r").unwrap();
    xml.child().unwrap();
    assert!(matches!(xml.text(), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn a_text_that_may_be_elements_is_read_or_left_open() {
    let document = "<r><a>t &amp; <!-- c -->x</a><b>t<i>1</i>u</b><c/><d>t<![CDATA[<z>]]><i/></d><e>5</e></r>";
    for piece in 1..document.len() {
        let mut xml = Reader::new(BufReader::with_capacity(piece, document.as_bytes()));
        xml.root("r").unwrap();
        for (name, expected) in [("a", Some("t & x")), ("b", None), ("c", Some("")), ("d", None), ("e", Some("5"))] {
            assert_eq!(xml.child(), Ok(Some(name)), "pieces of {piece}");
            assert_eq!(xml.text_if_plain(), Ok(expected), "{name} in pieces of {piece}");
            match name {
                "b" => {
                    assert_eq!(xml.child(), Ok(Some("i")));
                    assert_eq!(xml.text(), Ok("1"));
                    assert_eq!(xml.child(), Ok(None));
                }
                "d" => xml.skip().unwrap(),
                _ => {}
            }
        }
        assert_eq!(xml.child(), Ok(None));
    }
    for broken in ["<r><a>text", "<r><a>&no;</a></r>", "<r><a>text</b></r>"] {
        let mut xml = Reader::new(broken.as_bytes());
        xml.root("r").unwrap();
        xml.child().unwrap();
        assert!(xml.text_if_plain().is_err(), "{broken}");
    }
}

#[test]
fn prefixes_and_attributes_are_read() {
    let document = br#"<?xml version="1.0"?><s:E xmlns:s="x"><s:a xsi:type="k&amp;v" n='>'><b/></s:a></s:E>"#;
    let mut xml = Reader::new(&document[..]);
    xml.root("E").unwrap();
    assert_eq!(xml.child(), Ok(Some("a")));
    assert_eq!(xml.attribute("type"), Ok(Some("k&v".to_owned())));
    assert_eq!(xml.attribute("n"), Ok(Some(">".to_owned())));
    assert_eq!(xml.attribute("m"), Ok(None));
    assert_eq!(xml.child(), Ok(Some("b")));
    assert_eq!(xml.skip(), Ok(()));
    assert_eq!(xml.child(), Ok(None));
    assert_eq!(xml.child(), Ok(None));
}

#[test]
fn skipping_leaves_an_element_whatever_is_in_it() {
    let inside = "t<x a='>'><y/><z>&bad <!-- </a> --></z><![CDATA[</a>]]></x><?p </a> ?><w b=\"/\"></w>";
    for piece in 1..40 {
        let document = format!("<r><a>{inside}</a><b>1</b></r>");
        let mut xml = Reader::new(BufReader::with_capacity(piece, document.as_bytes()));
        xml.root("r").unwrap();
        assert_eq!(xml.child(), Ok(Some("a")));
        assert_eq!(xml.skip(), Ok(()), "pieces of {piece}");
        assert_eq!(xml.child(), Ok(Some("b")));
        assert_eq!(xml.text(), Ok("1"));
        assert_eq!(xml.child(), Ok(None));
    }
}

const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- c --><list xmlns=\"http://x/\">\n <item k=\"v>w\">\
    <id>7</id><name>a &amp; b</name><t/><deep><er><est>é</est></er></deep></item>\n <item><id>8</id><![CDATA[x]]></item></list>";

#[test]
fn a_document_cut_off_anywhere_is_never_a_short_one() {
    let whole = outline(&mut Reader::new(DOCUMENT.as_bytes())).unwrap();
    for end in 0..DOCUMENT.len() {
        let cut = outline(&mut Reader::new(&DOCUMENT.as_bytes()[..end]));
        assert!(cut.is_err(), "{end}: {cut:?}");
    }
    for piece in 1..60 {
        let reader = BufReader::with_capacity(piece, DOCUMENT.as_bytes());
        assert_eq!(outline(&mut Reader::new(reader)).as_ref(), Ok(&whole), "pieces of {piece}");
    }
}

/// The same outline as `quick-xml` sees it.
fn as_quick_xml_sees_it(document: &[u8]) -> Option<Vec<String>> {
    let mut reader = quick_xml::Reader::from_reader(document);
    let (mut lines, mut depth, mut buffer) = (Vec::new(), 0usize, Vec::new());
    loop {
        let local = |name: quick_xml::name::QName<'_>| name.local_name().into_inner().to_owned();
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(tag) => {
                lines.push(format!("{}{}", " ".repeat(depth), local(tag.name())));
                depth += 1;
            }
            Event::Empty(tag) => lines.push(format!("{}{}", " ".repeat(depth), local(tag.name()))),
            Event::End(_) => {
                depth -= 1;
                if depth == 0 {
                    return Some(lines);
                }
            }
            Event::Eof => return None,
            _ => {}
        }
        buffer.clear();
    }
}

/// A source of numbers that is the same in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn documents_by_lot_are_read_as_quick_xml_reads_them() {
    let parts = [
        "<a>",
        "</a>",
        "<b c=\"d>e\">",
        "</b>",
        "<x:b>",
        "</x:b>",
        "<a/>",
        "<b c='/'/>",
        "text",
        " ",
        "&amp;",
        "é",
        "<!-- <a> -->",
        "<![CDATA[</a>]]>",
        "<?p <b> ?>",
    ];
    let mut lot = Lot(1);
    let mut both = 0;
    for _ in 0..20_000 {
        let mut document = String::from("<r>");
        let mut open = Vec::new();
        for _ in 0..lot.below(24) {
            let part = parts[lot.below(parts.len())];
            // Mostly documents that are well formed, and some that are not.
            if part.starts_with("</") && lot.below(10) > 0 {
                if let Some(name) = open.pop() {
                    document.push_str(&format!("</{name}>"));
                }
                continue;
            }
            if part.starts_with('<') && part.ends_with('>') && !part.ends_with("/>") && !part.contains(['!', '?']) {
                open.push(part[1..part.len() - 1].split(' ').next().unwrap_or_default().to_owned());
            }
            document.push_str(part);
        }
        while let Some(name) = open.pop() {
            document.push_str(&format!("</{name}>"));
        }
        document.push_str("</r>");
        let ours = outline(&mut Reader::new(document.as_bytes())).ok();
        if let Some(theirs) = as_quick_xml_sees_it(document.as_bytes()) {
            both += 1;
            assert_eq!(ours.as_ref(), Some(&theirs), "{document}");
        }
    }
    assert!(both > 10_000, "only {both} documents were well formed");
}

#[test]
fn whatever_comes_it_does_not_panic() {
    let mut lot = Lot(7);
    for round in 0..3_000 {
        let mut bytes = DOCUMENT.as_bytes().to_vec();
        for _ in 0..=lot.below(12) {
            let at = lot.below(bytes.len());
            match lot.below(4) {
                0 => bytes[at] = lot.below(256) as u8,
                1 => bytes[at] = b"<>/!?&;\"'-[]= "[lot.below(14)],
                2 => bytes.truncate(at.max(1)),
                _ => {
                    bytes.remove(at);
                    bytes.push(b'<');
                }
            }
        }
        let reader = || Reader::new(BufReader::with_capacity(1 + round % 50, &bytes[..]));
        let _ = outline(&mut reader());
        // Every second element skipped, the others read as text.
        let mut xml = reader();
        if xml.any_root().is_ok() {
            for step in 0..1_000 {
                let Ok(Some(_)) = xml.child() else { break };
                let _ = xml.attribute("k");
                let done = if step % 2 == 0 { xml.skip().is_ok() } else { xml.text().is_ok() };
                if !done {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_broken_connection_is_no_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "gone"))
        }
    }
    let reader = BufReader::new(DOCUMENT.as_bytes()[..60].chain(Broken));
    let Err(Error::Unavailable(message)) = outline(&mut Reader::new(reader)) else { panic!("it is no end") };
    assert_eq!(message, "the answer broke off: gone");
}
