//! Answers with status 200 and no list: the list without its container, and error documents.

use std::collections::{BTreeSet, HashSet};

use http::StatusCode;

use super::owed::{Fault, FaultKind, Owed};
use crate::driver::wire::Answered;
use crate::kit::conformance::document::{Document, Edit, Node};
use crate::kit::conformance::stage::{answer, with_body};

/// How an answer with a list loses it. `empty` are the answers of accounts that have nothing: what they do without, an
/// answer may do without.
pub(in crate::kit::conformance) fn without_list(
    good: &Answered,
    ids: &HashSet<&str>,
    empty: &[Document],
) -> Vec<Fault> {
    let Some(document) = Document::read(&good.body) else { return Vec::new() };
    let spared = |path: &str, is_null: bool| {
        empty.iter().any(|empty| {
            let mut nodes = empty.nodes().into_iter().filter(|node| node.path == path);
            match is_null {
                false => nodes.next().is_none(),
                true => nodes.any(|node| empty.is_null(&node.place)),
            }
        })
    };
    let mut faults = Vec::new();
    let mut add = |what: String, body: Vec<u8>| {
        faults.push(Fault { what, outcome: Ok(with_body(good, body)), owed: Owed::NoList, kind: FaultKind::Broken });
    };
    for node in document.containers(ids) {
        let edit = |edit: Edit| document.edited(&[(node.place.clone(), edit)]);
        if !spared(&node.path, false) {
            add(format!("without {}, which the list is in", node.path), edit(Edit::Remove));
        }
        if matches!(document, Document::Json(_)) {
            if !spared(&node.path, true) {
                add(format!("with null for {}, which the list is in", node.path), edit(Edit::Null));
            }
            add(format!("with a text for {}, which the list is in", node.path), edit(Edit::OtherType));
        } else {
            add(format!("with an empty {} under another name", node.path), document.renamed(&node.place));
        }
    }
    faults
}

/// The answer without what stands beside the list: the object that says whether a page follows, say, away or of another
/// type, and a cursor that is no text. `others` are answers with such lists: what one of them does without, this one may.
/// What leads to the next page may be absent on the last one, so that a single value is not taken away.
pub(in crate::kit::conformance) fn without_envelope(
    good: &Answered,
    ids: &HashSet<&str>,
    others: &[Document],
) -> Vec<Fault> {
    let Some(document @ Document::Json(_)) = Document::read(&good.body) else { return Vec::new() };
    let entries = document.entries(ids);
    if entries.is_empty() {
        return Vec::new();
    }
    let containers: Vec<Node> = document.containers(ids);
    let is_beside = |node: &Node| {
        let is_entrys = entries.iter().any(|entry| document.is_within(&node.place, entry) || node.place == *entry);
        let is_lists =
            containers.iter().any(|list| list.place == node.place || document.is_within(&list.place, &node.place));
        !is_entrys && !is_lists
    };
    let is_everywhere = |node: &Node| others.iter().all(|other| other.nodes().iter().any(|own| own.path == node.path));
    let mut faults = Vec::new();
    let mut missing: Vec<Node> = Vec::new();
    for node in document.nodes().into_iter().filter(is_beside) {
        let mut add = |what: &str, edit: Edit, owed: Owed| {
            let what = format!("with {} {what}, which stands beside the list", node.path);
            let body = document.edited(&[(node.place.clone(), edit)]);
            faults.push(Fault { what, outcome: Ok(with_body(good, body)), owed, kind: FaultKind::Broken });
        };
        if node.text.is_none() && !document.is_null(&node.place) && is_everywhere(&node) {
            add("missing", Edit::Remove, Owed::NoListOrMisfit);
            add("null", Edit::Null, Owed::NoListOrMisfit);
            if !missing.iter().any(|outer| document.is_within(&node.place, &outer.place)) {
                missing.push(node.clone());
            }
        }
        add("of another type", Edit::OtherType, Owed::NoList);
    }
    // One of them may tell what another one would have told, and nothing does where all are gone.
    if missing.len() > 1 {
        let paths: Vec<&str> = missing.iter().map(|node| node.path.as_str()).collect();
        let edits: Vec<_> = missing.iter().map(|node| (node.place.clone(), Edit::Remove)).collect();
        faults.push(Fault {
            what: format!("with {} missing together, which stand beside the list", paths.join(" and ")),
            outcome: Ok(with_body(good, document.edited(&edits))),
            owed: Owed::NoListOrMisfit,
            kind: FaultKind::Broken,
        });
    }
    faults
}

/// Documents with status 200 that say that something went wrong: of the suite's own, and those that the cassettes have
/// with other statuses.
pub(in crate::kit::conformance) fn errors_as_lists(good: &Answered, recorded: &BTreeSet<Vec<u8>>) -> Vec<Fault> {
    const JSON: [&str; 4] = [
        r#"{"error": {"code": "internal_error", "message": "an internal error occurred"}}"#,
        r#"{"errors": [{"code": "InternalError", "message": "an internal error occurred"}]}"#,
        r#"{"code": 500, "status": "error", "message": "an internal error occurred"}"#,
        r#"{"id": "server_error", "message": "an internal error occurred", "request_id": "1"}"#,
    ];
    const XML: [&str; 4] = [
        "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>InternalError</Code><Message>an internal error occurred</Message></Error></Errors><RequestID>1</RequestID></Response>",
        "<?xml version=\"1.0\"?>\n<ErrorResponse><Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>an internal error occurred</Message></Error><RequestId>1</RequestId></ErrorResponse>",
        "<Error><Code>InternalError</Code><Message>an internal error occurred</Message></Error>",
        "<error status=\"500\"><message>an internal error occurred</message></error>",
    ];
    let document = Document::read(&good.body);
    let own: &[&str] = match &document {
        Some(Document::Json(_)) => &JSON,
        Some(Document::Xml(_)) => &XML,
        None => &[],
    };
    let mut bodies: Vec<(&str, Vec<u8>)> =
        own.iter().map(|body| ("an error document with status 200", body.as_bytes().to_vec())).collect();
    // The answer's own root, with an error in the place of all that is in it.
    if let Some(document @ Document::Xml(_)) = &document {
        let error =
            "<Errors><Error><Code>InternalError</Code><Message>an internal error occurred</Message></Error></Errors>";
        bodies.extend(document.with_root_content(error).map(|body| ("an error in the root of the answer", body)));
    }
    let fault = |(what, body, owed): (&str, Vec<u8>, Owed)| Fault {
        what: what.to_owned(),
        outcome: Ok(with_body(&Answered { status: StatusCode::OK, ..good.clone() }, body)),
        owed,
        kind: FaultKind::Broken,
    };
    let own = bodies.into_iter().map(|(what, body)| (what, body, Owed::NoListAtAll));
    let theirs = recorded.iter();
    let theirs = theirs.map(|body| ("a recorded error document with status 200", body.clone(), Owed::AnyError));
    own.chain(theirs).map(fault).collect()
}

/// Answers with a list, or without anything, and a status that no list has.
pub(in crate::kit::conformance) fn other_statuses(good: &Answered, ids: &HashSet<&str>) -> Vec<Fault> {
    const FAILED: [StatusCode; 8] = [
        StatusCode::MULTIPLE_CHOICES,
        StatusCode::FOUND,
        StatusCode::NOT_MODIFIED,
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::NO_CONTENT,
    ];
    let has_list = Document::read(&good.body).is_some_and(|document| !document.entries(ids).is_empty());
    let mut faults = Vec::new();
    for status in FAILED {
        let mut add = |what: &str, outcome: Answered, owed: Owed| {
            let what = format!("{} {what}", status.as_u16());
            faults.push(Fault { what, outcome: Ok(outcome), owed, kind: FaultKind::Broken });
        };
        add("without a body", answer(status, "text/plain", ""), Owed::NoListAtAll);
        if status != StatusCode::NO_CONTENT {
            // What a list is made without may fail.
            let owed = if has_list { Owed::NoListByStatus } else { Owed::NoListAtAll };
            add("with a list in it", Answered { status, ..good.clone() }, owed);
            let page = "<html><body>Something is wrong</body></html>";
            add("with a page for people in it", answer(status, "text/html", page), Owed::NoListAtAll);
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_every_list_goes_alone_and_together() {
        let check = |body: &'static str, others: &[&str], want: &[&str]| {
            let good = answer(StatusCode::OK, "application/json", body);
            let others: Vec<Document> = others.iter().filter_map(|body| Document::read(body.as_bytes())).collect();
            let faults = without_envelope(&good, &HashSet::from(["1", "2"]), &others);
            let missing: Vec<&str> = faults
                .iter()
                .filter_map(|fault| fault.what.strip_prefix("with ")?.split_once(" missing"))
                .map(|(what, _)| what)
                .collect();
            assert_eq!(missing, want, "{body}");
        };
        let servers = r#"{"servers": [{"id": 1}, {"id": 2}], "links": {"next": "/2"}, "meta": {"total": {"all": 3}}}"#;
        check(servers, &[servers], &["/links", "/meta", "/meta/total", "/links and /meta"]);
        // What another list does without may be absent.
        check(servers, &[servers, r#"{"servers": [], "meta": {"total": {}}}"#], &["/meta", "/meta/total"]);
        check(r#"{"servers": [{"id": 1}, {"id": 2}], "next": "/2"}"#, &[], &[]);
    }
}
