//! A long random history, compared with a model of a few lines: each hook receives each change of its resource, in
//! order, none missing, and none again after it was delivered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::world::{World, short, told};
use crate::model::{AccountId, DisableReason, HookId, InstanceState, Owner, State};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{DueDelivery, HookPlace, Outcome};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const STATES: [InstanceState; 3] = [InstanceState::Pending, InstanceState::Running, InstanceState::Stopped];
const STEPS: u32 = 3000;

pub(crate) async fn whatever_happens_each_hook_hears_of_each_change_in_order(mut world: World) {
    let mut life = Life {
        dice: Dice(0x2026_1122),
        accounts: Vec::new(),
        seen: BTreeMap::new(),
        hooks: BTreeMap::new(),
        in_flight: Vec::new(),
        void: Vec::new(),
        told: 0,
        journal: 0,
    };
    for user in ["ann", "bob"] {
        life.accounts.push(world.client(user).await);
    }
    for _ in 0..STEPS {
        life.step(&mut world).await;
    }
    // Whatever is under way is given up, and the rest delivered.
    world.wait(Duration::from_secs(86_400));
    life.in_flight.clear();
    while life.claim(&world, 100).await > 0 {
        while let Some(delivery) = life.in_flight.pop() {
            life.settle(&world, &delivery, Outcome::Delivered).await;
        }
    }
    assert!(life.hooks.values().all(|hook| hook.pending.is_empty()), "something was never sent");
    assert!(life.told > 300, "this life was too quiet to show anything: {}", life.told);
}

struct Life {
    dice: Dice,
    accounts: Vec<AccountId>,
    /// The instances there are, as the last poll saw them. Absent before an account's first.
    seen: BTreeMap<AccountId, BTreeMap<&'static str, InstanceState>>,
    hooks: BTreeMap<HookId, Line>,
    in_flight: Vec<DueDelivery>,
    /// Claims that hold no more: claimed anew, taken, or of a hook that is gone.
    void: Vec<DueDelivery>,
    told: u32,
    journal: u64,
}

/// What a hook is owed, each with its place in the journal.
struct Line {
    account: AccountId,
    name: &'static str,
    pending: VecDeque<(u64, String)>,
    dead: Vec<(u64, String)>,
}

impl Life {
    async fn step(&mut self, world: &mut World) {
        world.wait(Duration::from_millis(self.dice.below(2000)));
        let account = self.accounts[self.dice.index(self.accounts.len())];
        let name = NAMES[self.dice.index(NAMES.len())];
        match self.dice.below(100) {
            0..30 => self.observe(world, account).await,
            30..33 => {
                self.forget_hook(account, name);
                let hook = world.hook(account, name).await;
                let line = Line { account, name, pending: VecDeque::new(), dead: Vec::new() };
                self.hooks.insert(hook, line);
            }
            33..34 => assert_eq!(world.unhook(account, name).await, self.forget_hook(account, name)),
            34..65 => {
                let limit = 1 + self.dice.index(4);
                self.claim(world, limit).await;
            }
            65..94 => self.settle_any(world).await,
            94..96 => self.take(world, account).await,
            96..98 => world.wait(Duration::from_secs(45)),
            _ => {
                world.crash();
                // A new host knows nothing of what the last one was sending.
                self.in_flight.clear();
                self.void.clear();
            }
        }
        let waiting: usize = self.hooks.values().map(|hook| hook.pending.len()).sum();
        assert_eq!(world.waiting().await, waiting as u64);
    }

    fn forget_hook(&mut self, account: AccountId, name: &str) -> bool {
        let before = self.hooks.len();
        self.hooks.retain(|_, hook| hook.account != account || hook.name != name);
        let hooks = &self.hooks;
        self.void.extend(self.in_flight.extract_if(.., |delivery| !hooks.contains_key(&delivery.id.hook)));
        self.hooks.len() < before
    }

    async fn take(&mut self, world: &World, account: AccountId) {
        let limit = 1 + self.dice.index(6);
        let owed = world.store().take_pending(account, &Owner::Account, limit).await.expect("take");
        let mut want: Vec<(u64, String)> = Vec::new();
        for hook in self.hooks.values().filter(|hook| hook.account == account) {
            want.extend(hook.pending.iter().chain(&hook.dead).cloned());
        }
        want.sort_unstable();
        want.truncate(limit);
        let shown: Vec<String> = owed.iter().map(|owed| short(&owed.change.what)).collect();
        assert_eq!(shown, want.iter().map(|(_, what)| what.clone()).collect::<Vec<_>>());
        for hook in self.hooks.values_mut() {
            hook.pending.retain(|entry| !want.contains(entry));
            hook.dead.retain(|entry| !want.contains(entry));
        }
        let is_taken =
            |delivery: &mut DueDelivery| owed.iter().any(|owed| owed.change.cursor == delivery.change.cursor);
        self.void.extend(self.in_flight.extract_if(.., is_taken));
    }

    async fn observe(&mut self, world: &World, account: AccountId) {
        let is_baseline = !self.seen.contains_key(&account);
        let mut now = BTreeMap::new();
        for name in NAMES {
            if self.dice.below(5) > 0 {
                now.insert(name, STATES[self.dice.index(STATES.len())]);
            }
        }
        let list: Vec<_> = now.iter().map(|(name, state)| (*name, *state)).collect();
        let ticket = world.ticket(account, crate::model::Kind::Instance).await;
        let record = world.diff(&ticket, &list).await;
        let told = self.told(account, &now);
        let mut deliveries = 0;
        for (name, change) in &told {
            self.journal += 1;
            for hook in self.hooks.values_mut() {
                if hook.account == account && hook.name == *name {
                    hook.pending.push_back((self.journal, change.clone()));
                    deliveries += 1;
                }
            }
        }
        let changes = if is_baseline { deliveries } else { told.len() };
        let recorded = world.store().record_poll(record).await.expect("record");
        assert_eq!((recorded.changes, recorded.deliveries), (changes, deliveries));
        self.seen.insert(account, now);
    }

    /// What is told where these are the instances there are now, in order.
    fn told(&self, account: AccountId, now: &BTreeMap<&'static str, InstanceState>) -> Vec<(&'static str, String)> {
        let before = self.seen.get(&account).cloned().unwrap_or_default();
        let word = |state: &InstanceState| State::Instance(*state).as_str();
        let shown = now
            .iter()
            .filter(|(name, state)| before.get(*name) != Some(state))
            .map(|(name, state)| (*name, format!("{name} {}>{}", before.get(name).map_or("-", word), word(state))));
        let gone = before.iter().filter(|(name, _)| !now.contains_key(*name));
        shown.chain(gone.map(|(name, state)| (*name, format!("{name} {}>FINISH", word(state))))).collect()
    }

    async fn claim(&mut self, world: &World, limit: usize) -> usize {
        let claimed = world.claim_within(limit, 2, &[]).await;
        assert!(claimed.len() <= limit);
        for delivery in &claimed {
            let hook = &self.hooks[&delivery.id.hook];
            let (_, want) = hook.pending.front().expect("nothing is sent that is not owed");
            assert_eq!(told(delivery), *want, "the oldest comes first");
            self.void.extend(self.in_flight.extract_if(.., |other| other.id == delivery.id));
        }
        let number = claimed.len();
        self.in_flight.extend(claimed);
        number
    }

    async fn settle_any(&mut self, world: &World) {
        let of_void = self.dice.below(10) == 0;
        let claims = if of_void { &mut self.void } else { &mut self.in_flight };
        if claims.is_empty() {
            return;
        }
        let delivery = claims.swap_remove(self.dice.index(claims.len()));
        let outcome = match self.dice.below(20) {
            0..11 => Outcome::Delivered,
            11..15 => Outcome::Retry { due: world.now.after(Duration::from_millis(self.dice.below(5000))) },
            15..17 => Outcome::Dead,
            17 => Outcome::Disable(DisableReason::Gone),
            _ => Outcome::Returned,
        };
        if of_void {
            world.settle(&delivery, outcome).await;
        } else {
            self.settle(world, &delivery, outcome).await;
        }
    }

    async fn settle(&mut self, world: &World, delivery: &DueDelivery, outcome: Outcome) {
        world.settle(delivery, outcome.clone()).await;
        let hook = self.hooks.get_mut(&delivery.id.hook).expect("a claim that holds is of a hook that is there");
        match outcome {
            Outcome::Delivered => {
                hook.pending.pop_front();
                self.told += 1;
            }
            Outcome::Dead => hook.dead.extend(hook.pending.pop_front()),
            Outcome::Disable(_) => {
                let place = HookPlace { account: hook.account, owner: Owner::Account, hook: delivery.id.hook };
                assert!(world.store().resume_hook(&place, world.now).await.expect("resumed"));
                world.catch_up().await;
            }
            Outcome::Retry { .. } | Outcome::Returned | Outcome::Unopened(_) => {}
        }
    }
}

/// A small generator of its own, so that a failure comes again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }

    pub(crate) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("an index")
    }
}
