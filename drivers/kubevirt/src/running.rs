//! What runs: the other side of each machine that is on, with its addresses, and instances without a machine. All of it is
//! asked for with the first page of machines, and kept for the pages that follow. They are made in one sandbox, which is gone
//! with the list.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::{Account, Error, Instance, Page};

use crate::answer;
use crate::place::Place;
use crate::scope::Scope;
use crate::{cut_short, list};

/// What runs in a namespace or the cluster.
#[derive(Default)]
struct Kept {
    /// By the uids of machines.
    addresses: HashMap<String, Addresses>,
    /// What runs without a machine, as far as no machine of its name was listed.
    alone: Vec<Instance>,
    /// The list said that more follows, and not where.
    is_cut_short: bool,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// Asks for all that runs in a namespace or the cluster.
pub(crate) fn ask(account: &Account, scope: &Scope<'_>, path: &str) -> Result<(), Error> {
    let (mut kept, mut seen, mut token) = (Kept::default(), HashSet::new(), String::new());
    loop {
        let found = list(account, scope, path, &Place { namespace: 0, token: &token }, answer::running)?;
        kept.addresses.extend(found.of_machines);
        kept.alone.extend(found.alone);
        kept.is_cut_short |= found.is_cut_short;
        let Some(next) = found.next else { break };
        if !seen.insert(next.clone()) {
            return Err(Error::UnexpectedAnswer(format!("{path} gives a page that it gave before, which never ends")));
        }
        token = next;
    }
    KEPT.set(kept);
    Ok(())
}

/// Adds to a page of machines what runs of them, and to the last one what runs without a machine.
pub(crate) fn join(page: Page<Instance>, is_last: bool) -> Page<Instance> {
    KEPT.with_borrow_mut(|kept| {
        let is_cut_short = kept.is_cut_short;
        cut_short(kept.join(page, is_last), is_cut_short)
    })
}

impl Kept {
    fn join(&mut self, mut page: Page<Instance>, is_last: bool) -> Page<Instance> {
        if !self.alone.is_empty() {
            // A machine takes over what runs under its name without one.
            let place = |instance: &Instance| (instance.realm.clone(), instance.name.clone());
            let machines: HashSet<_> = page.items.iter().map(place).collect();
            let before = self.alone.len();
            self.alone.retain(|running| !machines.contains(&place(running)));
            page.omitted += (before - self.alone.len()) as u64;
        }
        // By uid: a machine that was made again under the same name is another one.
        for machine in &mut page.items {
            if let Some(Addresses { public, private }) = self.addresses.get(&machine.id).cloned() {
                (machine.public_addresses, machine.private_addresses) = (public, private);
            }
        }
        if is_last {
            page.items.append(&mut self.alone);
        }
        page
    }
}
