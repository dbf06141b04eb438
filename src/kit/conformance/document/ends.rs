//! Where an answer may be cut off so that the rest before looks complete: after each member of its root, and after each
//! entry of its lists.

use super::xml::Xml;

/// How many places there are at most behind members of the root, and how many deeper.
const MOST_IN_ROOT: usize = 16;
const MOST_DEEPER: usize = 6;
/// The root is at depth 0, a list in it at 1, an entry at 2.
const DEEPEST: usize = 3;

/// The places, in bytes from the start of the body; none where it is neither JSON nor XML.
pub(in super::super) fn ends(body: &[u8]) -> Vec<usize> {
    let found = match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => json(body),
        Some(b'<') => Xml::read(body).map(|xml| xml.ends(DEEPEST)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let at = |wanted: fn(usize) -> bool, most: usize| {
        let own: Vec<usize> = found.iter().filter(|(depth, _)| wanted(*depth)).map(|(_, end)| *end).collect();
        thinned(&own, most)
    };
    let mut ends = [at(|depth| depth == 1, MOST_IN_ROOT), at(|depth| depth > 1, MOST_DEEPER)].concat();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Some of them, from the first to the last.
fn thinned(all: &[usize], most: usize) -> Vec<usize> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|at| all[at * (all.len() - 1) / (most - 1)]).collect()
}

/// The ends of what stands in objects and arrays, with how deep it stands.
fn json(body: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in body.iter().enumerate() {
        match (in_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_text = !in_text,
            (true, _) => {}
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if (1..=DEEPEST).contains(&depth) {
                    found.push((depth, at + 1));
                }
            }
            // Behind a text or a number, which has no end of its own.
            (false, b',') if depth == 1 => found.push((depth, at)),
            (false, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_behind_each_member_of_the_root_and_each_entry() {
        let check = |body: &str, want: &[&str]| {
            let cut: Vec<&str> = ends(body.as_bytes()).into_iter().map(|end| &body[..end]).collect();
            assert_eq!(cut, want, "{body}");
        };
        check(
            r#"{"a":[{"n":"}"}],"b":1,"c":{}}"#,
            &[
                r#"{"a":[{"n":"}"}"#,
                r#"{"a":[{"n":"}"}]"#,
                r#"{"a":[{"n":"}"}],"b":1"#,
                r#"{"a":[{"n":"}"}],"b":1,"c":{}"#,
            ],
        );
        check("<r><a><i>1</i></a><n/></r>", &["<r><a><i>1</i>", "<r><a><i>1</i></a>", "<r><a><i>1</i></a><n/>"]);
        check("id,name", &[]);
    }

    #[test]
    fn of_many_places_some_are_taken() {
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(thinned(&all, 4), [0, 33, 66, 99]);
        assert_eq!(thinned(&all[..2], 4), [0, 1]);
    }
}
