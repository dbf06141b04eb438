//! The guarantees of delivery, with random sequences of events that are shrunk when one violates a guarantee.
//! `PROPTEST_CASES` sets their number; the default keeps a test run short.

use proptest::prelude::*;

use super::world;
use crate::store::contract::promises;

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn are_kept_whatever_happens(steps in promises::steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (world, store) = world();
            drop(store);
            promises::hold(world, &steps).await;
        });
    }
}
