//! The output of the demo: a live view on a terminal, or plain lines without one.

use std::io::{IsTerminal as _, Write as _, stdin, stdout};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Callback, Signature};
use super::screen::{self, Scene, time_of_day};
use crate::cli::table::printable;
use crate::cli::terminal;
use crate::clock::{Clock as _, SystemClock};

/// How often the keyboard is looked at; also how long the end of the demo waits for it.
const KEYBOARD: Duration = Duration::from_millis(100);

pub(super) enum View {
    Live(Live),
    Plain,
}

/// The terminal in raw mode, given back as it was when this goes. ratatui gives it back at a panic, too.
pub(super) struct Live(DefaultTerminal);

impl Drop for Live {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl View {
    /// The live view if there is a terminal that can show it.
    pub(super) fn open() -> std::io::Result<View> {
        match stdout().is_terminal() && stdin().is_terminal() && !terminal::is_dumb() {
            true => Ok(View::Live(Live(ratatui::try_init()?))),
            false => Ok(View::Plain),
        }
    }

    /// Says what there is, once, as soon as there are instances to say it of.
    pub(super) fn introduce(&mut self, scene: &Scene, board: &Board) -> std::io::Result<()> {
        match self {
            View::Live(_) => Ok(()),
            View::Plain => {
                let mut out = stdout().lock();
                writeln!(out, "The tracker's API is at {}. Its log: {}", scene.tracker, scene.log)?;
                for (what, command) in scene.next_steps(board) {
                    writeln!(out, "# {what}\n{command}")?;
                }
                out.flush()
            }
        }
    }

    /// Shows the board as it is now.
    pub(super) fn draw(&mut self, scene: &Scene, board: &Board) -> std::io::Result<()> {
        match self {
            View::Live(live) => live.0.draw(|frame| screen::draw(frame, scene, board, SystemClock.now())).map(|_| ()),
            View::Plain => Ok(()),
        }
    }

    /// Says that a callback came.
    pub(super) fn tell(&mut self, callback: &Callback) -> std::io::Result<()> {
        match self {
            View::Live(_) => Ok(()),
            View::Plain => {
                let mut out = stdout().lock();
                writeln!(out, "{}", plain(callback))?;
                out.flush()
            }
        }
    }

    /// Says that something went wrong.
    pub(super) fn complain(&mut self, problem: &str) -> std::io::Result<()> {
        match self {
            View::Live(_) => Ok(()),
            View::Plain => writeln!(stdout().lock(), "problem: {}", printable(problem)),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, View::Live(_))
    }
}

fn plain(callback: &Callback) -> String {
    let signature = match &callback.signature {
        Signature::Verified => "signature verified".to_owned(),
        Signature::Refused(why) => format!("signature REFUSED: {}", printable(why)),
    };
    let resource = printable(&callback.resource);
    let change = printable(&callback.change_of_state());
    format!("{}  {resource:18}  {change:28}  {signature}", time_of_day(callback.at))
}

/// Reads the keyboard on a thread where that may block; sends once for each key that ends the demo. In raw
/// mode Ctrl-C is a key like any other.
pub(super) fn watch_keyboard(ends: &mpsc::Sender<()>, token: &CancellationToken) -> std::io::Result<()> {
    while !token.is_cancelled() {
        if !event::poll(KEYBOARD)? {
            continue;
        }
        if let Event::Key(key) = event::read()? {
            let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                // A full channel has the same word in it already.
                let _ = ends.try_send(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::callback;
    use super::*;

    #[test]
    fn a_callback_is_told_in_one_line() {
        let check = |signature: Signature, want: &str| assert_eq!(plain(&callback("chg_1", signature)), want);
        check(Signature::Verified, "10:00:00  inst1               PENDING -> RUNNING            signature verified");
        check(
            Signature::Refused("no\nkey".into()),
            "10:00:00  inst1               PENDING -> RUNNING            signature REFUSED: no key",
        );
    }
}
