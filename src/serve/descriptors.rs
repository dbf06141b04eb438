//! File descriptors: each callback in flight needs a connection, and shells often limit a process to 1,024 where the
//! system allows many more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and returns how many callbacks may be in flight: `wanted`, or half
/// of the limit. The rest is for clients (`api/server/listen/files`), providers and the store.
pub(super) fn make_room(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit = raised,
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    let within = within(wanted, limit.current);
    if within < wanted {
        tracing::info!(
            limit.files = limit.current,
            delivery.concurrency = within,
            "the limit of open files allows fewer callbacks in flight than delivery.concurrency: raise it \
             (ulimit -Hn, or LimitNOFILE of the systemd unit), or lower the setting",
        );
    }
    within
}

/// No limit at all is `None`.
fn within(wanted: usize, limit: Option<u64>) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    wanted.min((limit / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_have_half_of_the_descriptors() {
        assert_eq!(within(16_384, Some(1024)), 512);
        assert_eq!(within(500, Some(1024)), 500);
        assert_eq!(within(16_384, Some(524_288)), 16_384);
        assert_eq!(within(16_384, None), 16_384);
        assert_eq!(within(16_384, Some(0)), 1);
    }
}
