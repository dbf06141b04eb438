//! Lists that are larger than recorded ones: one answer of a cassette gets copies of its entries, under ids of their own.

use std::collections::{BTreeSet, HashSet};

use super::document::{Document, Grown};
use super::stage::{Stage, recorded, recounted, with_body};
use super::stand::ids;
use super::suite::Case;

pub(super) const THOUSAND: usize = 1_000;

/// A case with copies of entries in one answer.
pub(super) struct Growth {
    /// Which exchange's answer it is.
    pub(super) at: usize,
    /// The ids that the list has to have.
    pub(super) wanted: BTreeSet<String>,
    pub(super) stage: Stage,
}

/// Adds entries to the largest answer of a case until the whole list has `entries`. None where no answer has the listed ids in
/// a list.
pub(super) fn growth(case: &Case, entries: usize) -> Option<Growth> {
    let resources = case.run.resources();
    let ids = ids(resources);
    let answers = case.cassette.exchanges.iter().enumerate().filter_map(|(at, exchange)| {
        let answered = recorded(exchange).ok()?;
        let nested = Nested::read(&answered.body, &ids)?;
        Some((nested.document.count(&ids), at, answered, nested))
    });
    let (count, at, answered, nested) = answers.max_by_key(|(count, ..)| *count)?;
    if count == 0 {
        return None;
    }
    let document = &nested.document;
    let grown = document.grown(&ids, entries.saturating_sub(resources.len()), resources.len())?;
    let wanted = wanted(document, &ids, &grown);
    let added = grown.added.len();
    let larger = recounted(with_body(&answered, nested.around(grown.body)?), |old| {
        (old == count || old == resources.len()).then_some(old + added)
    });
    let stage = Stage::of(&case.cassette).rearranged().with(at, Ok(larger));
    Some(Growth { at, wanted, stage })
}

/// The document that has a list in it: an answer, or, as with calls in XML-RPC, a text in one.
struct Nested {
    document: Document,
    /// The answer, and the text in it.
    around: Option<(Document, String)>,
}

impl Nested {
    fn read(body: &[u8], ids: &HashSet<&str>) -> Option<Nested> {
        let document = Document::read(body)?;
        if document.count(ids) > 0 {
            return Some(Nested { document, around: None });
        }
        let texts = document.nodes().into_iter().filter_map(|node| node.text);
        let inner = texts.filter_map(|text| Some((Document::read(text.as_bytes())?, text)));
        let largest = inner.max_by_key(|(inner, _)| inner.count(ids));
        Some(match largest {
            Some((inner, text)) => Nested { document: inner, around: Some((document, text)) },
            None => Nested { document, around: None },
        })
    }

    /// The answer with this in the place of the document.
    fn around(&self, grown: Vec<u8>) -> Option<Vec<u8>> {
        let Some((answer, inner)) = &self.around else { return Some(grown) };
        let grown = String::from_utf8(grown).ok()?;
        answer.with_values(&mut |text| (text == inner).then(|| grown.clone()))
    }
}

/// The ids that a list has with a grown answer: those that stand where ids stand. An entry may name others.
fn wanted(document: &Document, ids: &HashSet<&str>, grown: &Grown) -> BTreeSet<String> {
    let path = document.id_path(ids);
    let nodes = Document::read(&grown.body).map(|document| document.nodes()).unwrap_or_default();
    let there = nodes.into_iter().filter(|node| path.as_deref() == Some(node.path.as_str()));
    let added = there.filter_map(|node| node.text).filter(|text| grown.added.contains(text));
    added.chain(ids.iter().map(|id| (*id).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_found_as_an_answer_or_in_one() {
        let check = |answer: &str, want: &str| {
            let ids = HashSet::from(["17"]);
            let nested = Nested::read(answer.as_bytes(), &ids).expect("a document");
            let grown = nested.document.grown(&ids, 1, 1).expect("a list in it");
            assert_eq!(grown.added, BTreeSet::from(["18".to_owned()]));
            let body = nested.around(grown.body).expect("its place");
            assert_eq!(String::from_utf8(body).expect("text"), want);
        };
        check(r#"{"vms":[{"id":17}]}"#, r#"{"vms":[{"id":17},{"id":18}]}"#);
        check("<l><v><i>17</i></v></l>", "<l><v><i>17</i></v><v><i>18</i></v></l>");
        let inner = "&lt;l&gt;&lt;v&gt;&lt;i&gt;17&lt;/i&gt;&lt;/v&gt;&lt;/l&gt;";
        let grown = inner.replace("&lt;/l&gt;", "&lt;v&gt;&lt;i&gt;18&lt;/i&gt;&lt;/v&gt;&lt;/l&gt;");
        let answer = |text: &str| format!("<r><b>1</b><s>{text}</s></r>");
        check(&answer(inner), &answer(&grown));
        check(r#"{"xml":"<l><v><i>17</i></v></l>"}"#, r#"{"xml":"<l><v><i>17</i></v><v><i>18</i></v></l>"}"#);
    }
}
