//! Rust source as far as house rules need it: words and punctuation with their lines, and nothing of what
//! stands in comments and literals, where a name means nothing.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// The tokens of a source file. A path separator `::` is one token; literals and comments are none.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), false),
            '\'' => (quote(rest), false),
            _ if first.is_alphabetic() || first == '_' => {
                let word = word(rest);
                match literal_after(word, &rest[word.len()..]) {
                    Some(literal) => (word.len() + literal, false),
                    None => (word.len(), true),
                }
            }
            _ if first.is_ascii_digit() => (word(rest).len(), false),
            ':' if rest.starts_with("::") => (2, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn word(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    &rest[..end]
}

/// The length of a literal that the word before is the prefix of: `r"..."`, `b'x'`, `br#"..."#`, `c"..."`.
fn literal_after(prefix: &str, rest: &str) -> Option<usize> {
    match prefix {
        "r" | "br" | "cr" => {
            let hashes = rest.find(|c| c != '#')?;
            let end = format!("\"{}", "#".repeat(hashes));
            let body = rest[hashes..].strip_prefix('"')?;
            Some(body.find(&end).map_or(rest.len(), |at| hashes + 1 + at + end.len()))
        }
        "b" | "c" if rest.starts_with('"') => Some(string(rest)),
        "b" if rest.starts_with('\'') => Some(quote(rest)),
        _ => None,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        match here {
            _ if here.starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            _ if here.starts_with("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += here.chars().next().map_or(1, char::len_utf8),
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character's length, or a lifetime's.
fn quote(rest: &str) -> usize {
    let body = &rest[1..];
    if body.starts_with('\\') {
        return body[2..].find('\'').map_or(rest.len(), |at| at + 4);
    }
    let first = body.chars().next().map_or(0, char::len_utf8);
    match body[first..].starts_with('\'') {
        true => first + 2,
        false => 1 + word(body).len(),
    }
}

#[test]
fn comments_and_literals_are_no_tokens() {
    let check = |source: &str, want: &str| {
        let found: Vec<_> = tokens(source).into_iter().map(|token| token.text).collect();
        assert_eq!(found.join(" "), want, "{source}");
    };
    check("use crate::net::{a, b};", "use crate :: net :: { a , b } ;");
    check("a // crate::b\nc", "a c");
    check("a /* b /* c */ d */ e", "a e");
    check(r#"f("crate::x \" y", z)"#, "f ( , z )");
    check(r##"f(r#"a "b" c"#, br"d", b"e", b'f', c"g")"##, "f ( , , , , )");
    check("fn f<'a>(x: &'a str) -> char { 'b' }", "fn f < > ( x : & str ) - > char { }");
    check(r"match c { '\'' | '\u{1F600}' | 'é' => 1_000u32, }", "match c { | | = > , }");
    check("r#type + raw", "r # type + raw");
    let lines: Vec<_> = tokens("a\n\"x\ny\"\nb").into_iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 4]);
}
