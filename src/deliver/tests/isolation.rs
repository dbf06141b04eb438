//! The effect of receivers that hang, are slow or fail on the others.

use proptest::prelude::*;

use super::receiver::{HANG, OK, Receiver};
use super::*;
use crate::deliver::admission::{Admission, Lesson};
use crate::deliver::send::Sign;
use crate::model::breaker::Failing;
use crate::store::{Budget, Room};

/// Long enough that no test ends because of it.
const FOREVER: Duration = Duration::from_secs(3600);
/// A test fails after this instead of waiting for good.
const PATIENCE: Duration = Duration::from_secs(60);

fn of_account(account: i64, delivery: DueDelivery) -> DueDelivery {
    let recipient = Recipient { account: AccountId(account), ..(*delivery.recipient).clone() };
    DueDelivery { recipient: Arc::new(recipient), ..delivery }
}

#[tokio::test]
async fn destinations_that_hang_leave_slots_to_a_healthy_one() {
    let mut hanging = Vec::new();
    for _ in 0..40 {
        hanging.push(Receiver::start(HANG).await);
    }
    let mut healthy = Receiver::start(OK).await;
    let bench = bench_with(Settings {
        concurrency: 16,
        probation: 8,
        timeout: FOREVER,
        grace: Duration::ZERO,
        ..Settings::default()
    });
    for (hook, receiver) in (0..).zip(&hanging) {
        bench.store.owe(of_account(1, delivery(&receiver.url("/"), hook, 1)));
    }
    let token = CancellationToken::new();
    let ran = tokio::spawn(run(running(&bench), token.clone()));
    for change in 1..=100 {
        bench.store.owe(of_account(2, delivery(&healthy.url("/"), 100, change)));
        bench.context.store.signals().deliveries.notify_one();
        tokio::time::timeout(PATIENCE, healthy.received.recv()).await.expect("a slot was left").unwrap();
    }
    token.cancel();
    // With every slot of theirs hanging, a stop takes no longer than its grace.
    tokio::time::timeout(PATIENCE, ran).await.expect("it stops").unwrap();
    let tried = hanging.iter_mut().map(|receiver| usize::from(receiver.received.try_recv().is_ok())).sum::<usize>();
    assert!((1..=8).contains(&tried), "{tried} in flight to destinations that never answered");
    let outcomes = bench.store.outcomes();
    assert!(outcomes[40..].iter().all(|outcome| *outcome == Some(Outcome::Delivered)));
}

/// How a receiver behaves.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Healthy,
    /// Answers later than `slow_after`.
    Slow,
    Failing,
    Hanging,
    /// Answers until that second, and hangs from then on.
    HangingFrom(u32),
}

impl Kind {
    /// After how many seconds an attempt ends, and how.
    fn answer(self, second: u32) -> (u32, Sign) {
        match self {
            Kind::Healthy => (1, Sign::Alive),
            Kind::Slow => (8, Sign::Alive),
            Kind::Failing => (1, Sign::Failing(Failing::Refusing)),
            Kind::HangingFrom(from) if second < from => (1, Sign::Alive),
            Kind::Hanging | Kind::HangingFrom(_) => (20, Sign::Failing(Failing::TimedOut)),
        }
    }
}

fn kinds() -> impl Strategy<Value = Vec<(Kind, i64)>> {
    let kind = prop_oneof![
        2 => Just(Kind::Healthy),
        1 => Just(Kind::Slow),
        1 => Just(Kind::Failing),
        2 => Just(Kind::Hanging),
        1 => (1..40_u32).prop_map(Kind::HangingFrom),
    ];
    prop::collection::vec((kind, 0..4_i64), 1..40)
}

struct Attempt {
    recipient: Arc<Recipient>,
    destination: usize,
    began: u32,
    ends: u32,
    sign: Sign,
}

/// Destinations that always have more to send, second by second.
struct Model {
    settings: Settings,
    admission: Arc<Admission>,
    destinations: Vec<(Kind, Arc<Recipient>)>,
    /// What the store knows.
    standings: Vec<Standing>,
    held: Vec<Timestamp>,
    attempts: Vec<Attempt>,
    second: u32,
    started: u32,
}

impl Model {
    fn new(settings: Settings, kinds: &[(Kind, i64)]) -> Model {
        let destinations = kinds.iter().zip(1..).map(|((kind, account), number)| {
            let delivery = of_account(*account, delivery(&format!("http://10.0.0.{number}/"), number, 1));
            (*kind, delivery.recipient)
        });
        Model {
            admission: Arc::new(Admission::new(&settings)),
            settings,
            destinations: destinations.collect(),
            standings: vec![Standing::Unproven; kinds.len()],
            held: vec![START; kinds.len()],
            attempts: Vec::new(),
            second: 0,
            started: 0,
        }
    }

    fn now(&self) -> Timestamp {
        START.after(Duration::from_secs(self.second.into()))
    }

    fn restart(&mut self) {
        self.admission = Arc::new(Admission::new(&self.settings));
        self.attempts.clear();
        self.started = self.second;
        for standing in &mut self.standings {
            if *standing == Standing::Proven {
                *standing = Standing::Unproven;
            }
        }
    }

    fn land(&mut self) {
        let now = self.now();
        let (ended, left) = self.attempts.drain(..).partition(|attempt| attempt.ends <= self.second);
        self.attempts = left;
        let ended: Vec<Attempt> = ended;
        for attempt in ended {
            let took = Duration::from_secs((self.second - attempt.began).into());
            let learnt = self.admission.land(&attempt.recipient, Lesson { sign: attempt.sign, took, now });
            self.standings[attempt.destination] = learnt.standing;
            if let Some(hold) = learnt.hold {
                self.held[attempt.destination] = hold;
            }
        }
    }

    fn claim(&mut self) {
        let room: Arc<dyn Room> = Arc::<Admission>::clone(&self.admission);
        for (number, (_, recipient)) in self.destinations.iter().enumerate() {
            let asked = room.destination(&recipient.destination, self.standings[number], self.now());
            if asked.standing == Standing::Proven && asked.in_flight == 0 && asked.room > 0 {
                let mut budget = Budget::new(&room, self.settings.batch);
                assert!(budget.allows(recipient.account, &asked) > 0, "second {}: {number} has no slot", self.second);
            }
        }
        let mut budget = Budget::new(&room, usize::MAX);
        for (number, (kind, recipient)) in self.destinations.iter().enumerate() {
            if self.held[number] > self.now() {
                continue;
            }
            let mut asked = room.destination(&recipient.destination, self.standings[number], self.now());
            let hook = room.hook(recipient.hook);
            let taken = budget.allows(recipient.account, &asked).min(hook);
            budget.take(recipient.account, &mut asked, taken);
            let recipient = Arc::new(Recipient { standing: asked.standing, ..(**recipient).clone() });
            for _ in 0..taken {
                self.admission.launch(&recipient);
                let (lasts, sign) = kind.answer(self.second);
                let ends = self.second + lasts;
                let recipient = Arc::clone(&recipient);
                self.attempts.push(Attempt { recipient, destination: number, began: self.second, ends, sign });
            }
        }
    }

    fn check(&self) {
        let count = |is: fn(Standing) -> bool| self.attempts.iter().filter(|a| is(a.recipient.standing)).count();
        assert!(count(Standing::is_probation) <= self.settings.probation);
        assert!(count(Standing::is_late) <= self.settings.probation / 2);
        assert!(self.attempts.len() <= self.settings.concurrency);
        let proven = |number: usize| self.standings[number] == Standing::Proven;
        if self.second >= self.started + 2 {
            let all = self.destinations.iter().enumerate();
            let healthy = all.filter(|(_, (kind, _))| matches!(kind, Kind::Healthy));
            healthy.for_each(|(number, _)| assert!(proven(number), "{number} is healthy and still on probation"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Each healthy destination that has nothing in flight gets a slot, and those on probation stay within their
    /// share, over any mix of receivers and over restarts.
    #[test]
    fn any_mix_of_receivers_leaves_a_slot_to_each_healthy_one(
        kinds in kinds(),
        restarts in prop::collection::vec(1..90_u32, 0..3),
    ) {
        let settings = Settings { concurrency: 4096, probation: 256, ..Settings::default() };
        let mut model = Model::new(settings, &kinds);
        for _ in 0..90 {
            model.land();
            if restarts.contains(&model.second) {
                model.restart();
            }
            model.claim();
            model.check();
            model.second += 1;
        }
    }
}
