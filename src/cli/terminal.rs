//! The capabilities of the terminal, as the environment states them: `NO_COLOR` (no-color.org), and `TERM`, which is
//! `dumb` for a terminal that shows only lines.

use std::ffi::OsString;

/// Whether text on this stream has colours, where nothing else says so.
pub(super) fn has_colours(is_terminal: bool) -> bool {
    is_terminal && !is_dumb() && allows_colours(&|name| std::env::var_os(name))
}

/// Whether the terminal shows lines alone: nothing is written over, and nothing has colours.
pub(super) fn is_dumb() -> bool {
    shows_lines_alone(&|name| std::env::var_os(name))
}

fn allows_colours(environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    environment("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn shows_lines_alone(environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    environment("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_what_a_terminal_shows() {
        let check = |name: &str, value: &str, colours: bool, lines_alone: bool| {
            let environment = |asked: &str| (asked == name).then(|| OsString::from(value));
            let found = (allows_colours(&environment), shows_lines_alone(&environment));
            assert_eq!(found, (colours, lines_alone), "{name}={value}");
        };
        check("LANG", "C", true, false);
        check("NO_COLOR", "1", false, false);
        check("NO_COLOR", "0", false, false);
        check("NO_COLOR", "", true, false);
        check("TERM", "dumb", true, true);
        check("TERM", "xterm", true, false);
    }
}
