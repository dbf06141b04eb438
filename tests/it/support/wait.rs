//! Waiting for what comes about by itself: a condition looked at again and again until a deadline. The one
//! place of the tests where time passes.

use std::time::Duration;

/// Far more than anything here takes on an idle machine, and little enough to learn of a hang.
pub(crate) const SOON: Duration = Duration::from_secs(30);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What the future gives, should it do so in time.
pub(crate) async fn at_most<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, future).await.ok()
}

/// Between two looks, for a task of its own, which can't hand a condition to `eventually`.
pub(crate) async fn a_moment() {
    tokio::time::sleep(BETWEEN_LOOKS).await;
}

/// Gives what the condition gives once it gives something. Fails after the deadline, saying what did not come
/// and what the condition saw instead.
pub(crate) async fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let mut instead = String::new();
    let looking = async {
        loop {
            match condition().await {
                Ok(found) => return found,
                Err(seen) => instead = seen,
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    match tokio::time::timeout(deadline, looking).await {
        Ok(found) => found,
        Err(_) => panic!("not within {deadline:?}: {what}; instead: {instead}"),
    }
}
