//! Reading the journal from a place in it.

use super::world::{World, short};
use crate::model::{AccountId, Filter, IdPattern, InstanceState};
use crate::store::{ChangePage, ChangeQuery};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

async fn page(world: &World, account: AccountId, query: ChangeQuery) -> ChangePage {
    world.store().changes(account, query).await.expect("read")
}

pub(crate) async fn the_journal_is_read_in_pages_and_filtered(world: World) {
    assert_eq!(world.store().newest_change().await.expect("read").sequence, 0);
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    for account in [ann, bob] {
        world.observe(account, &[]).await;
        world.observe(account, &[("a", RUNNING), ("b", RUNNING)]).await;
    }
    world.observe(ann, &[("a", STOPPED), ("b", RUNNING)]).await;
    let all = ChangeQuery { after: 0, filter: Filter::default(), limit: 100, looked_at: 100 };
    let told = |page: &ChangePage| page.changes.iter().map(|change| short(&change.what)).collect::<Vec<_>>();
    let whole = page(&world, ann, all.clone()).await;
    assert_eq!(told(&whole), ["a ->RUNNING", "b ->RUNNING", "a RUNNING>STOPPED"]);
    assert!(whole.at_end);
    assert_eq!(whole.next, whole.changes[2].cursor);
    assert_eq!(world.store().newest_change().await.expect("read"), whole.next);

    let first = page(&world, ann, ChangeQuery { limit: 2, ..all.clone() }).await;
    assert_eq!((told(&first).len(), first.at_end), (2, false));
    let rest = page(&world, ann, ChangeQuery { after: first.next.sequence, ..all.clone() }).await;
    assert_eq!((told(&rest), rest.at_end), (vec!["a RUNNING>STOPPED".to_owned()], true));
    let none = page(&world, ann, ChangeQuery { after: rest.next.sequence, ..all.clone() }).await;
    assert_eq!((told(&none).len(), none.at_end, none.next), (0, true, rest.next));

    // What the filter keeps back moves the cursor on all the same.
    let filter = Filter { ids: vec![IdPattern::Exact("b".into())], ..Filter::default() };
    let some = page(&world, ann, ChangeQuery { filter: filter.clone(), ..all.clone() }).await;
    assert_eq!((told(&some), some.next), (vec!["b ->RUNNING".to_owned()], whole.next));
    let little = page(&world, ann, ChangeQuery { filter, looked_at: 1, ..all }).await;
    assert_eq!((told(&little).len(), little.at_end, little.next), (0, false, whole.changes[0].cursor));
}
