//! Rows of hooks that their receivers end: each costs the same, however many an account has.

use std::sync::Arc;
use std::time::Duration;

use tracker::clock::{Clock as _, SystemClock};
use tracker::model::{DisableReason, Filter};
use tracker::store::{Deliveries as _, DeliveryClaim, Outcome, Polls as _, Settlement, Settling};

use crate::cost::{AnyRoom, Filled};
use crate::host::process_cpu;
use crate::outlet::{change, folder, record};
use crate::table::Table;

const FEW: usize = 300;
const MANY: usize = 3_000;
const ROUNDS: usize = 5;

pub(crate) async fn after_gone(table: &mut Table) {
    let (mut bases, mut compared) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let base = each(FEW).await;
        compared.push(each(MANY).await.as_secs_f64() / base.as_secs_f64());
        bases.push(base);
    }
    table.times("CPU of disabling a hook after 410, of 300 hooks", bases, None);
    table.comparisons("  of 3,000 hooks", compared, 1.5);
}

/// CPU time for each hook that is disabled, where an account has many and all their receivers answer with 410.
async fn each(hooks: usize) -> Duration {
    let folder = folder();
    let store = Filled::open(folder.path());
    let account = store.enrol("ann").await;
    store.set_hooks(account, vec![Filter::default(); hooks]).await;
    let ticket = store.ticket(account).await;
    let recorded = store.store.record_poll(record(&ticket, Vec::new(), vec![change(0, 1)])).await.expect("recorded");
    assert_eq!(recorded.deliveries, hooks, "each hook hears of it");
    let limit = tracker::deliver::Settings::default().batch;
    let (mut spent, mut ended) = (Duration::ZERO, 0);
    while ended < hooks {
        let (now, lease) = (SystemClock.now(), Duration::from_secs(60));
        let claim = DeliveryClaim { now, lease, limit, room: Arc::new(AnyRoom) };
        let claimed = store.store.claim_due_deliveries(claim).await.expect("claimed");
        assert!(!claimed.is_empty(), "{ended} of {hooks} hooks are disabled");
        ended += claimed.len();
        let settlements = claimed.iter().map(|delivery| Settlement {
            id: delivery.id,
            lease: delivery.lease,
            outcome: Outcome::Disable(DisableReason::Gone),
            now: SystemClock.now(),
            attempts: Vec::new(),
        });
        let settlements = settlements.collect();
        let settling = Settling { settlements, disable_after: Duration::from_secs(86_400), ..Settling::default() };
        let before = process_cpu();
        store.store.settle(settling).await.expect("settled");
        spent += process_cpu() - before;
    }
    spent.div_f64(hooks as f64)
}
