//! Which lists are believed: single cases, and a provider that changes while it is listed.

use proptest::prelude::*;

use super::pretend::{Provider, event};
use super::*;
use crate::model::{ErrorCode, Realm, RealmState, ResourceId};

const EMPTY_PAGES: u32 = 3;

fn realm(id: &str, name: &str) -> Resource {
    let id = ResourceId::parse(id).expect(id);
    Resource::Realm(Realm { id, name: name.into(), state: RealmState::Available, limit: None })
}

fn page(ids: &[&str], next: Option<&str>, total: Option<u64>) -> Page {
    Page {
        resources: ids.iter().map(|id| realm(id, "")).collect(),
        next: next.map(str::to_owned),
        coverage: Coverage::Complete,
        total,
        omitted: 0,
        bytes: 0,
    }
}

/// The whole list, or the error after so many pages.
fn gathered(pages: Vec<Page>, since: Option<Timestamp>) -> Result<(usize, Coverage), (usize, CallError)> {
    let mut gathering = Gathering::new(since, EMPTY_PAGES);
    for (number, page) in pages.into_iter().enumerate() {
        gathering.take(page).map_err(|error| (number + 1, error))?;
    }
    let (resources, coverage) = gathering.finish();
    assert!(resources.is_sorted_by(|a, b| a.id() < b.id()));
    Ok((resources.len(), coverage))
}

#[test]
fn what_does_not_fit_together_is_no_complete_list() {
    let check = |pages: Vec<Page>, listed: usize, why: &str| match gathered(pages, None) {
        Ok((count, Coverage::Complete)) => assert_eq!((count, why), (listed, "")),
        Ok((count, Coverage::Misfit(said))) => {
            assert_eq!(count, listed);
            assert!(!why.is_empty() && said.contains(why), "{said}");
        }
        other => panic!("{why}: {other:?}"),
    };
    check(vec![page(&["1", "2"], Some("a"), None), page(&["3"], None, None)], 3, "");
    check(vec![page(&["1", "2"], Some("a"), Some(3)), page(&["3"], None, Some(3))], 3, "");
    check(vec![page(&[], Some("a"), Some(1)), page(&[], Some("b"), Some(1)), page(&["1"], None, Some(1))], 1, "");
    // On one page, or on two; with a total, and without.
    check(vec![page(&["1", "2", "1"], None, None)], 2, "\"1\" stands twice in the list");
    check(vec![page(&["1", "2"], Some("a"), Some(3)), page(&["2"], None, Some(3))], 2, "\"2\" stands twice");
    let many = ["1", "2", "3", "4", "5", "1", "2", "3", "4", "1"];
    check(vec![page(&many, None, None)], 5, "4 ids stand twice in the list (\"1\", \"2\", \"3\" and others)");
    check(vec![page(&["1", "1", "2", "2"], None, None)], 2, "2 ids stand twice in the list (\"1\", \"2\"),");
    check(vec![page(&["1"], None, Some(2))], 1, "has 2 entries, and 1 were listed");
    let omitting = |omitted| Page { omitted, ..page(&["1"], None, Some(3)) };
    check(vec![omitting(2)], 1, "");
    check(vec![omitting(1)], 1, "has 3 entries, and 1 were listed and 1 left out");
    check(vec![page(&["1"], Some("a"), Some(2)), page(&["2"], None, Some(3))], 2, "has 2 entries, and then 3");
    check(vec![page(&["1", "2"], Some("a"), Some(3)), page(&["3"], None, Some(2))], 3, "has 3 entries, and then 2");
}

#[test]
fn a_list_without_an_end_is_an_error_as_soon_as_it_shows() {
    let check = |pages: Vec<Page>, after: usize, why: &str| {
        let (pages, error) = gathered(pages, None).expect_err(why);
        assert_eq!((pages, error.code()), (after, ErrorCode::UnexpectedAnswer));
        assert!(error.to_string().contains(why), "{error}");
    };
    check(vec![page(&["1"], Some("a"), None), page(&["2"], Some("a"), None)], 2, "the same cursor twice");
    let cycle = ["a", "b", "c", "a"].map(|cursor| page(&[cursor], Some(cursor), None));
    check(cycle.into(), 4, "that it had given before");
    // With another cursor each time, as where a provider does not look at it.
    check(vec![page(&["1", "2"], Some("2"), None), page(&["1", "2"], Some("3"), None)], 2, "a page that it had given");
    check(
        vec![page(&["1", "2"], Some("2"), Some(2)), page(&["3"], Some("3"), Some(2))],
        2,
        "has 2 entries, and it gave 3",
    );
    // Everything is there, and it goes on.
    check(vec![page(&["1"], Some("2"), Some(1)), page(&[], Some("3"), Some(1))], 2, "all entries were listed");
    check(vec![page(&[], Some("2"), Some(0))], 1, "all entries were listed");
    let last = Page { omitted: 2, ..page(&[], Some("3"), Some(3)) };
    check(vec![page(&["1"], Some("2"), Some(3)), last], 2, "all entries were listed");
    check(vec![page(&["1", "2", "3"], None, Some(2))], 1, "has 2 entries, and it gave 3 and more");
    let omitting = |omitted, next| Page { omitted, ..page(&["1", "2"], next, Some(3)) };
    let later = vec![page(&["1", "1", "2", "2"], Some("a"), Some(4)), Page { omitted: 3, ..page(&[], None, Some(4)) }];
    check(later, 2, "has 4 entries, and it gave 5 and more");
    check(vec![omitting(2, None)], 1, "has 3 entries, and it gave 4 and more");
    // Whatever a driver says, it can be counted.
    check(vec![omitting(u64::MAX, None)], 1, &format!("it gave {} and more", u64::MAX));
    let without_end = |total| Page { omitted: u64::MAX, ..page(&["1"], Some("a"), Some(total)) };
    check(vec![without_end(u64::MAX)], 1, &format!("it gave {} and more", u64::MAX));
}

#[test]
fn pages_with_nothing_new_are_bounded() {
    let empty = |next: usize| page(&[], Some(&next.to_string()), None);
    let delta = |page: Page, removed: &[&str]| {
        let removed = removed.iter().map(|id| ResourceId::parse(*id).expect("an id")).collect();
        Page { coverage: Coverage::Delta(removed), ..page }
    };
    let since = Some(Timestamp::from_millis(1));
    let check = |pages: Vec<Page>, since, want: Result<usize, usize>| match (gathered(pages, since), want) {
        (Ok((listed, _)), Ok(want)) => assert_eq!(listed, want),
        (Err((pages, error)), Err(want)) => {
            assert_eq!((pages, error.code()), (want, ErrorCode::UnexpectedAnswer));
            assert!(error.to_string().contains("4 pages in a row with nothing new (empty_pages allows 3)"), "{error}");
        }
        (got, want) => panic!("{got:?}, and not {want:?}"),
    };
    // As many as there may be, twice, and an entry in between.
    let few = || (0..3).map(empty);
    let entry = |id: &str| page(&[id], Some(id), None);
    check(few().chain([entry("a")]).chain((3..6).map(empty)).chain([page(&["b"], None, None)]).collect(), None, Ok(2));
    check((0..9).map(empty).collect(), None, Err(4));
    check([entry("a")].into_iter().chain((0..9).map(empty)).collect(), None, Err(5));
    // Entries that are left out, and removed ids, are something.
    let omitting = |next| Page { omitted: 1, ..empty(next) };
    check((0..9).map(omitting).chain([page(&["b"], None, None)]).collect(), None, Ok(1));
    let removing = (0..9).map(|next| delta(empty(next), &["gone"]));
    check(removing.chain([delta(page(&["b"], None, None), &[])]).collect(), since, Ok(1));
    // A driver may list one id on each page.
    let ids: Vec<ResourceId> = (0..20).map(|id| ResourceId::parse(format!("gone-{id}")).expect("an id")).collect();
    let mut gathering = Gathering::of(&ids, EMPTY_PAGES);
    for next in 1..20 {
        gathering.take(empty(next)).expect("a page");
    }
    assert_eq!(gathering.take(page(&[], None, None)), Ok(None));
    // What changes again and again stands on many pages of changes.
    let again = |next: usize| delta(page(&["a"], Some(&next.to_string()), None), &[]);
    check((0..4).map(again).chain([delta(page(&["b"], None, None), &[])]).collect(), since, Ok(2));
    check((0..9).map(again).collect(), since, Err(5));
}

#[test]
fn a_list_of_changes_is_exempt() {
    let delta = |ids: &[&str]| Page { coverage: Coverage::Delta(Vec::new()), ..page(ids, None, Some(1)) };
    let since = Some(Timestamp::from_millis(1));
    assert_eq!(gathered(vec![delta(&["1", "2", "1"])], since), Ok((2, Coverage::Delta(Vec::new()))));
}

proptest! {
    /// A complete list lacks what was there all the time only where it shows what ended meanwhile.
    #[test]
    fn a_complete_list_that_shows_what_is_there_has_whatever_was_there_all_the_time(
        count in 0..30_usize,
        size in 1..7_usize,
        others in 0..3_u64,
        events in prop::collection::vec(event(), 40),
    ) {
        let mut provider = Provider::of(count);
        let mut always = provider.there.clone();
        let list = provider.list((size, others), &mut events.into_iter(), |id| realm(&id.to_string(), ""));
        always.retain(|id| provider.there.contains(id));
        if let Ok((resources, Coverage::Complete)) = list {
            let listed: Vec<usize> = resources.iter().map(|one| one.id().as_str().parse().expect("a number")).collect();
            let shows_what_ended = listed.iter().any(|id| !provider.there.contains(id));
            prop_assert!(
                shows_what_ended || always.iter().all(|id| listed.contains(id)),
                "{always:?} {listed:?} {:?}",
                provider.there
            );
        }
    }
}

#[test]
fn pages_are_all_of_a_delta_or_none() {
    let delta = |ids: &[&str]| Coverage::Delta(ids.iter().map(|id| ResourceId::parse(*id).expect("an id")).collect());
    let partial = || Coverage::Partial("a zone is down".into());
    let since = Some(Timestamp::from_millis(1));
    let check = |before: Option<Coverage>, page: Coverage, since, want: Result<Coverage, &str>| {
        let got = joined(before, page, since).map_err(|error| error.to_string());
        match want {
            Ok(want) => assert_eq!(got, Ok(want)),
            Err(part) => assert!(got.as_ref().is_err_and(|error| error.contains(part)), "{got:?}"),
        }
    };
    check(None, delta(&["a"]), since, Ok(delta(&["a"])));
    check(None, delta(&[]), None, Err("was not asked"));
    check(None, Coverage::Complete, since, Ok(Coverage::Complete));
    check(Some(delta(&["a"])), delta(&["b"]), since, Ok(delta(&["a", "b"])));
    check(Some(delta(&["a"])), Coverage::Complete, since, Err("others are not"));
    check(Some(Coverage::Complete), delta(&[]), since, Err("others are not"));
    check(Some(delta(&["a"])), partial(), since, Ok(partial()));
    check(Some(partial()), Coverage::Complete, None, Ok(partial()));
    check(Some(Coverage::Complete), partial(), None, Ok(partial()));
}

#[test]
fn of_an_id_listed_twice_the_later_is_kept() {
    let mut resources = vec![realm("b", "1"), realm("a", "2"), realm("b", "3"), realm("b", "4")];
    sort_by_id(&mut resources);
    assert_eq!(resources, [realm("a", "2"), realm("b", "4")]);

    // As a stable sort has them, whatever their order and however long a beginning they share.
    for count in [0_usize, 1, 2, 3, 50, 500] {
        for step in [1, 7, 11, 13] {
            let listed: Vec<Resource> = (0..count)
                .map(|number| {
                    let id = (number * step) % (count / 2 + 1);
                    let prefix = if number % 2 == 0 { "i-0123456789abcdef" } else { "i" };
                    realm(&format!("{prefix}{id}"), &number.to_string())
                })
                .collect();
            let mut wanted = listed.clone();
            wanted.sort_by(|a, b| a.id().cmp(b.id()));
            let mut sorted = listed;
            sort_in_place(&mut sorted);
            assert_eq!(sorted, wanted, "{count} {step}");
        }
    }
}
