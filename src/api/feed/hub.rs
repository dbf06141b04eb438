//! Distributes new changes to all readers that follow the journal. One task reads the tail of the journal for all
//! readers. It formats each change once and puts it into the ring of its account. Each reader takes changes from there
//! at its own pace. A reader that falls behind the ring reads from the store again: the hub keeps nothing for a single
//! reader.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::events;
use crate::clock::Stopwatch;
use crate::model::{AccountId, Change, NewChange};
use crate::store::{Result, Store};

/// How many changes are read from the store at once.
const AT_ONCE: usize = 1000;

/// How long a change stays in a ring: whoever has not taken it by then reads it from the store.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// For how long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Hub {
    store: Arc<dyn Store>,
    public_url: String,
    /// How many changes a ring has at most.
    ring: usize,
    state: Mutex<State>,
}

struct State {
    /// The number of the journal up to which everything is in the rings.
    position: i64,
    channels: HashMap<AccountId, Channel>,
}

/// An account that somebody listens to.
struct Channel {
    ring: Arc<Mutex<Ring>>,
    changed: watch::Sender<()>,
    /// When somebody last saw to it that the account is polled.
    looked_after: Option<Stopwatch>,
}

struct Ring {
    /// Everything of the account behind this number is in it.
    after: i64,
    entries: VecDeque<Arc<Entry>>,
}

/// A change, written out once for all that get it.
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) what: NewChange,
    pub(super) event: Bytes,
    taken_in: Stopwatch,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn Store>, public_url: String, ring: usize) -> Hub {
        let position = *store.newest().borrow();
        Hub { store, public_url, ring, state: Mutex::new(State { position, channels: HashMap::new() }) }
    }

    /// Keeps the rings up to date until `token` is cancelled.
    /// Follows the journal until `token` is cancelled. Starts again after a panic.
    pub(crate) async fn run(&self, token: CancellationToken) {
        while AssertUnwindSafe(self.follow(&token)).catch_unwind().await.is_err() {
            tracing::error!("the feed panicked and restarts: this is a fault of the host");
            if token.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    async fn follow(&self, token: &CancellationToken) {
        let mut newest = self.store.newest();
        loop {
            let to = *newest.borrow_and_update();
            if let Err(error) = self.take_in(to).await {
                tracing::error!("the feed cannot read the journal; retrying: {error}");
                tokio::select! {
                    () = token.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
            tokio::select! {
                () = token.cancelled() => return,
                changed = newest.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(KEPT_FOR) => self.trim(),
            }
        }
    }

    async fn take_in(&self, to: i64) -> Result<()> {
        loop {
            let from = {
                let mut state = self.lock();
                if state.channels.is_empty() {
                    // Nobody listens. Who comes now begins here.
                    state.position = state.position.max(to);
                }
                state.position
            };
            if from >= to {
                return Ok(());
            }
            let changes = self.store.changes_of_all(from, AT_ONCE).await?;
            let is_last = changes.len() < AT_ONCE;
            let reached = changes.last().map_or(to, |(_, change)| change.cursor.sequence);
            // A page that is not full has everything up to the journal's end as it was by then.
            let reached = if is_last { reached.max(to) } else { reached };
            self.distribute(changes, reached);
        }
    }

    fn distribute(&self, changes: Vec<(AccountId, Change)>, reached: i64) {
        let mut state = self.lock();
        let mut touched = Vec::new();
        for (account, change) in changes {
            let Some(channel) = state.channels.get(&account) else { continue };
            let event = events::change(&change, &self.public_url);
            let number = change.cursor.sequence;
            let entry = Entry { number, what: change.what, event, taken_in: Stopwatch::start() };
            lock(&channel.ring).push(entry, self.ring);
            if touched.last() != Some(&account) {
                touched.push(account);
            }
        }
        state.position = state.position.max(reached);
        for account in touched {
            if let Some(channel) = state.channels.get(&account) {
                channel.changed.send_replace(());
            }
        }
    }

    fn trim(&self) {
        for channel in self.lock().channels.values() {
            lock(&channel.ring).forget(|entry| entry.taken_in.elapsed() > KEPT_FOR);
        }
    }

    /// Hears of what is new in the account's part of the journal from now on.
    pub(crate) fn listen(self: &Arc<Self>, account: AccountId) -> Listener {
        let mut state = self.lock();
        let after = state.position;
        let channel = state.channels.entry(account).or_insert_with(|| Channel {
            ring: Arc::new(Mutex::new(Ring { after, entries: VecDeque::new() })),
            changed: watch::channel(()).0,
            looked_after: None,
        });
        let changed = channel.changed.subscribe();
        Listener { hub: Arc::clone(self), account, ring: Arc::clone(&channel.ring), changed }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("invariant: no holder of this lock can panic")
}

impl Ring {
    fn push(&mut self, entry: Entry, most: usize) {
        self.entries.push_back(Arc::new(entry));
        if self.entries.len() > most
            && let Some(oldest) = self.entries.pop_front()
        {
            self.after = oldest.number;
        }
    }

    /// Forgets from the oldest on, as long as that is so.
    fn forget(&mut self, is_so: impl Fn(&Entry) -> bool) {
        while let Some(oldest) = self.entries.front() {
            if !is_so(oldest) {
                return;
            }
            self.after = oldest.number;
            self.entries.pop_front();
        }
    }

    fn behind(&self, number: i64, most: usize) -> Behind {
        if number < self.after {
            return Behind::Further;
        }
        let from = self.entries.partition_point(|entry| entry.number <= number);
        Behind::Here(self.entries.range(from..).take(most).cloned().collect())
    }
}

/// What a ring has behind a number of the journal.
pub(super) enum Behind {
    /// In order, and no more than was asked for.
    Here(Vec<Arc<Entry>>),
    /// It goes not so far back: the store has it.
    Further,
}

/// Somebody who follows one account's part of the journal.
pub(crate) struct Listener {
    hub: Arc<Hub>,
    account: AccountId,
    ring: Arc<Mutex<Ring>>,
    changed: watch::Receiver<()>,
}

impl Listener {
    /// Returns once there is something new since it was made, or since this returned last.
    pub(crate) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The sender is dropped with the last listener's channel, and this is one.
            std::future::pending::<()>().await;
        }
    }

    /// The number of the journal up to which what there is can be had from `behind`.
    pub(super) fn position(&self) -> i64 {
        self.hub.lock().position
    }

    pub(super) fn behind(&self, number: i64, most: usize) -> Behind {
        lock(&self.ring).behind(number, most)
    }

    /// Whether it falls to this one to see to it that the account is polled: to one of all that listen, so often.
    pub(super) fn looks_after_it(&self, every: Duration) -> bool {
        let mut state = self.hub.lock();
        let Some(channel) = state.channels.get_mut(&self.account) else { return false };
        let is_due = channel.looked_after.as_ref().is_none_or(|last| last.elapsed() >= every);
        if is_due {
            channel.looked_after = Some(Stopwatch::start());
        }
        is_due
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        // The channel's own receiver count has this one still.
        if state.channels.get(&self.account).is_some_and(|channel| channel.changed.receiver_count() <= 1) {
            state.channels.remove(&self.account);
        }
    }
}
