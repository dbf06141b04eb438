//! Markdown as far as these tests need it: headings, links, and fenced blocks, with what mdBook includes in its place.

use std::fmt;
use std::path::{Component, Path, PathBuf};

const FENCE: &str = "```";

/// A file of Markdown.
pub(super) struct Page {
    /// Below the root of the repository, with slashes.
    pub(super) path: String,
    /// As it stands in the file.
    pub(super) text: String,
    /// With what it includes.
    whole: String,
}

/// A fenced block.
pub(super) struct Block {
    /// What stands behind the fence: a language, and words of these tests.
    pub(super) info: String,
    pub(super) text: String,
    pub(super) line: usize,
}

pub(super) struct Link {
    pub(super) target: String,
    pub(super) line: usize,
}

impl Page {
    pub(super) fn read(root: &Path, path: &Path) -> Page {
        let text = read(path);
        let folder = path.parent().expect("a folder");
        let whole = with_includes(&text, folder);
        let path = path.strip_prefix(root).expect("below the root");
        Page { path: path.to_str().expect("UTF-8").to_owned(), text, whole }
    }

    pub(super) fn is_of_the_book(&self) -> bool {
        self.path.starts_with("docs/")
    }

    /// The path that a link of this page leads to, below the root; none for one that leads out of it.
    pub(super) fn relative(&self, path: &str) -> Option<String> {
        if path.is_empty() {
            return Some(self.path.clone());
        }
        let mut steps: Vec<String> = self.path.split('/').map(str::to_owned).collect();
        steps.pop();
        for step in Path::new(path).components() {
            match step {
                Component::CurDir => {}
                Component::ParentDir => {
                    steps.pop()?;
                }
                Component::Normal(name) => steps.push(name.to_str()?.to_owned()),
                _ => return None,
            }
        }
        Some(steps.join("/"))
    }

    /// Links to other files and headings of the repository.
    pub(super) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (line, text) in prose(&self.whole) {
            let text = without_code(&text);
            let mut rest = text.as_str();
            while let Some((_, after)) = rest.split_once("](") {
                let Some((target, after)) = after.split_once(')') else { break };
                if !target.contains("://") && !target.starts_with("mailto:") {
                    links.push(Link { target: target.to_owned(), line });
                }
                rest = after;
            }
        }
        links
    }

    /// What links can name of this page behind `#`, as mdBook and GitHub make it of headings.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = prose(&self.whole).into_iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The fenced blocks that stand in the file itself.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (&mut open, line.trim_start().strip_prefix(FENCE)) {
                (None, Some(info)) => {
                    open = Some(Block { info: info.trim().to_owned(), text: String::new(), line: number + 1 })
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{self}: a block is not closed");
        blocks
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text, and in the place of `{{#include FILE}}` or `{{#include FILE:ANCHOR}}` that file, or the part of it.
fn with_includes(text: &str, folder: &Path) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        let include = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"));
        let Some(include) = include else {
            whole.push_str(line);
            whole.push('\n');
            continue;
        };
        let (file, anchor) = include.split_once(':').unwrap_or((include, ""));
        let path: PathBuf = folder.join(file);
        let text = read(&path);
        let part = match anchor {
            "" => text.as_str(),
            anchor => {
                let (_, rest) =
                    text.split_once(&format!("<!-- ANCHOR: {anchor} -->\n")).unwrap_or_else(|| panic!("{include}"));
                rest.split_once(&format!("<!-- ANCHOR_END: {anchor} -->")).unwrap_or_else(|| panic!("{include}")).0
            }
        };
        whole.push_str(part);
        whole.push('\n');
    }
    whole
}

/// The numbered lines that stand in no fenced block.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with(FENCE) {
            is_code = !is_code;
        } else if !is_code {
            lines.push((number + 1, line.to_owned()));
        }
    }
    lines
}

/// A line without what stands between backticks, in which nothing is a link.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn markdown_is_read() {
    let text =
        "# One `two`: three\n[a](b.md#c) `[no](no)` [d](https://e)\n```sh,norun\n# no [x](y)\n```\n## End_of it\n";
    let page = Page { path: "docs/p/q.md".into(), text: text.into(), whole: text.into() };
    assert_eq!(page.anchors(), ["one-two-three", "end_of-it"]);
    let links: Vec<(usize, String)> = page.links().into_iter().map(|link| (link.line, link.target)).collect();
    assert_eq!(links, [(2, "b.md#c".to_owned())]);
    let blocks: Vec<(String, String)> = page.blocks().into_iter().map(|block| (block.info, block.text)).collect();
    assert_eq!(blocks, [("sh,norun".to_owned(), "# no [x](y)\n".to_owned())]);
    let check = |path: &str, want: Option<&str>| assert_eq!(page.relative(path).as_deref(), want, "{path}");
    check("r.md", Some("docs/p/r.md"));
    check("../r.md", Some("docs/r.md"));
    check("", Some("docs/p/q.md"));
    check("../../../r.md", None);
}
