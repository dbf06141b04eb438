//! Finds quotes and tags in texts that no parser accepts as a whole.

/// The end of the tag that `from` is in. A `>` in quotes does not end a tag.
pub(super) fn tag_end(text: &str, from: usize) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text[from..].char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return Some(from + at + 1),
            _ => {}
        }
    }
    // A quote that is not closed is none.
    text[from..].find('>').map(|at| from + at + 1)
}

/// A quotation mark. In a text that is itself quoted, backslashes precede it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) is: char,
    pub(super) backslashes: usize,
}

impl Quote {
    pub(super) fn length(self) -> usize {
        self.backslashes + 1
    }

    /// The start of the closing quotation mark, searched for in the next `within` bytes.
    pub(super) fn closes(self, text: &str, start: usize, within: usize) -> Option<usize> {
        let most = floor(text, start.saturating_add(within).min(text.len()));
        let mut from = start;
        while let Some(at) = text[from..most].find(self.is).map(|at| from + at) {
            let before = &text[start..at];
            let backslashes = before.len() - before.trim_end_matches('\\').len();
            let is_like = match self.backslashes {
                0 => backslashes.is_multiple_of(2),
                own => backslashes == own,
            };
            if is_like {
                return Some(at - self.backslashes);
            }
            from = at + 1;
        }
        None
    }
}

/// The next quotation mark, and the start of the text behind it.
pub(super) fn next_quote(text: &str, from: usize) -> Option<(Quote, usize)> {
    let at = from + text[from..].find(['"', '\''])?;
    let before = &text[from..at];
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    let is = if text[at..].starts_with('"') { '"' } else { '\'' };
    Some((Quote { is, backslashes }, at + 1))
}

/// The text that a JSON string stands for; the string itself if it is not valid.
pub(super) fn unescaped(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
}

/// The last place up to there at which a letter begins.
pub(super) fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
