//! Writes in their plain form for the store's tests: without an idempotency key, for any version, and without a limit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{AccountId, ChangeId, HookId, HookSpec, Owner, Sealed, Timestamp, Token, TokenId};
use crate::store::{
    Condition, EditedHook, HookAction, HookEdit, HookPlace, LeasePlace, LeaseRequest, Leased, NewHook, NewToken, Once,
    PendingChange, Redrive, Refusal, RenewedToken, RepeatableRequest, ReplayFrom, Result, Store, TokenHash, Written,
};

#[async_trait]
pub(crate) trait Plainly {
    async fn set_hook(&self, hook: NewHook) -> Result<HookId>;

    async fn edit(&self, place: &HookPlace, action: HookAction, now: Timestamp) -> Result<Option<EditedHook>>;

    async fn remove_hook(&self, place: &HookPlace) -> Result<bool>;

    async fn redrive(
        &self,
        place: &HookPlace,
        only: Option<ChangeId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<usize>>;

    async fn issue_token(&self, token: NewToken) -> Result<Token>;

    async fn rotate_token(
        &self,
        account: AccountId,
        id: TokenId,
        hash: TokenHash,
        expires: Option<Timestamp>,
    ) -> Result<bool>;

    /// Everything that is pending, lent and acknowledged.
    async fn take_pending(&self, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<PendingChange>>;

    async fn change_hook(&self, place: &HookPlace, spec: HookSpec, now: Timestamp) -> Result<bool> {
        Ok(self.edit(place, HookAction::Replace { spec: Box::new(spec), filter_items: u64::MAX }, now).await?.is_some())
    }

    async fn rotate_secret(&self, place: &HookPlace, secret: Sealed, until: Timestamp) -> Result<bool> {
        Ok(self.edit(place, HookAction::RotateSecret { secret, overlap: Duration::ZERO }, until).await?.is_some())
    }

    async fn pause_hook(&self, place: &HookPlace, now: Timestamp) -> Result<bool> {
        Ok(self.edit(place, HookAction::Pause, now).await?.is_some())
    }

    async fn resume_hook(&self, place: &HookPlace, now: Timestamp) -> Result<bool> {
        Ok(self.edit(place, HookAction::Resume, now).await?.is_some())
    }

    async fn test_hook(&self, place: &HookPlace, now: Timestamp) -> Result<Option<ChangeId>> {
        Ok(self.edit(place, HookAction::Test, now).await?.and_then(|edited| edited.test))
    }

    async fn replay(&self, place: &HookPlace, from: ReplayFrom, now: Timestamp) -> Result<bool> {
        Ok(self.edit(place, HookAction::Replay(from), now).await?.is_some())
    }
}

/// Nothing where the write was refused.
fn done<T>(written: Written<T>) -> Option<T> {
    match written {
        Written::Done(done) => Some(done),
        Written::Refused(_) => None,
        Written::Replayed(_) => panic!("it has no key"),
    }
}

#[async_trait]
impl<S: Store + ?Sized> Plainly for S {
    async fn take_pending(&self, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<PendingChange>> {
        let (now, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
        let request = LeaseRequest { account, owner: owner.clone(), limit, now, until, ends_with_host: false };
        let Leased { id, changes, up_to, .. } = self.lend_pending(request).await?;
        if let Some(up_to) = up_to {
            self.acknowledge_pending(LeasePlace { account, owner: owner.clone(), id }, up_to).await?;
        }
        Ok(changes)
    }

    async fn set_hook(&self, hook: NewHook) -> Result<HookId> {
        Ok(done(self.create_hook(hook, None).await?).expect("there is no limit").id)
    }

    async fn edit(&self, place: &HookPlace, action: HookAction, now: Timestamp) -> Result<Option<EditedHook>> {
        let edit = HookEdit { place: place.clone(), condition: Condition::default(), action, now };
        Ok(done(self.edit_hook(edit, None).await?))
    }

    async fn remove_hook(&self, place: &HookPlace) -> Result<bool> {
        Ok(self.delete_hook(place, Condition::default()).await?.is_ok())
    }

    async fn redrive(
        &self,
        place: &HookPlace,
        only: Option<ChangeId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<usize>> {
        let redrive = Redrive { place: place.clone(), condition: Condition::default(), only, limit, now };
        Ok(match self.redrive_hook(redrive, None).await? {
            Written::Refused(Refusal::NoDeadLetter) => Some(0),
            written => done(written).map(|redriven| redriven.number),
        })
    }

    async fn issue_token(&self, token: NewToken) -> Result<Token> {
        Ok(done(self.create_token(token, None).await?).expect("there is no limit"))
    }

    async fn rotate_token(
        &self,
        account: AccountId,
        id: TokenId,
        hash: TokenHash,
        expires: Option<Timestamp>,
    ) -> Result<bool> {
        Ok(done(self.renew_token(RenewedToken { account, id, hash, expires }, None).await?).is_some())
    }
}

/// Beside a write that is to be made once, and answered so.
pub(crate) fn once<T>(request: &RepeatableRequest, answer: &Sealed) -> Option<Once<T>> {
    let answer = answer.clone();
    Some(Once { request: request.clone(), answer: Arc::new(move |_: &T| Ok(answer.clone())) })
}
