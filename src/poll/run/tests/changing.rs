//! Polls of a provider that changes while it is listed, page by page: what it still has is never reported removed, and
//! what it has not any more is.

use std::collections::BTreeSet;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_a_provider_still_has_is_never_reported_removed(
        count in 0..30_usize,
        others in 0..3_u64,
        polls in prop::collection::vec((1..7_usize, prop::collection::vec(event(), 0..12)), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let observed = Observed::new().await;
            let mut provider = Provider::of(count);
            observed.list(provider.there.iter().map(|number| running_one(*number)).collect(), Coverage::Complete).await;
            // Whatever happened, two lists in peace, and one for a mass change, tell what is gone.
            let in_peace = || (50, Vec::<Event>::new());
            for (size, events) in polls.into_iter().chain([in_peace(), in_peace(), in_peace()]) {
                let list = provider.list((size, others), &mut events.into_iter(), running_one);
                // No list, no news.
                let Ok((resources, coverage)) = list else { continue };
                observed.list(resources, coverage).await;
                let removed = removed(&observed).await;
                for number in &provider.there {
                    let id = running_one(*number).id().as_str().to_owned();
                    assert!(!removed.contains(&id), "{id} is still there");
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
