//! A driver that misbehaves as its account's option `do` asks: what the host's limits and its egress are
//! tested with.

use std::fmt::Write as _;

wit_bindgen::generate!({ path: "../../wit/0.1.0", world: "driver", generate_all });

mod fetch;
mod mapping;

use exports::tracker::driver::inventory::{
    Account, AccountOption, Address, Coverage, Description, Error, Features, Guest, Instance, InstancePage,
    InstanceState, Provider, Query, Realm, RealmPage, RealmState, Throttle,
};
use tracker::driver::{credentials, log, session};

struct Faulty;

export!(Faulty);

impl Guest for Faulty {
    fn describe() -> Description {
        Description {
            name: "faulty".into(),
            title: "A driver that misbehaves".into(),
            version: format!("0.{}.0", mapping::version()),
            providers: vec![Provider { name: "nowhere".into(), endpoint: "https://nowhere.invalid".into() }],
            endpoints: vec!["https://*.sites.invalid".into(), "https://login.invalid".into()],
            options: [("do", "What to do wrong."), ("value", "What to remember.")]
                .map(|(name, help)| AccountOption {
                    name: name.into(),
                    help: help.into(),
                    required: false,
                    secret: false,
                })
                .into(),
            requests_per_minute: None,
            features: Features::empty(),
        }
    }

    fn list_instances(account: Account, query: Query) -> Result<InstancePage, Error> {
        let option = |name: &str| {
            account.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or("")
        };
        match option("do") {
            "" => Ok(page(vec![instance("i-1")])),
            "map" => Ok(page(vec![mapping::mapped()])),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "allocate" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1u8; 1 << 20]);
                }
            }
            "recurse" => Ok(page(vec![instance(&recurse(1).to_string())])),
            "panic" => panic!("told to panic"),
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_secs(600));
                Ok(page(vec![]))
            }
            "endless" => {
                let next = query.cursor.map_or(0, |cursor| cursor.parse::<u64>().unwrap_or(0)) + 1;
                Ok(InstancePage { next: Some(next.to_string()), ..page(vec![]) })
            }
            "same-cursor" => Ok(InstancePage { next: Some("again".into()), ..page(vec![]) }),
            "many" => {
                let count = option("count").parse().unwrap_or(0);
                Ok(page((0..count).map(|n: u32| instance(&format!("i-{n:08}"))).collect()))
            }
            "long-name" => Ok(page(vec![Instance { name: Some("x".repeat(1 << 20)), ..instance("i-1") }])),
            "bad-id" => Ok(page(vec![instance("bad\nid")])),
            "delta" => Ok(InstancePage { coverage: Coverage::Delta(vec![]), ..page(vec![]) }),
            "partial" => Ok(InstancePage { coverage: Coverage::Partial("half is down".into()), ..page(vec![]) }),
            "print" => {
                for n in 0..10_000 {
                    println!("line {n} of a flood");
                    log::write(log::Level::Info, &format!("line {n} of a flood"));
                }
                Ok(page(vec![instance("i-1")]))
            }
            "look" => Ok(page(vec![look_around()])),
            "remember" => Ok(page(vec![remember(option("value"))])),
            "throttled" => Err(Error::Throttled(Throttle { retry_after: Some(7), message: "slow down".into() })),
            "unauthorized" => Err(Error::Unauthorized("no".into())),
            "forbidden" => Err(Error::Forbidden("no".into())),
            "fetch" => fetch::once(&url(&account, option("path"))).map(|answer| page(vec![answer])),
            "fetch-many" => {
                for _ in 0..option("count").parse().unwrap_or(0) {
                    // Whether it is let out is for the host to say; this driver does not take a hint.
                    let _ = fetch::once(&url(&account, ""));
                }
                Ok(page(vec![instance("i-1")]))
            }
            "fetch-elsewhere" => fetch::once(option("url")).map(|answer| page(vec![answer])),
            other => Err(Error::InvalidAccount(format!("option do: there is no {other:?}"))),
        }
    }

    fn list_realms(account: Account, _: Query) -> Result<RealmPage, Error> {
        if account.options.iter().any(|(name, value)| name == "do" && value == "forbidden") {
            return Err(Error::Forbidden("no".into()));
        }
        let realm = Realm { id: "r-1".into(), name: "One".into(), state: RealmState::Available, limit: None };
        Ok(RealmPage { items: vec![realm], next: None, coverage: Coverage::Complete })
    }
}

fn page(items: Vec<Instance>) -> InstancePage {
    InstancePage { items, next: None, coverage: Coverage::Complete }
}

fn instance(id: &str) -> Instance {
    Instance {
        id: id.into(),
        name: Some("name".into()),
        owner: None,
        realm: Some("r-1".into()),
        image: None,
        hardware_profile: None,
        state: InstanceState::Running,
        provider_state: "running".into(),
        launched_at: None,
        public_addresses: Vec::<Address>::new(),
        private_addresses: vec![],
        labels: vec![],
    }
}

fn url(account: &Account, path: &str) -> String {
    format!("{}/{path}", account.endpoint)
}

#[expect(unconditional_recursion, reason = "it is what is asked for")]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box([depth; 64])[0] + recurse(depth + 1)
}

/// What a sandbox shows of the machine: its files, environment, arguments and sockets.
fn look_around() -> Instance {
    let mut seen = String::new();
    for path in ["/", ".", "/etc/passwd"] {
        let found = std::fs::read_dir(path).is_ok() || std::fs::read(path).is_ok();
        let _ = write!(seen, "{path}={found} ");
    }
    let _ = write!(seen, "env={} args={} ", std::env::vars().count(), std::env::args().count());
    let _ = write!(seen, "socket={} ", std::net::TcpStream::connect("127.0.0.1:80").is_ok());
    let name = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
    let _ = write!(seen, "lookup={name}");
    Instance { name: Some(seen), ..instance("i-1") }
}

/// Gives what the session had, and puts a value into it.
fn remember(value: &str) -> Instance {
    let had = session::get("key").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    session::put("key", value.as_bytes(), 60);
    Instance { name: had, ..instance("i-1") }
}
