//! The row of a host with a thousand accounts of a thousand instances each: what it takes to poll them all once a
//! minute, and how far behind the polls come.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tracker::clock::Stopwatch;

use crate::process::{Host, installation, log, mock};
use crate::table::Table;

const ACCOUNTS: usize = 1000;
const EACH: usize = 1000;

/// What changes its state in an hour, of each instance: a hundredth of all in each poll.
const CHURN: f64 = 0.6;

/// How long all first polls may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between the last of the first polls and what is measured: after it the second ones are spread out.
const SETTLING: Duration = Duration::from_secs(70);
/// Each account is polled twice and a half in it.
const MEASURED: Duration = Duration::from_secs(150);

/// A million instances in a thousand accounts, once a minute.
pub(crate) fn million(table: &mut Table) {
    let (folder, address) = installation(&mock(), "");
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).expect("written before");
    fs::write(&config, text + &accounts()).expect("written");
    fs::write(folder.path().join("password"), "mockpassword").expect("written");
    let (host, _) = Host::start(folder.path(), &address);

    let mut polls = Polls::read_from(&folder.path().join("log"));
    let stopwatch = Stopwatch::start();
    let mut listed = HashSet::new();
    while listed.len() < ACCOUNTS {
        assert!(stopwatch.elapsed() < PATIENCE, "{} accounts are polled: {}", listed.len(), end(folder.path()));
        std::thread::sleep(Duration::from_millis(100));
        let new = polls.take();
        listed.extend(new.into_iter().filter(|poll| poll.resources == EACH).map(|poll| poll.account));
    }
    table.times("first lists of a million instances in 1,000 accounts", vec![stopwatch.elapsed()], None);
    std::thread::sleep(SETTLING);
    polls.take();

    let (cpu, stopwatch) = (host.cpu(), Stopwatch::start());
    std::thread::sleep(MEASURED);
    let (cpu, wall) = (host.cpu() - cpu, stopwatch.elapsed());
    let polls: Vec<Poll> = polls.take().into_iter().filter(|poll| poll.resources == EACH).collect();
    // Of each account two at least: what is not polled is on time for nothing.
    let accounts: HashSet<&str> = polls.iter().map(|poll| poll.account.as_str()).collect();
    assert_eq!(accounts.len(), ACCOUNTS, "{}", end(folder.path()));
    let least = ACCOUNTS as f64 * wall.as_secs_f64() / 60.0 * 0.95;
    assert!(polls.len() as f64 > least, "{} polls, not {least}", polls.len());

    table.slowest("  then once a minute: how late polls begin (p99)", late(&polls), Duration::from_secs(1));
    let cores = 2.0;
    let used = 100.0 * cpu.as_secs_f64() / wall.as_secs_f64() / cores;
    table.amount("  CPU, of two cores", used, "%", Some(50.0));
    table.amount("  resident memory, highest, first lists too", host.highest_resident(), "MB", Some(500.0));
}

fn late(polls: &[Poll]) -> Vec<Duration> {
    polls.iter().map(|poll| poll.late).collect()
}

/// The mock provider lets in one user: what makes accounts several is a provider each, under names of its own.
fn accounts() -> String {
    // Everything is listed each time, as by a driver that can list nothing else.
    let mut text =
        "[polling]\ninstances_every = \"60s\"\nquiet = \"60s\"\nfull_every = \"0s\"\n[log]\nformat = \"json\"\n\
                    filter = \"tracker::poll=debug,info\"\n"
            .to_owned();
    for number in 0..ACCOUNTS {
        text += &format!(
            "[[providers]]\ndriver = \"mock\"\nname = \"p{number}\"\nendpoint = \"http://mock.invalid\"\n\
             [[accounts]]\ndriver = \"mock\"\nprovider = \"p{number}\"\nuser = \"mockuser\"\n\
             password_file = \"password\"\n\
             options = {{ count = \"{EACH}\", churn = \"{CHURN}\", seed = \"{number}\" }}\n"
        );
    }
    text
}

/// A poll that ended well, as the host's log tells of it.
pub(crate) struct Poll {
    account: String,
    pub(crate) resources: usize,
    /// When it began, since it was due.
    pub(crate) late: Duration,
}

/// The polls in a log that is being written.
pub(crate) struct Polls {
    log: BufReader<fs::File>,
}

impl Polls {
    pub(crate) fn read_from(path: &Path) -> Polls {
        Polls { log: BufReader::new(fs::File::open(path).expect("a log")) }
    }

    /// Those that were written since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Poll> {
        let mut polls = Vec::new();
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("a log") > 0 {
            if !line.ends_with('\n') {
                // Its end is not written yet: it is read again the next time.
                let back = i64::try_from(line.len()).expect("a line");
                self.log.seek(SeekFrom::Current(-back)).expect("a file");
                break;
            }
            polls.extend(poll(&line));
            line.clear();
        }
        polls
    }
}

fn poll(line: &str) -> Option<Poll> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("message")? != "polled" {
        return None;
    }
    Some(Poll {
        account: line.get("account")?.as_str()?.to_owned(),
        resources: usize::try_from(line.get("resources")?.as_u64()?).ok()?,
        late: Duration::from_millis(line.get("late_ms")?.as_u64()?),
    })
}

/// The last lines of a long log.
fn end(folder: &Path) -> String {
    let log = log(folder);
    let start = log.floor_char_boundary(log.len().saturating_sub(2000));
    log[start..].to_owned()
}
