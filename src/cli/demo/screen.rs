//! The live view: instances on the left, callbacks as they arrive on the right, suggestions below. Drawing is a
//! function of the board and the time, and is tested as one.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::board::{Board, Callback, Instance, Signature};
use crate::cli::table::printable;
use crate::model::Timestamp;

/// What does not change while the demo runs.
#[derive(Debug)]
pub(super) struct Scene {
    /// The tracker's address.
    pub(super) tracker: String,
    /// How a client names itself.
    pub(super) credentials: String,
    pub(super) log: String,
}

/// For how long a change stands out, in milliseconds.
const FRESH: u128 = 3_000;
/// From which width on a callback's time is shown.
const ROOMY: u16 = 60;

impl Scene {
    /// Commands that work as they stand, each with what it is for.
    pub(super) fn next_steps(&self, board: &Board) -> Vec<(&'static str, String)> {
        let Scene { tracker, credentials, .. } = self;
        let curl = format!("curl -u {credentials}");
        let mut steps = vec![("every instance, as the tracker last saw it", format!("{curl} {tracker}/api/instances"))];
        if let Some(id) = board.example() {
            // In two lines, so that it can be copied off a screen of 80 columns.
            let put = format!(
                "{curl} -X PUT -d track_hook=http://127.0.0.1:9/ \\\n  {tracker}/api/instances/{}",
                printable(id)
            );
            steps.push(("move one instance's hook to where nobody listens: its callbacks stop here", put));
            let changes = format!("{curl} {tracker}/api/changes");
            steps.push(("a minute later, the pending changes of that hook: nothing was lost", changes));
        }
        steps
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene, board: &Board, now: Timestamp) {
    let steps = scene.next_steps(board);
    let steps: Vec<Line<'_>> = steps
        .iter()
        .flat_map(|(what, command)| {
            let command = command.lines().map(|line| Line::from(line).cyan());
            std::iter::once(Line::from(format!("# {what}")).dim()).chain(command)
        })
        .collect();
    let below = u16::try_from(steps.len()).unwrap_or(u16::MAX).saturating_add(1);
    let [title, middle, counters, next] = Layout::vertical([
        Constraint::Length(1),
        // On a small screen what is below gives way first.
        Constraint::Min(6),
        Constraint::Length(1),
        Constraint::Max(below),
    ])
    .areas(frame.area());
    let [left, right] = Layout::horizontal([Constraint::Percentage(48), Constraint::Percentage(52)]).areas(middle);
    let heading = Line::from(vec![
        Span::from(" tracker demo ").bold().reversed(),
        Span::from(format!("  the API is at {}   q or Ctrl-C ends it   log: {}", scene.tracker, scene.log)),
    ]);
    frame.render_widget(heading, title);
    instances(frame, left, board, now);
    callbacks(frame, right, board, now);
    frame.render_widget(status(board), counters);
    frame.render_widget(Paragraph::new(steps), next);
}

fn instances(frame: &mut Frame<'_>, area: Rect, board: &Board, now: Timestamp) {
    let instances = board.instances();
    let rows = instances.iter().map(|instance| instance_row(instance, now));
    let widths = [Constraint::Length(18), Constraint::Length(14), Constraint::Length(8), Constraint::Min(6)];
    let table = Table::new(rows, widths)
        .header(Row::new(["INSTANCE", "STATE", "REALM", "SINCE"]).bold())
        .block(Block::bordered().title(format!(" {} instances, as GET /api/instances has them ", instances.len())));
    frame.render_widget(table, area);
}

fn instance_row(instance: &Instance, now: Timestamp) -> Row<'static> {
    let since = instance.state_since.map(|since| now.since(since));
    let fresh = since.is_some_and(|since| since.as_millis() < FRESH);
    let style = match fresh {
        true => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        false => Style::new(),
    };
    let ago = since.map(|since| format!("{} s", since.as_secs())).unwrap_or_default();
    Row::new([
        Span::from(printable(&instance.id)),
        Span::from(printable(&instance.state)).style(style.fg(colour(&instance.state))),
        Span::from(printable(&instance.realm)),
        Span::from(ago).dim(),
    ])
}

fn callbacks(frame: &mut Frame<'_>, area: Rect, board: &Board, now: Timestamp) {
    let line = |callback| line(callback, area.width >= ROOMY, now);
    let lines: Vec<_> = board.callbacks().take(usize::from(area.height)).map(line).collect();
    let block = Block::bordered().title(" callbacks, the newest first ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn line(callback: &Callback, with_time: bool, now: Timestamp) -> Line<'static> {
    let fresh = now.since(callback.at).as_millis() < FRESH;
    let mark = match &callback.signature {
        Signature::Verified => Span::from("✓ ").green(),
        Signature::Refused(_) => Span::from("✗ ").red(),
    };
    let resource = printable(&callback.resource);
    // Where it is narrow, the beginning of an id has to do, so that the change itself is seen.
    let (time, resource) = match with_time {
        true => (format!("{}  ", time_of_day(callback.at)), format!("{resource:18} ")),
        false => (String::new(), format!("{resource:10.10}  ")),
    };
    let delay = callback.delay.map(|delay| format!("  {} ms", delay.as_millis())).unwrap_or_default();
    let colour = callback.new_state.as_deref().map_or(Color::Reset, colour);
    let what = match &callback.signature {
        Signature::Verified => callback.change_of_state(),
        Signature::Refused(why) => format!("refused: {why}"),
    };
    let line = Line::from(vec![
        mark,
        Span::from(time).dim(),
        Span::from(resource),
        Span::from(printable(&what)).fg(colour),
        Span::from(delay).dim(),
    ]);
    if fresh { line.bold() } else { line }
}

fn status(board: &Board) -> Line<'static> {
    let counts = board.counts;
    let states: Vec<_> = board.states().iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut spans = vec![
        Span::from(format!(" {} callbacks: ", counts.callbacks)).bold(),
        Span::from(format!("{} verified", counts.verified)).green(),
        Span::from(format!(", {} refused, {} sent again", counts.refused, counts.repeats)),
        Span::from(format!("   {} hooks   {}", counts.hooks, states.join(", "))),
    ];
    if let Some((at, problem)) = &board.problem {
        spans.push(Span::from(format!("   {} {}", time_of_day(*at), printable(problem))).red());
    }
    Line::from(spans)
}

/// `10:00:00`, of a time as RFC 3339 writes it.
pub(super) fn time_of_day(time: Timestamp) -> String {
    time.to_string().get(11..19).unwrap_or_default().to_owned()
}

fn colour(state: &str) -> Color {
    match state {
        "RUNNING" => Color::Green,
        "PENDING" => Color::Yellow,
        "STOPPING" | "SHUTTING_DOWN" => Color::Magenta,
        "STOPPED" => Color::Blue,
        "FINISH" => Color::DarkGray,
        "ERROR" => Color::Red,
        _ => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::board::tests::{callback, instance};
    use super::*;

    fn drawn(width: u16, height: u16) -> String {
        let mut board = Board::default();
        board.list(vec![instance("inst0", "STOPPED"), instance("inst1", "RUNNING")]);
        board.called(callback("chg_1", Signature::Verified));
        board.called(callback("chg_2", Signature::Refused("signature invalid".into())));
        board.problem = Some((Timestamp::default(), "gone\x1b[2J".into()));
        let scene = Scene {
            tracker: "http://127.0.0.1:3001".into(),
            credentials: "mockuser:mockpassword".into(),
            log: "/tmp/log".into(),
        };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("terminal");
        terminal.draw(|frame| draw(frame, &scene, &board, Timestamp::from_millis(1_795_341_601_000))).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn everything_is_on_the_screen() {
        let screen = drawn(150, 24);
        for want in [
            "http://127.0.0.1:3001",
            "2 instances",
            "inst0",
            "STOPPED",
            "✓ 10:00:00  inst1",
            "PENDING -> RUNNING",
            "12 ms",
            "✗ 10:00:00  inst1",
            "refused: signature invalid",
            "2 callbacks: 1 verified, 1 refused",
            "1 RUNNING, 1 STOPPED",
            "# every instance",
            "curl -u mockuser:mockpassword http://127.0.0.1:3001/api/instances",
            "curl -u mockuser:mockpassword -X PUT -d track_hook=http://127.0.0.1:9/ \\",
            "  http://127.0.0.1:3001/api/instances/inst1",
        ] {
            assert!(screen.contains(want), "{want:?} is not in\n{screen}");
        }
        assert!(!screen.contains('\x1b'));
    }

    #[test]
    fn eighty_columns_show_what_changed() {
        let screen = drawn(80, 24);
        assert!(screen.contains("✓ inst1       PENDING -> RUNNING  12 ms"), "{screen}");
    }

    #[test]
    fn no_screen_is_too_small() {
        for (width, height) in [(1, 1), (10, 3), (40, 8)] {
            drawn(width, height);
        }
    }
}
