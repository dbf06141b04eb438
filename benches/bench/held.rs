//! Rows of polls that are due and can't be made: a claim costs what it takes, and not what waits for a circuit to close or
//! for a share to have room.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracker::clock::{Clock as _, SystemClock};
use tracker::model::breaker::Standing;
use tracker::model::{AccountKey, Origin, Sealed, Share};
use tracker::store::{Accounts as _, Admission, Enrolment, PollClaim, PollNote, Polls as _};

use crate::cost::Filled;
use crate::host::process_cpu;
use crate::outlet::folder;
use crate::table::Table;

const FEW: usize = 1_000;
const MANY: usize = 100_000;
/// Per cent of the accounts that are held.
const HELD: usize = 99;
/// How many accounts an endpoint has.
const AT_ONE: usize = 10;
const CLAIMS: usize = 500;
/// Fewer than are not held, even of few accounts.
const AT_ONCE: usize = 5;
const LEASE: Duration = Duration::from_secs(60);

pub(crate) async fn polls(table: &mut Table) {
    let few = costs(FEW).await;
    let many = costs(MANY).await;
    table.times("CPU of a claim of due polls, 990 of 1,000 accounts held", vec![few], None);
    table.comparison("  99,000 of 100,000", many.as_secs_f64() / few.as_secs_f64(), Some(2.0));
}

/// No room in the share of those that gave no answer.
struct SharesTaken;

impl Admission for SharesTaken {
    fn room(&self, share: Share) -> usize {
        if share == Share::Suspected { 0 } else { usize::MAX }
    }

    fn room_at(&self, _: &str, _: Share) -> usize {
        usize::MAX
    }
}

/// CPU of one claim, all accounts being due, of which half of those that are held wait for a circuit and half for a share.
async fn costs(accounts: usize) -> Duration {
    let folder = folder();
    let store = Filled::open(folder.path()).store;
    let endpoints = accounts.div_ceil(AT_ONE);
    let numbers: Vec<usize> = (0..accounts).collect();
    // As many as the writer's queue takes.
    for numbers in numbers.chunks(200) {
        let enrolled = join_all(numbers.iter().map(|number| {
            let provider = format!("p{}", number % endpoints);
            let key = AccountKey { driver: "mock".into(), provider, user: format!("user{number}") };
            let (password, now) = (Sealed(Vec::new()), SystemClock.now());
            store.enrol(Enrolment { key, origin: Origin::Config, password, now })
        }));
        for enrolled in enrolled.await {
            enrolled.expect("enrolled");
        }
    }
    let later = SystemClock.now().after(Duration::from_secs(86_400));
    let held = endpoints * HELD / 100;
    let notes = (0..endpoints).map(|number| {
        let (standing, held) = match number {
            _ if number >= held => (Standing::Proven, None),
            _ if number % 2 == 0 => (Standing::TimedOut, Some(later)),
            _ => (Standing::TimedOut, None),
        };
        PollNote::Endpoint { name: format!("mock p{number}").into(), standing, held }
    });
    let claim = |limit, notes| PollClaim {
        now: SystemClock.now(),
        lease: LEASE,
        limit,
        admission: Arc::new(SharesTaken) as _,
        notes,
    };
    let noted = store.claim_due_polls(claim(0, notes.collect())).await.expect("noted");
    assert!(noted.is_empty(), "nothing was asked for");
    let mut spent = Duration::ZERO;
    for _ in 0..CLAIMS {
        let before = process_cpu();
        let claimed = store.claim_due_polls(claim(AT_ONCE, Vec::new())).await.expect("claimed");
        let next = store.next_poll_due(SystemClock.now(), Arc::new(SharesTaken)).await.expect("read");
        spent += process_cpu() - before;
        assert_eq!(claimed.len(), AT_ONCE);
        assert!(next.is_some(), "others are due");
        for ticket in claimed {
            let (account, kind, now) = (ticket.account.id, ticket.kind, SystemClock.now());
            store.put_off_poll(account, kind, ticket.lease, now).await.expect("put off");
        }
    }
    store.close().await.expect("closed");
    spent.div_f64(CLAIMS as f64)
}
