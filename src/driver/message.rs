//! Messages of a driver on their way into the log, into errors and into the API: cut to a maximum length and put on one
//! line, so that they can't be mistaken for a log line of the host.

use crate::model::legible;

/// The longest message that goes on, in bytes.
const MESSAGE_BYTES: usize = 1024;

pub(super) fn message(mut text: String) -> String {
    let is_whole = text.len() <= MESSAGE_BYTES;
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
    let mut message = legible(&text).into_owned();
    if !is_whole {
        message.push_str(" ...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_not_endless() {
        let check = |text: &str, want: &str| assert_eq!(message(text.to_owned()), want);
        check("no such zone", "no such zone");
        check(
            "no\n2026-11-22T10:00:00Z  INFO tracker: all is well",
            "no 2026-11-22T10:00:00Z  INFO tracker: all is well",
        );
        check(&"x".repeat(1024), &"x".repeat(1024));
        check(&"x".repeat(1 << 20), &format!("{} ...", "x".repeat(1024)));
        check(&format!("{}é", "x".repeat(1023)), &format!("{} ...", "x".repeat(1023)));
    }
}
