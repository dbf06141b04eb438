//! Measures what the project promises, in one run, and prints it beside the promise. The machine may be
//! shared and noisy: of each row the best and the median of many rounds are shown, and what counts is the
//! ratio of the median to the bound.

mod backlog;
mod callers;
mod clouds;
mod compare;
mod cost;
mod crowd;
mod deliver;
mod disabling;
mod drivers;
mod fair;
mod feed;
mod fleet;
mod guests;
mod held;
mod hooks;
mod host;
mod journal;
mod languages;
mod native;
mod outlet;
mod process;
mod provider;
mod receiver;
mod receivers;
mod recording;
mod scenario;
mod steps;
mod table;
// Beside the driver's fixtures, whose tests use it too.
#[path = "../../drivers/ec2/fixtures/thousand.rs"]
mod thousand;

use table::Table;

fn main() {
    // `cargo bench` passes its own flags; those that matter here say that this is a child, and which.
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [_, clouds::FLAG, endpoints] => return clouds::hang(endpoints),
        [_, provider::FLAG, ref answers @ ..] => return provider::serve(answers),
        [_, provider::IN_TURN, scenario] => return provider::serve_in_turn(scenario),
        [_, receiver::FLAG, places] => return receiver::receive(places),
        [_, receivers::FLAG, delay] => return receivers::receive_late(delay),
        [_, feed::FOLLOW, address, streams] => return feed::follow(address, streams),
        [_, feed::READ, address, path] => return feed::read(address, path),
        _ => {}
    }
    // `cargo bench --locked -- callbacks`: only these.
    let asked: Vec<&str> = arguments[1..].iter().copied().filter(|argument| !argument.starts_with('-')).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.contains(&part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut table = Table::default();
    if is_asked("polls") {
        runtime.block_on(async {
            host::sandbox(&mut table).await;
            host::lifting(&mut table).await;
            host::ec2_poll(&mut table).await;
            compare::unchanged(&mut table);
            host::unchanged(&mut table).await;
        });
    }
    if is_asked("diff") {
        runtime.block_on(recording::million(&mut table));
    }
    if is_asked("fair") {
        runtime.block_on(fair::spinning(&mut table));
    }
    if is_asked("drivers") {
        // `-- drivers ec2`: only this driver.
        runtime.block_on(drivers::polls(&mut table, &asked));
    }
    if is_asked("languages") {
        runtime.block_on(languages::polls(&mut table));
    }
    if is_asked("callbacks") {
        runtime.block_on(async {
            deliver::throughput(&mut table).await;
            deliver::broken_destinations(&mut table).await;
            deliver::latency(&mut table).await;
        });
    }
    if is_asked("receivers") {
        runtime.block_on(async {
            receivers::hanging(&mut table).await;
            receivers::slow(&mut table).await;
            crowd::beside_backlogs(&mut table).await;
        });
    }
    if is_asked("cost") {
        runtime.block_on(async {
            cost::backlog_and_replay(&mut table).await;
            cost::pages(&mut table).await;
            cost::hooks(&mut table).await;
            disabling::after_gone(&mut table).await;
            held::polls(&mut table).await;
        });
    }
    if is_asked("steps") {
        steps::steps(&mut table, &runtime);
    }
    if is_asked("backlog") {
        backlog::million(&mut table, &runtime);
    }
    drop(runtime);
    if is_asked("feed") {
        feed::streams(&mut table);
        feed::pages(&mut table);
    }
    if is_asked("callers") {
        callers::floods(&mut table);
    }
    if is_asked("host") {
        process::start(&mut table);
        process::memory(&mut table);
    }
    if is_asked("guests") {
        guests::compiling(&mut table);
    }
    if is_asked("clouds") {
        clouds::hanging(&mut table);
    }
    if is_asked("million") {
        fleet::million(&mut table);
    }
    table.print();
}
