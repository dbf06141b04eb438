//! A provider that changes while it is listed page by page. Resources that it still has are never reported as removed,
//! and resources that are gone are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::driver::pretend::{Event, Provider, event};

fn running_one(number: usize) -> Resource {
    instance(number, InstanceState::Running)
}

/// The ids that were reported removed so far.
async fn removed(observed: &Observed) -> BTreeSet<String> {
    let changes = observed.changes().await.into_iter();
    changes
        .filter(|change| change.change_type == ChangeType::InstanceRemoved)
        .map(|change| change.resource.as_str().to_owned())
        .collect()
}

/// From how many complete lists in a row an instance must be missing, for it to be taken for gone whatever else the lists
/// lack.
const BELIEVED: u32 = 4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_a_provider_still_has_is_never_reported_removed(
        count in 0..30_usize,
        others in 0..3_u64,
        removal_confirmations in 1..3_u32,
        polls in prop::collection::vec((1..7_usize, prop::collection::vec(event(), 0..12)), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let observed = Observed::under(Settings { removal_confirmations, ..Settings::default() }).await;
            let mut provider = Provider::of(count);
            observed.list(provider.there.iter().map(|number| running_one(*number)).collect(), Coverage::Complete).await;
            let mut missing = BTreeMap::<usize, u32>::new();
            // Whatever happened, two lists in peace, and one for a mass change, tell what is gone.
            let in_peace = || (50, Vec::<Event>::new());
            for (size, events) in polls.into_iter().chain([in_peace(), in_peace(), in_peace()]) {
                let list = provider.list((size, others), &mut events.into_iter(), running_one);
                // No list, no news.
                let Ok((resources, coverage)) = list else { continue };
                let listed: BTreeSet<String> = resources.iter().map(|one| one.id().as_str().to_owned()).collect();
                let is_complete = coverage == Coverage::Complete;
                let ticket = observed.ticket().await;
                observed.record_pages(ticket, resources, coverage, provider.pages).await.expect("recorded");
                let removed = removed(&observed).await;
                for number in &provider.there {
                    let id = running_one(*number).id().as_str().to_owned();
                    let missing = missing.entry(*number).or_default();
                    if listed.contains(&id) {
                        *missing = 0;
                    } else if is_complete {
                        *missing += 1;
                    }
                    assert!(!removed.contains(&id) || *missing >= BELIEVED, "{id} is still there, missing {missing}x");
                }
            }
            let known: Vec<String> = observed.known().await.into_iter().map(|known| known.id.as_str().to_owned()).collect();
            let mut there: Vec<String> =
                provider.there.iter().map(|number| running_one(*number).id().as_str().to_owned()).collect();
            there.sort();
            assert_eq!(known, there);
        });
    }
}

/// What the provider itself names as gone is gone, on however many pages it says so.
#[tokio::test]
async fn a_list_of_changes_in_pages_removes_at_once() {
    let observed = Observed::new().await;
    observed.list((0..3).map(running_one).collect(), Coverage::Complete).await;
    let gone = running_one(1).id().clone();
    let ticket = observed.ticket().await;
    observed.record_pages(ticket, Vec::new(), Coverage::Delta(vec![gone.clone()]), 3).await.expect("recorded");
    assert_eq!(removed(&observed).await, BTreeSet::from([gone.as_str().to_owned()]));
}

/// At each list one instance ends on the first page, and another comes to stand at the end: nobody but the next list can
/// tell that one was hidden.
#[tokio::test]
async fn what_moves_to_a_page_that_was_read_is_not_removed() {
    for removal_confirmations in [1, 2] {
        let observed = Observed::under(Settings { removal_confirmations, ..Settings::default() }).await;
        let mut provider = Provider::of(30);
        observed.list(provider.there.iter().copied().map(running_one).collect(), Coverage::Complete).await;
        for round in 0..20 {
            let was_there = provider.there.clone();
            let mut events = [Event::Nothing, Event::Replaces].into_iter();
            let (resources, coverage) = provider.list((10, 0), &mut events, running_one).expect("a list");
            assert_eq!((coverage.clone(), resources.len()), (Coverage::Complete, 30));
            let is_listed = |number: &usize| resources.iter().any(|one| one.id() == running_one(*number).id());
            let hidden =
                provider.there.iter().filter(|number| was_there.contains(number) && !is_listed(number)).count();
            assert_eq!(hidden, 1, "in round {round}");
            let ticket = observed.ticket().await;
            observed.record_pages(ticket, resources, coverage, provider.pages).await.expect("recorded");
            let removed = removed(&observed).await;
            let wrongly: Vec<_> =
                provider.there.iter().filter(|number| removed.contains(running_one(**number).id().as_str())).collect();
            assert!(wrongly.is_empty(), "in round {round}: {wrongly:?}");
        }
        assert!(
            !removed(&observed).await.is_empty(),
            "what ended is removed in the end, though each list lacks another"
        );
    }
}
