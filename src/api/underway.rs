//! Work that a request began and that outlives its connection. It is still waited for: `listen` lets it end before
//! the host does.

use std::sync::{Mutex, MutexGuard};

use tokio::task::JoinSet;

#[derive(Debug, Default)]
pub(super) struct Underway(Mutex<JoinSet<()>>);

impl Underway {
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Those that ended are let go, or they would pile up.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Returns once nothing is under way any more.
    pub(super) async fn ended(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.tasks());
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().expect("invariant: no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Notify, oneshot};

    use super::*;

    #[tokio::test]
    async fn what_is_under_way_is_waited_for() {
        let underway = Arc::new(Underway::default());
        underway.ended().await;
        let go = Arc::new(Notify::new());
        let (sender, mut done) = oneshot::channel();
        let waits = Arc::clone(&go);
        underway.spawn(async move {
            waits.notified().await;
            let _ = sender.send(());
        });
        let mut ended = Box::pin(underway.ended());
        tokio::select! {
            biased;
            () = ended.as_mut() => panic!("it ended before what was under way"),
            () = std::future::ready(()) => {}
        }
        go.notify_one();
        ended.await;
        assert_eq!(done.try_recv(), Ok(()));
    }
}
