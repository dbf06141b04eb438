//! The shared state of all checks.

use std::collections::HashSet;

use tokio::sync::OnceCell;
use url::Url;

use super::faults::Fault;
use super::manifest::Manifest;
use super::report::Finding;
use super::stage::Stage;
use super::stand::{Blank, Run, Stand, difference, ids};
use crate::kit::cassette::Cassette;
use crate::model::{Kind, ResourceId};

/// A cassette, and what the driver made of it.
pub(super) struct Case {
    pub(super) cassette: Cassette,
    pub(super) run: Run,
}

impl Case {
    pub(super) fn name(&self) -> &str {
        &self.cassette.name
    }

    /// Whether it shows a list, and the driver gave one. Single instances are none.
    pub(super) fn is_list(&self) -> bool {
        self.cassette.ids.is_empty() && self.cassette.expect.error.is_none() && self.run.outcome.is_ok()
    }

    /// What a run gave in the place of its list.
    pub(super) fn difference_to(&self, run: &Run) -> String {
        match &run.outcome {
            Ok(listing) => difference(self.run.resources(), &listing.resources),
            Err(_) => run.came(),
        }
    }

    pub(super) fn finding(&self, why: impl Into<String>, what_to_do: impl Into<String>) -> Finding {
        Finding { cassette: Some(self.cassette.name.clone()), why: why.into(), what_to_do: what_to_do.into() }
    }
}

/// Everything that checks work with.
pub(super) struct Suite {
    pub(super) blank: Blank,
    pub(super) stand: Stand,
    pub(super) manifest: Manifest,
    pub(super) cases: Vec<Case>,
    /// Lists under faults, which several checks look at.
    pub(super) faulted: OnceCell<Vec<Faulted>>,
}

/// A list with a fault in one of its answers.
pub(super) struct Faulted {
    /// By its place among the cases.
    pub(super) case: usize,
    /// Which exchange's answer it is.
    pub(super) at: usize,
    pub(super) fault: Fault,
    pub(super) run: Run,
}

impl Suite {
    /// Lists by a case's cassette once more.
    pub(super) async fn list(&self, case: &Case, stage: Stage) -> Run {
        self.stand.list(&self.blank, &case.cassette, stage).await
    }

    /// The cases that show a list.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.is_list())
    }

    /// The cases that show a list, or single instances.
    pub(super) fn good(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.cassette.expect.error.is_none() && case.run.outcome.is_ok())
    }

    /// The cases that show a list of what changed.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Case> {
        self.lists().filter(|case| case.cassette.since.is_some())
    }

    /// What may be asked for: the kinds of lists, and whether it is what changed.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Kind, bool)> + use<> {
        Kind::ALL.into_iter().map(|kind| (kind, false)).chain([(Kind::Instance, true)])
    }

    /// Of each kind, and of the lists of what changed, the case with the most exchanges: what faults are put into.
    pub(super) fn richest(&self) -> Vec<&Case> {
        self.richest_places().into_iter().map(|place| &self.cases[place]).collect()
    }

    pub(super) fn richest_places(&self) -> Vec<usize> {
        let richest = |(kind, is_of_changes): (Kind, bool)| {
            let asks = |case: &Case| (case.cassette.list, case.cassette.since.is_some()) == (kind, is_of_changes);
            let lists = self.cases.iter().enumerate().filter(|(_, case)| case.is_list() && asks(case));
            lists.max_by_key(|(_, case)| (case.cassette.exchanges.len(), case.run.resources().len()))
        };
        self.asked().filter_map(richest).map(|(place, _)| place).collect()
    }

    /// Of each kind of secret that none of these has, the list with the most exchanges.
    pub(super) fn richest_of_other_secrets(&self) -> Vec<usize> {
        let richest = self.richest();
        let kinds = self.stand.driver.info().secret_kinds().iter();
        let others = kinds.filter(|kind| !richest.iter().any(|case| case.cassette.account.secret == **kind));
        let most = others.filter_map(|kind| {
            let is_of_kind = |case: &Case| case.is_list() && case.cassette.account.secret == *kind;
            let lists = self.cases.iter().enumerate().filter(|(_, case)| is_of_kind(case));
            lists.max_by_key(|(_, case)| case.cassette.exchanges.len())
        });
        most.map(|(place, _)| place).collect()
    }

    /// The richest, those of other secrets among them.
    pub(super) fn richest_by_secret(&self) -> Vec<&Case> {
        let others = self.richest_of_other_secrets().into_iter().map(|place| &self.cases[place]);
        self.richest().into_iter().chain(others).collect()
    }

    /// Of single instances, the case with the most exchanges, where it asks for them as it asks for lists: what an address of
    /// one's own that is not there says is another thing.
    pub(super) fn richest_of_ids(&self) -> Option<usize> {
        let is_named = |case: &Case| {
            let ids = || case.cassette.ids.iter().map(ResourceId::as_str);
            case.run.asked.iter().any(|asked| ids().any(|id| has_in_path(&asked.url, id)))
        };
        let cases = self.cases.iter().enumerate().filter(|(_, case)| {
            let is_good = case.cassette.expect.error.is_none() && case.run.outcome.is_ok();
            is_good && self.stand.driver.info().by_id && !case.cassette.ids.is_empty() && !is_named(case)
        });
        cases.max_by_key(|(_, case)| case.cassette.exchanges.len()).map(|(place, _)| place)
    }

    /// Whether the driver made a request in any of its lists.
    pub(super) fn makes_requests(&self) -> bool {
        self.cases.iter().any(|case| case.run.usage().requests > 0 || !case.cassette.exchanges.is_empty())
    }
}

/// Whether the path of a URL names an id: as one of its parts or, where the id is a path itself, as several.
pub(super) fn has_in_path(url: &Url, id: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy();
    match id.starts_with('/') {
        true => decoded.contains(id),
        false => decoded.split('/').any(|part| part == id),
    }
}

/// The ids that a case lists.
pub(super) fn ids_of(case: &Case) -> HashSet<&str> {
    ids(case.run.resources())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_named_as_a_part_of_a_path_or_as_several() {
        let check = |path: &str, id: &str, want: bool| {
            let url = Url::parse(&format!("https://a.example{path}")).expect(path);
            assert_eq!(has_in_path(&url, id), want, "{id} in {path}");
        };
        check("/v1/vms/17", "17", true);
        check("/v1/vms/170", "17", false);
        check("/v1/vms?id=17", "17", false);
        check("/v1/vms/a%2Fb", "a/b", false);
        check("/subscriptions/1/vms/a?view=x", "/subscriptions/1/vms/a", true);
        check("/api/%2Fsubscriptions%2F1", "/subscriptions/1", true);
        check("/subscriptions/2", "/subscriptions/1", false);
    }
}
