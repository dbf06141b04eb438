//! Finds secrets in texts that no parser accepts as a whole: truncated JSON, several JSON documents in a row or in
//! scripts, JSON in strings, XML with CDATA, HTML, settings, headers. Everything that looks like a name with a value
//! counts as one.

use super::found::Found;
use super::names::is_credential;
use super::paired;
use super::scan::{Quote, floor, next_quote, tag_end, unescaped};

/// The longest name of a secret, with what stands around it.
const LONGEST_NAME: usize = 128;

/// Authentication schemes, which precede the credentials in a header.
const SCHEMES: &[&str] = &["Basic", "Bearer", "Token", "token", "bearer", "basic"];

/// The secrets of a text, in order, none within another.
pub(super) fn found(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    elements(text, &mut all);
    quoted(text, |_| true, &mut all);
    bare(text, &mut all);
    paired::found(text, &mut all);
    apart(text, all)
}

/// The secrets in a JSON document: values that follow a name in double quotes.
pub(super) fn found_in_json(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    quoted(text, |quote| quote == Quote { is: '"', backslashes: 0 }, &mut all);
    apart(text, all)
}

/// In order, none within another, and none that is empty.
fn apart(text: &str, mut all: Vec<Found>) -> Vec<Found> {
    all.retain(|found: &Found| !text[found.range.clone()].trim().is_empty());
    // Of two that overlap the one that began first, and of two that begin at once the longer one.
    all.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut end = 0;
    all.retain(|found| {
        let is_apart = found.range.start >= end;
        end = end.max(found.range.end);
        is_apart
    });
    all
}

/// `<Name>text</Name>`, also with CDATA in it or without an end.
fn elements(text: &str, all: &mut Vec<Found>) {
    const CDATA: &str = "<![CDATA[";
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at + 1) {
        let name = text[start..].split(|c: char| c.is_whitespace() || "/<>".contains(c)).next().unwrap_or_default();
        from = start + name.len();
        if name.is_empty() || name.len() > LONGEST_NAME || !is_credential(name) {
            continue;
        }
        let Some(mut at) = tag_end(text, from) else { return };
        if text[..at].ends_with("/>") {
            continue;
        }
        // Piece after piece, until another tag.
        loop {
            let piece = text[at..].find('<').map_or(text.len(), |end| at + end);
            all.push(Found { range: at..piece, is_number: false });
            at = piece;
            let Some(content) = text[at..].starts_with(CDATA).then_some(at + CDATA.len()) else { break };
            let end = text[content..].find("]]>").map_or(text.len(), |end| content + end);
            all.push(Found { range: content..end, is_number: false });
            at = (end + "]]>".len()).min(text.len());
        }
        from = at;
    }
}

/// `"name": "value"`, also where the quotes are escaped, with a list of values, or without an end.
fn quoted(text: &str, is_meant: impl Fn(Quote) -> bool, all: &mut Vec<Found>) {
    let mut from = 0;
    while let Some((quote, start)) = next_quote(text, from) {
        // A text that is not a name may contain names.
        from = start;
        if !is_meant(quote) {
            continue;
        }
        let Some(end) = quote.closes(text, start, LONGEST_NAME) else { continue };
        let behind = end + quote.length();
        let after = text[behind..].trim_start();
        let Some(after) = after.strip_prefix("=>").or_else(|| after.strip_prefix([':', '='])) else { continue };
        if is_credential(&unescaped(&text[start..end])) {
            from = value(text, text.len() - after.trim_start().len(), all);
        }
    }
}

/// `name=value`, `name: value`, and the same with a value in quotes.
fn bare(text: &str, all: &mut Vec<Found>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(['=', ':']).map(|at| from + at) {
        let separator = &text[at..=at];
        from = at + 1;
        if !is_credential(name_before(&text[..at])) {
            continue;
        }
        let rest = &text[from..];
        let begin = text.len() - rest.trim_start_matches([' ', '\t']).len();
        let begins_quote = next_quote(text, begin).is_some_and(|(quote, start)| start - quote.length() == begin);
        if begins_quote {
            from = value(text, begin, all);
        // Not as in the name of a namespace, or in a URL.
        } else if separator == "=" || begin > from {
            let mut start = begin;
            let word = |from: usize| {
                text[from..]
                    .find(|c: char| c.is_whitespace() || "\"'<>&;,)}]\\".contains(c))
                    .map_or(text.len(), |end| from + end)
            };
            let mut end = word(start);
            if SCHEMES.contains(&&text[start..end]) && text[end..].starts_with(' ') {
                start = end + 1;
                end = word(start);
            }
            // The end of a sentence.
            let said = text[start..end].trim_end_matches('.').len();
            all.push(Found { range: start..start + said, is_number: false });
            from = end;
        }
    }
}

/// The name at the end of a text; empty if there is none.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(' ');
    let tail = &text[floor(text, text.len().saturating_sub(LONGEST_NAME))..];
    let of_name = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    tail.rsplit(|c| !of_name(c)).next().unwrap_or_default()
}

/// Adds the value that starts at `at`, and returns its end.
fn value(text: &str, at: usize, all: &mut Vec<Found>) -> usize {
    let mut at = at;
    let is_list = text[at..].starts_with('[');
    loop {
        if is_list {
            let rest = text[at..].trim_start_matches(|c: char| c.is_whitespace() || c == '[' || c == ',');
            at = text.len() - rest.len();
        }
        let begins_quote = next_quote(text, at).filter(|(quote, start)| start - quote.length() == at);
        let end = if let Some((quote, start)) = begins_quote {
            let end = quote.closes(text, start, usize::MAX);
            all.push(Found { range: start..end.unwrap_or(text.len()), is_number: false });
            end.map_or(text.len(), |end| end + quote.length())
        } else {
            let end =
                text[at..].find(|c: char| c.is_whitespace() || ",;}]".contains(c)).map_or(text.len(), |end| at + end);
            let word = &text[at..end];
            if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                all.push(Found { range: at..end, is_number: true });
            }
            end
        };
        if !is_list || end == at || end >= text.len() || !text[end..].trim_start().starts_with(',') {
            return end;
        }
        at = end;
    }
}
