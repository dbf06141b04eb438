//! Text of someone else's, a driver's or a provider's, as it may stand in one line of a log, of an error or of a
//! terminal: nothing in it ends the line, commands the terminal, or makes letters stand where they do not.

use std::borrow::Cow;

/// The text with white space in place of what would break the line, and U+FFFD in place of every other character
/// that acts on a screen without being seen there.
pub fn legible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(acts_unseen) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if acts_unseen(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Control characters; those that turn the direction of writing (as in "Trojan Source", CVE-2021-42574); and those
/// that take no room, but for the joiners that some scripts cannot be written without.
fn acts_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_unseen_is_shown_or_goes() {
        let check = |text: &str, want: &str| assert_eq!(legible(text), want, "{text:?}");
        check("", "");
        check("web-1, Zürich, 東京, нода, 🦀", "web-1, Zürich, 東京, нода, 🦀");
        check("می\u{200c}خواهم", "می\u{200c}خواهم");
        check("one\ntwo\r\nthree\tfour", "one two  three four");
        check("a\u{2028}b\u{2029}c", "a b c");
        check("\x1b[2J\x07\0\u{9b}31m", "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}31m");
        check("user\u{202e}nimda\u{2066}\u{200b}\u{feff}", "user\u{fffd}nimda\u{fffd}\u{fffd}\u{fffd}");
    }
}
