//! What runs: the other side of each machine that is on, with its addresses, and instances without a machine. All of it is
//! asked for with the first page of machines, and kept for the pages that follow. They are made in one sandbox, which is gone
//! with the list.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use tracker_driver_sdk::{Account, Error, Instance, Page};

use crate::addresses::Addresses;
use crate::answer;
use crate::place::Place;
use crate::scope::Scope;
use crate::{cut_short, list};

thread_local! {
    static ADDRESSES: RefCell<HashMap<String, Addresses>> = RefCell::default();
}

/// Asks for all that runs in a namespace or the cluster. What runs without a machine is added to the page.
pub(crate) fn join(
    account: &Account,
    scope: &Scope<'_>,
    path: &str,
    mut page: Page<Instance>,
) -> Result<Page<Instance>, Error> {
    let place = |instance: &Instance| (instance.realm.clone(), instance.name.clone());
    let machines: HashSet<_> = page.items.iter().map(place).collect();
    let (mut kept, mut seen, mut token) = (HashMap::new(), HashSet::new(), String::new());
    loop {
        let found = list(account, scope, path, &Place { namespace: 0, token: &token }, answer::running)?;
        kept.extend(found.of_machines);
        // A machine takes over what runs under its name without one.
        let (taken, alone) =
            found.alone.into_iter().partition::<Vec<_>, _>(|running| machines.contains(&place(running)));
        let omitted = page.omitted + taken.len() as u64;
        page.items.extend(alone);
        page = cut_short(page.omitting(omitted), found.is_cut_short);
        let Some(next) = found.next else { break };
        if !seen.insert(next.clone()) {
            return Err(Error::UnexpectedAnswer(format!("{path} gives a page that it gave before, which never ends")));
        }
        token = next;
    }
    ADDRESSES.set(kept);
    Ok(page)
}

/// Machines by their uid: a machine that was made again under the same name is another one.
pub(crate) fn add_addresses(machine: &mut Instance) {
    ADDRESSES.with_borrow(|kept| {
        if let Some(Addresses { public, private }) = kept.get(&machine.id).cloned() {
            (machine.public_addresses, machine.private_addresses) = (public, private);
        }
    });
}
