//! What clouds that hang take from all others: how late the polls of accounts at endpoints that answer begin beside a
//! thousand accounts at endpoints that accept connections and never answer, and how long a first login elsewhere takes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tracker::clock::Stopwatch;

use crate::fleet::{Poll, Polls};
use crate::process::{Host, installation, log, mock_and_digitalocean};
use crate::table::Table;

/// What tells a copy of this program to be clouds that hang.
pub(crate) const FLAG: &str = "--hang";

/// Of a thread that only accepts, in bytes.
const STACK: usize = 64 << 10;

const HANGING: usize = 1000;
const OTHERS: usize = 20;
/// From the start on, until the clouds have hung for a while, and all others were listed once.
const SETTLING: Duration = Duration::from_secs(20);
const MEASURED: Duration = Duration::from_secs(30);
const IN_TIME: Duration = Duration::from_secs(2);

pub(crate) fn hanging(table: &mut Table) {
    beside(table, 1, ["polls in time beside 1,000 accounts at one endpoint that hangs", "  a first login elsewhere"]);
    beside(table, HANGING, ["polls in time beside 1,000 endpoints that hang", "  a first login elsewhere"]);
}

/// Listens on `endpoints` ports of its own, accepts every connection, and never answers.
#[expect(clippy::print_stdout, reason = "the parent reads the addresses there")]
pub(crate) fn hang(endpoints: &str) {
    let count: usize = endpoints.parse().expect("a number");
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    for listener in &listeners {
        println!("{}", listener.local_addr().expect("bound"));
    }
    std::io::stdout().flush().expect("told");
    let accept = |listener: TcpListener| {
        let take_all = move || {
            let taken: Vec<_> = listener.incoming().collect();
            drop(taken);
        };
        std::thread::Builder::new().stack_size(STACK).spawn(take_all).expect("a thread")
    };
    for accepting in listeners.into_iter().map(accept).collect::<Vec<_>>() {
        accepting.join().expect("it goes on");
    }
}

struct Clouds {
    child: Child,
    endpoints: Vec<String>,
}

impl Clouds {
    fn start(count: usize) -> Clouds {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([FLAG, &count.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started again");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let endpoints = lines.take(count).map(|line| format!("http://{}", line.expect("an address"))).collect();
        Clouds { child, endpoints }
    }
}

impl Drop for Clouds {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn beside(table: &mut Table, endpoints: usize, [polls_row, login_row]: [&'static str; 2]) {
    let clouds = Clouds::start(endpoints);
    let (folder, address) =
        installation(&mock_and_digitalocean(), "default_driver = \"mock\"\ndefault_provider = \"default\"");
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).expect("written before");
    fs::write(&config, text + &accounts(&clouds.endpoints)).expect("written");
    fs::write(folder.path().join("password"), "mockpassword").expect("written");
    let (host, _) = Host::start(folder.path(), &address);

    let mut polls = Polls::read_from(&folder.path().join("log"));
    std::thread::sleep(SETTLING);
    polls.take();
    let stopwatch = Stopwatch::start();
    let mut logins = Vec::new();
    // Nobody has asked for this account before: it is at a provider that has no other.
    let login = Stopwatch::start();
    let answer = host.get("/api/account").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    logins.push(login.elapsed());
    std::thread::sleep(MEASURED.saturating_sub(stopwatch.elapsed()));
    let polls: Vec<Poll> = polls.take();
    // Each is due every second: what is not polled is on time for nothing.
    let due = OTHERS as f64 * MEASURED.as_secs_f64();
    let in_time = polls.iter().filter(|poll| poll.late <= IN_TIME).count() as f64;
    assert!(!polls.is_empty(), "{}", log(folder.path()).lines().rev().take(20).collect::<Vec<_>>().join("\n"));
    table.at_least(polls_row, vec![(100.0 * in_time / due).min(100.0 * in_time / polls.len() as f64)], "%", Some(95.0));
    table.times(login_row, logins, Some(Duration::from_secs(1)));
}

/// The accounts that hang, and those of the mock provider, which asks nobody. The provider `default` of the mock is left
/// to the login.
fn accounts(endpoints: &[String]) -> String {
    let mut text = "[log]\nformat = \"json\"\nfilter = \"tracker::poll=debug,info\"\n".to_owned();
    text = format!(
        "[polling]\ninstances_every = \"1s\"\nrealms_every = \"1h\"\nquiet = \"1s\"\nfull_every = \"0s\"\njitter = 0.0\n\
         requests_per_minute = 60000\n{text}"
    );
    for (number, endpoint) in endpoints.iter().enumerate() {
        text += &format!(
            "[[providers]]\ndriver = \"digitalocean\"\nname = \"h{number}\"\nendpoint = \"{endpoint}\"\n\
             allow_addresses = [\"127.0.0.1\"]\n"
        );
    }
    for number in 0..HANGING {
        let provider = number % endpoints.len();
        text += &format!(
            "[[accounts]]\ndriver = \"digitalocean\"\nprovider = \"h{provider}\"\nuser = \"user{number}\"\n\
             password_file = \"password\"\n"
        );
    }
    for number in 0..OTHERS {
        text += &format!(
            "[[providers]]\ndriver = \"mock\"\nname = \"p{number}\"\nendpoint = \"http://mock{number}.invalid\"\n\
             [[accounts]]\ndriver = \"mock\"\nprovider = \"p{number}\"\nuser = \"mockuser\"\n\
             password_file = \"password\"\noptions = {{ count = \"10\" }}\n"
        );
    }
    text
}
