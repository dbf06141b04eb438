//! The operator answers to a held mass change while a list is asked for, judged or recorded. At any moment, the answer
//! applies to the list that was held then, and permits no other list to do more.

use super::broken_off::polled_at_most;
use super::*;
use crate::poll::mass_change::Until;
use crate::store::{Decided, Held, sqlite};

const FLEET: usize = 10;
/// How many of them the list shows that is held first.
const HELD: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Same,
    Smaller,
    /// Beyond the list that is held there is a change, which by itself is no mass change.
    Beyond,
    /// Beyond it there is a mass change.
    Larger,
    /// Other resources are gone.
    Other,
    Recovered,
}

impl Next {
    const ALL: [Next; 6] = [Next::Same, Next::Smaller, Next::Beyond, Next::Larger, Next::Other, Next::Recovered];

    fn left(self) -> std::ops::Range<usize> {
        match self {
            Next::Same => 0..HELD,
            Next::Smaller => 0..7,
            Next::Beyond => 0..5,
            Next::Larger => 0..0,
            Next::Other => 5..FLEET,
            Next::Recovered => 0..FLEET,
        }
    }

    fn list(self) -> Vec<Resource> {
        self.left().map(|number| instance(number, InstanceState::Running)).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before the next list is asked for.
    Before,
    /// When so much of the way was gone from there to its being recorded; and the host dies with it, or goes on.
    After { steps: usize, dies: bool },
}

#[derive(Clone, Copy, Debug)]
struct Case {
    until: Until,
    answer: Decision,
    next: Next,
    confirmations: u32,
    moment: Moment,
}

impl Case {
    /// Gives whether the list was recorded to its end, or held, before the answer.
    async fn check(self) -> bool {
        let Case { until, answer, next, confirmations, moment } = self;
        let mass_changes = mass_change::Settings { share: 0.2, least: 2, until };
        let lab = Lab::over(
            Settings { mass_changes, removal_confirmations: confirmations, jitter: 0.0, ..Settings::default() },
            sqlite::Settings { step_rows: 1, ..sqlite::Settings::default() },
        );
        let account = lab.enrol("configured", Origin::Config).await;
        let mut observed = Observed { lab, account, driver: "one".to_owned().into() };
        observed.list(running(FLEET), Coverage::Complete).await;
        observed.list(running(HELD), Coverage::Complete).await;
        let mut is_over = false;
        let decided = match moment {
            Moment::Before => observed.decide(answer).await,
            Moment::After { steps, dies } => {
                let ticket = observed.ticket().await;
                let decided = {
                    let mut recording = std::pin::pin!(observed.record(ticket, next.list(), Coverage::Complete));
                    let ended = polled_at_most(recording.as_mut(), steps).await;
                    is_over = ended.is_some();
                    let decided = observed.decide(answer).await;
                    if ended.is_none() && !dies {
                        recording.await.expect("recorded");
                    }
                    decided
                };
                if dies {
                    observed.lab.restart();
                }
                decided
            }
        };
        let Decided::Taken(answered) = decided else {
            assert!(until == Until::Confirmed || next == Next::Recovered, "{self:?}: {decided:?}");
            self.settle(&observed).await;
            self.check_told(&observed, false).await;
            return is_over;
        };
        // Unless the answer is to the next list itself.
        let next_is = if answered.affected == FLEET - HELD { next } else { Next::Same };
        // A list that was judged before the answer came is thrown away.
        if observed.held_now().await.is_some_and(|held| held == answered) {
            observed.list(next.list(), Coverage::Complete).await;
        }
        let held = observed.held_now().await;
        let accepts = answer != Decision::Reject;
        match next_is {
            Next::Recovered => assert_eq!(held, None, "{self:?}"),
            Next::Same if !accepts => assert_eq!(held.expect("held").decision, Some(answer), "{self:?}"),
            Next::Same | Next::Smaller | Next::Beyond if accepts => {
                assert_eq!(held, None, "{self:?}");
                self.settle(&observed).await;
                self.check_told(&observed, answer == Decision::AcceptSilently).await;
                return is_over;
            }
            _ => {
                let Held { decision, affected, lists, .. } = held.expect("held anew");
                assert_eq!((decision, affected, lists), (None, FLEET - next.left().len(), 1), "{self:?}");
            }
        }
        self.check_nothing_told(&observed).await;
        self.settle(&observed).await;
        let is_anew = !matches!(next_is, Next::Recovered | Next::Same);
        if is_anew && until == Until::Confirmed {
            self.check_told(&observed, false).await;
        } else {
            self.check_nothing_told(&observed).await;
        }
        is_over
    }

    async fn settle(self, observed: &Observed) {
        for _ in 0..=self.confirmations {
            observed.list(self.next.list(), Coverage::Complete).await;
        }
    }

    async fn check_nothing_told(self, observed: &Observed) {
        assert_eq!(observed.told_of_all().await, [], "{self:?}");
        assert_eq!(observed.known().await.len(), FLEET, "{self:?}");
    }

    /// Every change of the list is known and told; silently, those alone that the answer was not to.
    async fn check_told(self, observed: &Observed, silently: bool) {
        let gone = FLEET - self.next.left().len();
        assert_eq!(observed.held_now().await, None, "{self:?}");
        assert_eq!(observed.known().await.len(), FLEET - gone, "{self:?}");
        let mut told = observed.told_of_all().await;
        if self.next == Next::Recovered {
            return assert_eq!(told, [], "{self:?}");
        }
        let first = observed.changes().await.into_iter().find_map(|change| match change.details {
            Some(Details::MassChange(mass_change)) => Some(mass_change),
            _ => None,
        });
        let first = first.unwrap_or_else(|| panic!("{self:?}: {told:?}"));
        assert_eq!(first.silent, silently, "{self:?}");
        assert_eq!(told.remove(0), ChangeType::TrackerMassChange, "{self:?}");
        let removed = match silently {
            true => gone - first.affected,
            false => gone,
        };
        let beyond = usize::from(self.next == Next::Beyond);
        assert!(!silently || removed == 0 || removed == beyond, "{self:?}: {first:?}");
        assert_eq!(told, vec![ChangeType::InstanceRemoved; removed], "{self:?}");
    }
}

impl Observed {
    async fn held_now(&self) -> Option<Held> {
        let held = self.lab.context.store.held_mass_changes().await.expect("read");
        held.into_iter().next().map(|mass_change| mass_change.held)
    }

    async fn told_of_all(&self) -> Vec<ChangeType> {
        let told = self.changes().await.into_iter().map(|change| change.change_type);
        told.filter(|change_type| *change_type != ChangeType::TrackerGap).collect()
    }
}

async fn check_answers(until: Until) {
    for answer in [Decision::Accept, Decision::AcceptSilently, Decision::Reject] {
        for next in Next::ALL {
            for confirmations in [1, 3] {
                let case = |moment| Case { until, answer, next, confirmations, moment };
                case(Moment::Before).check().await;
                for dies in [false, true] {
                    let mut steps = 0;
                    while !case(Moment::After { steps, dies }).check().await {
                        steps += 1;
                    }
                    assert!(steps > 0, "{answer:?} {next:?}: it is answered while a list is judged");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_is_to_the_list_that_is_held_where_a_second_list_confirms() {
    check_answers(Until::Confirmed).await;
}

#[tokio::test]
async fn an_answer_is_to_the_list_that_is_held_where_it_is_waited_for() {
    check_answers(Until::Accepted).await;
}
