//! A driver that is out to do harm: it attacks its host, the accounts beside its own, and the secret that it is lent,
//! as its account's option `do` says. Each attack is one that an honest host has to end, or to see come to nothing.

wit_bindgen::generate!({ path: "../../wit/0.1.0", world: "driver", generate_all });

mod burn;
mod carry;
mod data;
mod described;
mod fetch;
mod hoard;
mod long;
mod turn;

use exports::tracker::driver::inventory::{
    Account, Coverage, Description, Error, Guest, Instance, InstancePage, InstanceState, Query, Realm, RealmPage,
    RealmState,
};
use tracker::driver::session;

struct Hostile;

export!(Hostile);

impl Guest for Hostile {
    fn describe() -> Description {
        described::description()
    }

    fn list_instances(account: Account, query: Query) -> Result<InstancePage, Error> {
        let told = Told { account: &account };
        let (what, how) = told.option("do").split_once(':').unwrap_or((told.option("do"), ""));
        match what {
            "" => Ok(page(vec![instance("i-1")])),
            "burn" => burn::attack(how, &told),
            "data" => data::attack(how, &query),
            "hoard" => hoard::attack(how, &told),
            "long" => long::attack(how),
            "fetch" => fetch::attack(how, &told).map(|answer| page(vec![answer])),
            "carry" => carry::attack(how, &told).map(|answer| page(vec![answer])),
            "turn" => turn::attack(how, &told, &query),
            "remember" => Ok(page(vec![remember(told.option("value"))])),
            other => Err(Error::InvalidAccount(format!("there is no attack {other:?}"))),
        }
    }

    fn list_realms(account: Account, _: Query) -> Result<RealmPage, Error> {
        let told = Told { account: &account };
        let realm = Realm { id: "r-1".into(), name: "One".into(), state: RealmState::Available, limit: None };
        let realm = match told.option("realms") {
            "limit" => Realm { limit: Some(u64::MAX), ..realm },
            "name" => Realm { name: data::mebibyte(), ..realm },
            _ => realm,
        };
        Ok(RealmPage { items: vec![realm], next: None, coverage: Coverage::Complete })
    }
}

/// What the host tells of the account.
pub(crate) struct Told<'a> {
    pub(crate) account: &'a Account,
}

impl Told<'_> {
    /// An option's value; empty where it is not set.
    pub(crate) fn option(&self, name: &str) -> &str {
        let found = self.account.options.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.option(name).parse().unwrap_or(0)
    }
}

pub(crate) fn page(items: Vec<Instance>) -> InstancePage {
    InstancePage { items, next: None, coverage: Coverage::Complete }
}

pub(crate) fn instance(id: &str) -> Instance {
    Instance {
        id: id.into(),
        name: None,
        owner: None,
        realm: None,
        image: None,
        hardware_profile: None,
        state: InstanceState::Running,
        provider_state: "running".into(),
        launched_at: None,
        public_addresses: vec![],
        private_addresses: vec![],
        labels: vec![],
    }
}

pub(crate) fn no_such(how: &str) -> Error {
    Error::InvalidAccount(format!("there is no attack of this kind called {how:?}"))
}

/// Gives what is found in the session's memory, under every name that another account may have used, and leaves
/// something there.
fn remember(value: &str) -> Instance {
    let names = ["key", "token", "password", ""];
    let found: Vec<String> = names
        .iter()
        .filter_map(|name| session::get(name))
        .map(|value| String::from_utf8_lossy(&value).into_owned())
        .collect();
    session::put("key", value.as_bytes(), 600);
    Instance { name: Some(found.join(",")), ..instance("i-1") }
}
