//! Many clouds at once that hang, fail, are slow or work well: which polls are claimed, over a real store and a clock
//! that is moved by hand. The drivers are simulated by the duration of each call and its outcome.

use super::*;
use crate::driver::Asking;
use crate::roster::{Found, InFlight, Others};
use crate::store::PollTicket;

const TICK: Duration = Duration::from_millis(250);
const EVERY: Duration = Duration::from_secs(5);
/// What a request that nobody answers takes.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Answers {
        after: Duration,
    },
    Fails,
    Hangs,
    /// Does well up to then, since the start.
    HangsFrom(Duration),
}

struct Call {
    ticket: PollTicket,
    in_flight: InFlight,
    ends: Timestamp,
    found: Found,
    _asking: Option<Asking>,
}

struct World {
    lab: Lab,
    clouds: Vec<Cloud>,
    accounts: Vec<(AccountId, usize)>,
    calls: Vec<Call>,
    begun: Timestamp,
    /// Of each poll of an account whose cloud answers soon: when it began, and how late.
    late: Vec<(Timestamp, Duration)>,
}

impl World {
    /// One account at each cloud.
    async fn new(settings: Settings, clouds: Vec<Cloud>) -> World {
        let placed: Vec<_> = (0..clouds.len()).collect();
        World::placed(settings, clouds, &placed).await
    }

    /// An account at each of these clouds.
    async fn placed(settings: Settings, clouds: Vec<Cloud>, placed: &[usize]) -> World {
        let lab = Lab::new(settings);
        let mut accounts = Vec::new();
        for (number, cloud) in placed.iter().enumerate() {
            let key = AccountKey {
                driver: "absent".into(),
                provider: format!("cloud{cloud}"),
                user: format!("user{number}"),
            };
            let account = lab.enrol_with(key, Origin::Config, Sealed(vec![1; 60])).await;
            accounts.push((account, *cloud));
        }
        let begun = lab.clock.now();
        World { lab, clouds, accounts, calls: Vec::new(), begun, late: Vec::new() }
    }

    /// An account at a cloud that was not there before.
    async fn comes(&mut self, cloud: Cloud) {
        let number = self.clouds.len();
        self.clouds.push(cloud);
        let key = AccountKey { driver: "absent".into(), provider: format!("cloud{number}"), user: "newcomer".into() };
        let account = self.lab.enrol_with(key, Origin::Config, Sealed(vec![1; 60])).await;
        self.accounts.push((account, number));
    }

    async fn goes_on_for(&mut self, time: Duration) {
        let until = self.lab.clock.now().after(time);
        while self.lab.clock.now() < until {
            self.tick().await;
        }
    }

    async fn tick(&mut self) {
        let (context, now) = (self.lab.context.clone(), self.lab.clock.now());
        context.turns.shares().look(Others::Wait);
        for call in std::mem::take(&mut self.calls) {
            let (account, kind, lease) = (call.ticket.account.id, call.ticket.kind, call.ticket.lease);
            if futures_util::FutureExt::now_or_never(call.in_flight.cut_off()).is_some() {
                context.turns.note_pace(account, kind, true);
                context.store.put_off_poll(account, kind, lease, now).await.expect("given back");
            } else if call.ends <= now {
                let slow = call.in_flight.ended(call.found);
                if call.found == Found::Answers {
                    context.turns.note_pace(account, kind, slow);
                }
                let next = call.ticket.due.after(EVERY).max(now.after(TICK));
                context.store.put_off_poll(account, kind, lease, next).await.expect("given back");
            } else {
                self.calls.push(call);
            }
        }
        for (ticket, in_flight) in claim(&context, now).await.expect("claimed") {
            let call = self.call(ticket, in_flight, now);
            self.calls.push(call);
        }
        for share in crate::model::Share::ALL {
            let settings = &context.settings;
            let most = match share {
                crate::model::Share::Prompt => settings.concurrency,
                crate::model::Share::Unproven => settings.unproven,
                crate::model::Share::Slow => settings.slow,
                crate::model::Share::Suspected => settings.suspected,
            };
            let under_way = context.turns.shares().under_way(share);
            assert!(under_way <= most, "{under_way} of share {}", share.as_str());
        }
        self.lab.clock.advance(TICK);
    }

    fn call(&mut self, ticket: PollTicket, in_flight: InFlight, now: Timestamp) -> Call {
        let (_, cloud) = *self.accounts.iter().find(|(id, _)| *id == ticket.account.id).expect("one of these");
        let (takes, found) = match self.clouds[cloud] {
            Cloud::Answers { after } => (after, Found::Answers),
            Cloud::HangsFrom(at) if now.since(self.begun) < at => (TICK, Found::Answers),
            Cloud::Fails => (TICK, Found::Fails),
            Cloud::Hangs | Cloud::HangsFrom(_) => (TIMEOUT, Found::Hangs),
        };
        if matches!(self.clouds[cloud], Cloud::Answers { after } if after < self.lab.context.settings.slow_after) {
            self.late.push((now, now.since(ticket.due)));
        }
        let asking = (found == Found::Hangs).then(|| in_flight.pulse().ask());
        Call { ticket, in_flight, ends: now.after(takes), found, _asking: asking }
    }

    /// How late the polls of accounts that do well were, of those that began at or after that time.
    fn latest(&self, since: Timestamp) -> Duration {
        let counted: Vec<Duration> = self.late.iter().filter(|(at, _)| *at >= since).map(|(_, late)| *late).collect();
        assert!(!counted.is_empty(), "nothing was polled");
        counted.into_iter().max().unwrap_or_default()
    }

    /// Ends the host without a word.
    fn restart(&mut self) {
        self.calls.clear();
        self.lab.restart();
    }

    /// What a host that starts does before anything else.
    async fn recall(&self) {
        let known = self.lab.context.store.endpoints().await.expect("read");
        self.lab.context.turns.shares().endpoints().recall(known);
    }
}

fn settings() -> Settings {
    Settings { concurrency: 8, unproven: 4, slow: 4, suspected: 4, per_endpoint: 6, ..Settings::default() }
}

const IN_TIME: Duration = Duration::from_secs(2);

/// Numbers that follow from a seed alone.
fn chance(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[tokio::test]
async fn whatever_others_do_endpoints_that_answer_are_polled_when_due() {
    for mut seed in 1..=6 {
        let name = seed;
        let mut clouds = Vec::new();
        for _ in 0..4 + chance(&mut seed, 5) {
            clouds.push(Cloud::Answers { after: TICK * (1 + chance(&mut seed, 4) as u32) });
        }
        for _ in 0..chance(&mut seed, 60) {
            clouds.push(Cloud::Hangs);
        }
        for _ in 0..chance(&mut seed, 20) {
            clouds.push(Cloud::Fails);
        }
        for _ in 0..chance(&mut seed, 12) {
            clouds.push(Cloud::Answers { after: Duration::from_secs(3 + chance(&mut seed, 20)) });
        }
        for _ in 0..chance(&mut seed, 12) {
            clouds.push(Cloud::HangsFrom(Duration::from_secs(150 + chance(&mut seed, 30))));
        }
        let last = clouds.len() - 1;
        clouds.swap(0, last);
        let mut world = World::new(settings(), clouds).await;
        world.goes_on_for(Duration::from_secs(140)).await;
        let since = world.lab.clock.now();
        world.goes_on_for(Duration::from_secs(80)).await;
        let latest = world.latest(since);
        assert!(latest <= IN_TIME, "seed {name}: {latest:?} late, beside {:?}", world.clouds);

        world.restart();
        world.recall().await;
        let since = world.lab.clock.now();
        world.goes_on_for(Duration::from_secs(40)).await;
        let latest = world.latest(since);
        assert!(latest <= IN_TIME, "seed {name}: {latest:?} late after a restart, beside {:?}", world.clouds);
    }
}

#[tokio::test]
async fn a_thousand_accounts_at_one_endpoint_that_hangs_wait_for_one_another_alone() {
    let clouds = vec![Cloud::Answers { after: TICK }, Cloud::HangsFrom(Duration::from_secs(60))];
    let mut placed = vec![1; 1000];
    placed.push(0);
    let mut world = World::placed(settings(), clouds, &placed).await;
    world.goes_on_for(Duration::from_secs(140)).await;
    // From when on everything was listed once.
    let since = world.begun.after(Duration::from_secs(20));
    assert!(world.latest(since) <= IN_TIME, "{:?}", world.latest(since));
    let shares = world.lab.context.turns.shares();
    assert!(shares.under_way(crate::model::Share::Suspected) <= 1, "one tries for all");
    assert!(shares.endpoints().view("absent cloud1").open_until.is_some() || !world.calls.is_empty());
}

/// However many endpoints hang that were never asked before, one that comes after them is asked as soon as one of those
/// under way has had its time.
#[tokio::test]
async fn a_new_endpoint_does_not_wait_behind_all_that_hang() {
    for hanging in [20, 200, 1_000] {
        let mut world = World::new(settings(), vec![Cloud::Hangs; hanging]).await;
        for wait in [Duration::from_secs(3), Duration::from_secs(7)] {
            world.goes_on_for(wait).await;
            world.late.clear();
            world.comes(Cloud::Answers { after: TICK }).await;
            world.goes_on_for(world.lab.context.settings.slow_after + 2 * TICK).await;
            assert!(!world.late.is_empty(), "beside {hanging} that hang it was not asked for {:?}", IN_TIME + 2 * TICK);
        }
    }
}

/// Where all come at once, each is asked by the time that those before it have had theirs, in as many slots as there are.
#[tokio::test]
async fn of_many_new_endpoints_that_hang_each_takes_its_time_once() {
    const HANGING: usize = 100;
    for place in [0, HANGING / 2, HANGING] {
        let mut clouds = vec![Cloud::Hangs; HANGING];
        clouds.insert(place, Cloud::Answers { after: TICK });
        let mut world = World::new(settings(), clouds).await;
        let Settings { unproven, slow_after, .. } = world.lab.context.settings;
        // An account has two polls, and what is moved to another share makes room only when it is looked for.
        let turns = u32::try_from(HANGING.div_ceil(unproven)).expect("few");
        world.goes_on_for((slow_after + TICK) * turns + IN_TIME).await;
        assert!(!world.late.is_empty(), "at place {place} it was not asked");
    }
}

#[tokio::test]
async fn accounts_of_one_endpoint_are_served_alike() {
    let clouds = vec![Cloud::Answers { after: TICK }];
    let mut world = World::placed(settings(), clouds, &[0; 40]).await;
    world.goes_on_for(Duration::from_secs(60)).await;
    let mut polled = std::collections::HashMap::new();
    let accounts = world.accounts.clone();
    for (account, _) in accounts {
        for status in world.lab.context.store.poll_status(account).await.expect("read") {
            polled.insert((account, status.kind), status.next_due.expect("due"));
        }
    }
    let (first, last) = (polled.values().min().expect("some"), polled.values().max().expect("some"));
    assert!(last.since(*first) <= EVERY + IN_TIME, "{first} to {last}");
}

#[tokio::test]
async fn nothing_is_looked_at_while_everything_is_held() {
    let mut world = World::new(settings(), vec![Cloud::Hangs; 30]).await;
    world.goes_on_for(Duration::from_secs(300)).await;
    let context = &world.lab.context;
    let (now, turns) = (world.lab.clock.now(), Arc::clone(&context.turns));
    // With a share full of calls, or every circuit open, the next time is one that comes, and no time that has passed.
    claim(context, now).await.expect("claimed");
    let next = context.store.next_poll_due(now, turns).await.expect("read");
    assert!(next.is_none_or(|next| next > now), "{next:?}");
}
