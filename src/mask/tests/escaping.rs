//! Writes texts with escapes. One byte makes each choice.

use std::fmt::Write as _;

pub(super) fn hex(text: &str, upper: bool) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    if upper { hex.to_uppercase() } else { hex }
}

/// Percent-encoded but for letters, digits and these.
pub(super) fn percent(text: &str, but_for: &str, upper: bool) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_alphanumeric() || but_for.contains(c) {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|byte| octet(&mut out, "%", byte, upper));
        }
        out
    })
}

fn octet(out: &mut String, before: &str, byte: u8, upper: bool) {
    let _ = if upper { write!(out, "{before}{byte:02X}") } else { write!(out, "{before}{byte:02x}") };
}

/// Each character as it is or in any escape of one kind, which the first choice picks; what that kind has to escape
/// always is.
pub(super) fn escaped(text: &str, choices: &mut impl Iterator<Item = u8>) -> String {
    let mut next = || choices.next().unwrap_or(0);
    let kind = next() % 4;
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let how = next();
        match kind {
            0 => backslash(&mut out, c, how),
            1 => {
                // Where no semicolon is, the next character must not be one that could belong to the name or number.
                let is_free = chars.peek().is_some_and(|next| r#"<>"'/=#.-_~{} "#.contains(*next));
                reference(&mut out, c, (how, is_free));
            }
            kind => octets(&mut out, c, (how, kind == 3)),
        }
    }
    out
}

fn backslash(out: &mut String, c: char, how: u8) {
    let upper = how & 0x80 == 0x80;
    match (how % 8, c) {
        (0..=2, '"' | '/' | '\'' | '\\') | (_, '\\') => out.extend(['\\', c]),
        (0..=2, '\n') => out.push_str("\\n"),
        (0..=2, '\t') => out.push_str("\\t"),
        (3 | 4, c) => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
            let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
        }),
        (5, c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        (6, c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| octet(out, "\\x", byte, upper)),
        (_, c) => out.push(c),
    }
}

fn reference(out: &mut String, c: char, (how, is_free): (u8, bool)) {
    let (code, zeros) = (u32::from(c), "0".repeat(usize::from(how >> 4 & 3)));
    let end = if is_free && how & 0x40 == 0x40 { "" } else { ";" };
    let name = match c {
        '&' => "amp",
        '<' => "lt",
        '>' => "gt",
        '"' => "quot",
        'Ü' => "Uuml",
        'ß' => "szlig",
        _ => "",
    };
    let _ = match how % 8 {
        0..=2 if !name.is_empty() => write!(out, "&{name}{end}"),
        3 if c == '\'' => write!(out, "&apos;"),
        3 if c == '/' => write!(out, "&sol;"),
        4 => write!(out, "&#{zeros}{code}{end}"),
        5 => write!(out, "&#x{zeros}{code:x}{end}"),
        6 => write!(out, "&#X{zeros}{code:X}{end}"),
        _ if c == '&' => write!(out, "&#38;"),
        _ => write!(out, "{c}"),
    };
}

fn octets(out: &mut String, c: char, (how, is_form): (u8, bool)) {
    match c {
        ' ' if is_form && how & 1 == 1 => out.push('+'),
        '%' | '+' => octet(out, "%", c as u8, how & 0x80 == 0x80),
        c if how % 8 < 4 => {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| octet(out, "%", byte, how & 0x80 == 0x80))
        }
        c => out.push(c),
    }
}

#[test]
fn escapers_write_what_others_read() {
    let text = "a/b&c<d> \"e\"'Ü😀";
    let json: String =
        serde_json::from_str(&format!("\"{}\"", escaped(text, &mut [0, 3, 4].into_iter().cycle()))).expect("JSON");
    assert_eq!(json, text);
    let decoded = percent_encoding::percent_decode_str(&percent(text, "-._~", false)).decode_utf8_lossy().into_owned();
    assert_eq!(decoded, text);
    let xml = escaped(text, &mut [1, 5, 4, 0].into_iter().cycle());
    assert_eq!(quick_xml::escape::unescape(&xml).expect("XML"), text);
}
