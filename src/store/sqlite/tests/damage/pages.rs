//! A page of the file that is no longer valid.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::model::Origin;
use crate::store::{
    Accounts as _, Deliveries as _, Enrolment, Hooks as _, Inventory as _, Journal as _, PollClaim, Polls as _,
    Tokens as _,
};

const PAGE: u64 = 4096;

#[tokio::test]
async fn a_store_with_a_damaged_page_says_so_until_it_is_restored() {
    let template = template().await;
    let pages = std::fs::metadata(file(&template)).expect("there").len() / PAGE;
    let mut met = 0;
    // The first has the file's header.
    for page in 1..pages {
        let directory = TempDir::new().expect("a folder");
        let path = file(&directory);
        std::fs::copy(file(&template), &path).expect("copied");
        let written = std::fs::File::options().write(true).open(&path).expect("opened");
        written.write_all_at(&[0xff; PAGE as usize], page * PAGE).expect("damaged");
        let is_named = |error: &StoreError| {
            let text = error.to_string();
            assert!(text.contains(path.to_str().expect("UTF-8")), "page {page}: {text}");
            assert!(text.contains("damaged") && text.contains("restore"), "page {page}: {text}");
        };
        let store = match SqliteStore::open(&path, Settings::default()) {
            Ok(store) => store,
            Err(error) => {
                is_named(&error);
                met += 1;
                continue;
            }
        };
        let mut errors = Vec::new();
        let feed = ChangeQuery { after: After::Oldest, limit: 100, looked_at: 1000, filter: Default::default() };
        let now = Timestamp::from_millis(FIRST + 3_600_000);
        let enrolment = Enrolment { key: key("new"), origin: Origin::Client, password: Sealed(vec![1]), now };
        errors.extend(store.enrol(enrolment).await.err());
        for account in [AccountId(1), AccountId(2)] {
            errors.extend(store.list(account, query()).await.err());
            errors.extend(store.changes(account, feed.clone()).await.err());
            errors.extend(store.hooks(account, &Owner::Account, None, 100).await.err());
            errors.extend(store.tokens(account, None, 100).await.err());
            errors.extend(store.request_poll(account, Kind::Instance, now).await.err());
        }
        errors.extend(store.claim_due_polls(PollClaim::on_all(now, Duration::from_secs(60), 10)).await.err());
        errors.extend(store.next_delivery_due().await.err());
        for error in &errors {
            assert_eq!(error.kind(), "damaged", "page {page}: {error}");
            is_named(error);
        }
        let pinged = store.ping().await;
        assert!(errors.is_empty() || pinged.as_ref().is_err_and(|error| error.kind() == "damaged"), "page {page}");
        met += u64::from(!errors.is_empty());
    }
    assert!(met > pages / 3, "few pages were met: {met} of {pages}");
}
