//! How many files the system lets the host open, and how many of them connections may take: whoever fills all of them
//! would also stop polls and callbacks, which need connections of their own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets the host do so, and gives it; none where there is no limit.
pub(super) fn raised_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!("can't raise the limit of open files: {error}");
            current
        }
    }
}

/// As many connections as are set, but no more than three quarters of the files.
pub(super) fn connections_within(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let files = usize::try_from(limit).unwrap_or(usize::MAX);
    wanted.min((files / 4).saturating_mul(3)).max(1)
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
        check(Some(1024), 10_000, 768);
        check(Some(1024), 700, 700);
        check(Some(0), 10_000, 1);
    }
}
