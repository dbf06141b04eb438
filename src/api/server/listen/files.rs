//! The limit on open files, and the share of it that connections may use. A client that used up all files would also
//! stop polls and callbacks, which need connections too.

use rustix::process::{Resource, getrlimit};

/// How many files the host may open by now (`serve` raises the limit at the start); none where there is no limit.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// As many connections as are set, but no more than three eighths of the files. Callbacks may take half of them, so that
/// an eighth is left for providers and the store.
pub(super) fn connections_within(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let files = usize::try_from(limit).unwrap_or(usize::MAX);
    wanted.min((files / 8).saturating_mul(3)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        let check = |limit: Option<u64>, wanted: usize, want: usize| {
            assert_eq!(connections_within(limit, wanted), want, "{limit:?} {wanted}");
        };
        check(None, 10_000, 10_000);
        check(Some(1 << 20), 10_000, 10_000);
        check(Some(1024), 10_000, 384);
        check(Some(1024), 300, 300);
        check(Some(0), 10_000, 1);
    }
}
