//! Requests in progress that a token authenticated. A stream or a waiting request ends at once when its token is
//! revoked, is rotated or expires. So revoking a leaked token also ends the streams that are already open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::api::problem::{Problem, ProblemType};
use crate::clock::Clock;
use crate::model::{AccountId, Timestamp, TokenId};

/// The tokens that requests under way bear: no more than there are such requests.
#[derive(Debug, Default)]
pub(crate) struct Bearers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    borne: HashMap<TokenId, Borne>,
    revocations: u64,
}

#[derive(Debug)]
struct Borne {
    account: AccountId,
    revoked: CancellationToken,
    /// By how many requests.
    requests: usize,
}

/// How many revocations there were before a token was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revocations(u64);

/// The token of one request, until this is dropped.
#[derive(Debug)]
pub(crate) struct Bearer {
    bearers: Arc<Bearers>,
    token: TokenId,
    expires: Option<Timestamp>,
    revoked: CancellationToken,
}

/// Why a token is not accepted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Revoked,
    Expired(Timestamp),
}

impl Bearers {
    pub(crate) fn revocations(&self) -> Revocations {
        Revocations(self.lock().revocations)
    }

    /// Takes down that a request bears the token, which was looked up after that many revocations. Nothing where there was
    /// another since: it may have been this one's, and the token is to be looked up again.
    pub(crate) fn bear(
        self: &Arc<Self>,
        (account, token): (AccountId, TokenId),
        expires: Option<Timestamp>,
        before: Revocations,
    ) -> Option<Bearer> {
        let mut state = self.lock();
        if state.revocations != before.0 {
            return None;
        }
        let new = || Borne { account, revoked: CancellationToken::new(), requests: 0 };
        let borne = state.borne.entry(token).or_insert_with(new);
        borne.requests += 1;
        let revoked = borne.revoked.clone();
        drop(state);
        Some(Bearer { bearers: Arc::clone(self), token, expires, revoked })
    }

    /// Ends what a token of the account waits for that the store has revoked, or given another secret.
    pub(crate) fn revoke(&self, account: AccountId, token: TokenId) {
        self.revoke_where(|id, borne| *id == token && borne.account == account);
    }

    /// The same for all tokens of an account.
    pub(crate) fn revoke_all(&self, account: AccountId) {
        self.revoke_where(|_, borne| borne.account == account);
    }

    fn revoke_where(&self, is_revoked: impl Fn(&TokenId, &Borne) -> bool) {
        let mut state = self.lock();
        state.revocations += 1;
        // Whoever bears it from now on has another secret.
        for (_, borne) in state.borne.extract_if(|token, borne| is_revoked(token, borne)) {
            borne.revoked.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Bearer {
    /// Why it is not accepted any more, if it is not.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Ended> {
        match self.expires {
            _ if self.revoked.is_cancelled() => Some(Ended::Revoked),
            Some(expires) if expires <= now => Some(Ended::Expired(expires)),
            _ => None,
        }
    }

    /// Returns once it is not accepted any more.
    pub(crate) async fn end(&self, clock: &dyn Clock) -> Ended {
        let Some(expires) = self.expires else {
            self.revoked.cancelled().await;
            return Ended::Revoked;
        };
        tokio::select! {
            () = self.revoked.cancelled() => Ended::Revoked,
            () = clock.sleep_until(expires) => Ended::Expired(expires),
        }
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        if self.revoked.is_cancelled() {
            // It was taken out, and the one that is there now is another's.
            return;
        }
        let mut state = self.bearers.lock();
        if let Some(borne) = state.borne.get_mut(&self.token) {
            borne.requests -= 1;
            if borne.requests == 0 {
                state.borne.remove(&self.token);
            }
        }
    }
}

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Problem {
        let detail = match ended {
            Ended::Revoked => "the token was revoked or rotated".to_owned(),
            Ended::Expired(at) => format!("the token expired at {at}"),
        };
        Problem::new(ProblemType::TokenRefused, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: AccountId = AccountId(1);

    fn bear(bearers: &Arc<Bearers>, account: AccountId, token: i64) -> Bearer {
        bearers.bear((account, TokenId(token)), None, bearers.revocations()).expect("nothing was revoked since")
    }

    #[test]
    fn what_is_revoked_ends_for_all_that_bear_it_and_for_nobody_else() {
        let bearers = Arc::new(Bearers::default());
        let now = Timestamp::from_millis(0);
        let (first, second) = (bear(&bearers, ANN, 1), bear(&bearers, ANN, 1));
        let (other, stranger) = (bear(&bearers, ANN, 2), bear(&bearers, AccountId(2), 3));
        // A number of another account's token ends nothing.
        bearers.revoke(AccountId(2), TokenId(1));
        assert_eq!(first.ended(now), None);
        bearers.revoke(ANN, TokenId(1));
        let again = bear(&bearers, ANN, 1);
        let ended = |all: &[&Bearer]| all.iter().map(|bearer| bearer.ended(now).is_some()).collect::<Vec<_>>();
        assert_eq!(ended(&[&first, &second, &other, &stranger, &again]), [true, true, false, false, false]);
        // Those that ended give back nothing that another holds.
        drop((first, second));
        bearers.revoke_all(ANN);
        assert_eq!(ended(&[&other, &stranger, &again]), [true, false, true]);
        drop((other, stranger, again));
        assert!(bearers.lock().borne.is_empty());
    }

    #[test]
    fn what_was_revoked_while_it_was_looked_up_is_looked_up_again() {
        let bearers = Arc::new(Bearers::default());
        let before = bearers.revocations();
        bearers.revoke(ANN, TokenId(1));
        assert!(bearers.bear((ANN, TokenId(1)), None, before).is_none());
        assert!(bearers.lock().borne.is_empty());
    }

    #[test]
    fn what_expires_ends_at_its_time() {
        let bearers = Arc::new(Bearers::default());
        let expires = Timestamp::from_millis(1000);
        let bearer = bearers.bear((ANN, TokenId(1)), Some(expires), bearers.revocations()).expect("borne");
        let check = |millis: i64, want: Option<Ended>| {
            assert_eq!(bearer.ended(Timestamp::from_millis(millis)), want, "{millis}");
        };
        check(999, None);
        check(1000, Some(Ended::Expired(expires)));
        bearers.revoke(ANN, TokenId(1));
        check(999, Some(Ended::Revoked));
    }
}
