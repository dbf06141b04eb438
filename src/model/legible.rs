//! Makes foreign text (of a driver, a provider, a client) legible, to show it to people in a log, in an error or on a
//! terminal. Nothing in it ends the line, controls the terminal, is invisible, or reorders letters. Host names are
//! shown in the form in which they are sent.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::char::is_combining_mark;
use unicode_security::MixedScript as _;

/// The maximum of marks on one letter: some scripts need as many, but none needs more.
const MARKS: usize = 4;
/// A warning after a host name with letters of several scripts, which may look like another name.
const MIXED: &str = "<mixed scripts>";

/// The text on one line. A space replaces each line break and tab. Other characters with an invisible effect (control
/// characters, those that change the writing direction, invisible ones, and more marks on one letter than any script
/// has) are shown as their number, such as `<U+200B>`. Host names of URLs are in ASCII (RFC 3492, UTS 46), with a
/// warning where a part of one mixes scripts (UTS 39).
pub fn legible(text: &str) -> Cow<'_, str> {
    shown(text, false)
}

/// The same for a text of several lines that the program itself formatted: line breaks (LF) stay.
pub fn legible_lines(text: &str) -> Cow<'_, str> {
    shown(text, true)
}

/// The same JSON document (RFC 8259), with each character with an invisible effect escaped, and each mark beyond the
/// limit.
pub fn legible_json(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    let mut marks = 0;
    for c in json.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        // White space between values stays. All other characters with an invisible effect are in strings.
        if marks <= MARKS && (matches!(c, '\n' | '\r' | '\t') || !acts_unseen(c)) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

fn shown(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') || (keep_lines && byte == b'\n');
    if text.bytes().all(is_plain) && !text.contains("xn--") {
        return Cow::Borrowed(text);
    }
    let text = with_hosts_in_ascii(text);
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        match c {
            '\n' if keep_lines => shown.push(c),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            c if acts_unseen(c) || marks > MARKS => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters; those that change the writing direction (as in "Trojan Source", CVE-2021-42574); and those that
/// take no room or show nothing: Unicode's Default_Ignorable_Code_Point, the Braille blank, the format controls of
/// hieroglyphs, and noncharacters. They include characters that join letters or select a variant: some names need them,
/// and two names that differ in nothing else look alike.
fn acts_unseen(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn with_hosts_in_ascii(text: &str) -> Cow<'_, str> {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, host) = rest.split_at(at + 3);
        made.push_str(before);
        let ends = |c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '/' | '?' | '#' | '\\' | '"' | '\'' | '`' | '<' | '>' | '(' | ')' | ',')
        };
        let (authority, after) = host.split_at(host.find(ends).unwrap_or(host.len()));
        made.push_str(&authority_in_ascii(authority));
        rest = after;
    }
    if made.is_empty() {
        return Cow::Borrowed(text);
    }
    made.push_str(rest);
    Cow::Owned(made)
}

fn authority_in_ascii(authority: &str) -> Cow<'_, str> {
    if authority.is_ascii() && !authority.contains("xn--") {
        return Cow::Borrowed(authority);
    }
    let (user, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*') => (host, port),
        _ => (place, ""),
    };
    // The asterisk of a pattern is not a letter of a name.
    let labels: Vec<&str> = host.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).collect();
    let ascii: Result<Vec<String>, idna::Errors> = labels
        .iter()
        .map(|label| if label.is_ascii() { Ok((*label).to_owned()) } else { idna::domain_to_ascii(label) })
        .collect();
    let Ok(ascii) = ascii else { return Cow::Borrowed(authority) };
    if ascii.iter().zip(&labels).any(|(made, label)| made.is_empty() && !label.is_empty()) {
        return Cow::Borrowed(authority);
    }
    let is_mixed = |label: &String| {
        let (name, decoded) = idna::domain_to_unicode(label);
        decoded.is_err() || !name.as_str().is_single_script()
    };
    let mixed = if ascii.iter().filter(|label| label.starts_with("xn--")).any(is_mixed) { MIXED } else { "" };
    let at = if user.is_empty() { "" } else { "@" };
    let colon = if port.is_empty() { "" } else { ":" };
    Cow::Owned(format!("{user}{at}{}{mixed}{colon}{port}", ascii.join(".")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_unseen_is_shown() {
        let check = |text: &str, want: &str| assert_eq!(legible(text), want, "{text:?}");
        check("", "");
        check("web-1, Zürich, 東京, нода, 🦀, \u{fffd}", "web-1, Zürich, 東京, нода, 🦀, \u{fffd}");
        check("❤\u{fe0f}, 👩\u{200d}💻, می\u{200c}خواهم", "❤<U+FE0F>, 👩<U+200D>💻, می<U+200C>خواهم");
        check("a\u{34f}b\u{13430}c\u{ffff}d\u{fdd0}", "a<U+034F>b<U+13430>c<U+FFFF>d<U+FDD0>");
        check("one\ntwo\r\nthree\tfour", "one two  three four");
        check("a\u{2028}b\u{2029}c", "a b c");
        check("\x1b[2J\x07\0\u{9b}31m", "<U+001B>[2J<U+0007><U+0000><U+009B>31m");
        check("user\u{202e}nimda\u{2066}\u{200b}\u{feff}", "user<U+202E>nimda<U+2066><U+200B><U+FEFF>");
        check("a\u{3164}b\u{2800}\u{e0101}", "a<U+3164>b<U+2800><U+E0101>");
        // Vietnamese and Hebrew bear two and three.
        check("e\u{302}\u{301}, ש\u{5c1}\u{5b0}\u{591}", "e\u{302}\u{301}, ש\u{5c1}\u{5b0}\u{591}");
        check("a\u{301}\u{301}\u{301}\u{301}\u{301}\u{302}b", "a\u{301}\u{301}\u{301}\u{301}<U+0301><U+0302>b");
    }

    #[test]
    fn hosts_are_shown_as_they_are_sent() {
        let check = |text: &str, want: &str| assert_eq!(legible(text), want, "{text:?}");
        check("https://api.example.com/v1?q=ü", "https://api.example.com/v1?q=ü");
        check("reach https://bücher.example:8443/v1, then", "reach https://xn--bcher-kva.example:8443/v1, then");
        check("https://*.bücher.example", "https://*.xn--bcher-kva.example");
        check("http://u@東京.example", "http://u@xn--1lqs71d.example");
        // A Cyrillic letter among Latin ones, be it written so or encoded.
        check("https://ex\u{430}mple.com/", "https://xn--exmple-4nf.com<mixed scripts>/");
        check("https://xn--exmple-4nf.com/", "https://xn--exmple-4nf.com<mixed scripts>/");
        check("https://xn--1lqs71d.example", "https://xn--1lqs71d.example");
        check("no host: ex\u{430}mple://", "no host: ex\u{430}mple://");
        check("http://\u{200b}", "http://<U+200B>");
    }

    #[test]
    fn json_says_the_same() {
        let check = |json: &str, want: &str| {
            let shown = legible_json(json);
            assert_eq!(shown, want);
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            assert_eq!(parse(&shown), parse(json));
        };
        check("{\"a\u{202e}\": \"ü\u{e0001}\"}", "{\"a\\u202e\": \"ü\\udb40\\udc01\"}");
        check("{\r\n\t\"a\": \"b\u{7f}\"\n}", "{\r\n\t\"a\": \"b\\u007f\"\n}");
        let (four, flood) = ("\u{301}".repeat(4), "\u{301}".repeat(6));
        check(&format!("[\"a{flood}b\"]"), &format!("[\"a{four}\\u0301\\u0301b\"]"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_acts_unseen(text in ".{0,40}(https?://)?.{0,40}") {
            for (shown, lines) in [(legible(&text), false), (legible_lines(&text), true)] {
                prop_assert!(!shown.chars().any(|c| acts_unseen(c) && !(lines && c == '\n')), "{shown:?}");
                prop_assert_eq!(shown.lines().count() > 1, lines && text.lines().count() > 1 && shown.contains('\n'));
                let mut marks = 0;
                for c in shown.chars() {
                    marks = if is_combining_mark(c) { marks + 1 } else { 0 };
                    prop_assert!(marks <= MARKS);
                }
            }
        }
    }
}
