//! Creates a hook, for all requests that can create one: checks the account's limit and writes the hook to the store.

use secrecy::{ExposeSecret as _, SecretString};

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::problem::{Problem, ProblemType};
use crate::model::{Hook, HookSpec, Kind, ResourceId, Sealed, Timestamp};
use crate::store::{self, NewHook, Once, Written};
use crate::vault::{Purpose, Vault};

/// A hook as the store is to make it: within the account's limit, and with the account polled soon, for a client that
/// begins to wait for what happens. By then a client's own word would have had it listed, however many hooks are set.
pub(crate) fn new_hook(
    app: &App,
    caller: &Caller,
    track: Option<(Kind, ResourceId)>,
    (spec, secret): (HookSpec, Sealed),
    now: Timestamp,
) -> NewHook {
    let settings = &app.context.settings;
    NewHook {
        account: caller.account,
        owner: caller.owner.clone(),
        track,
        spec,
        secret,
        limit: settings.hooks_per_account,
        filter_items: settings.filter_items_per_account,
        poll_by: Some(now.after(settings.refresh_every)),
        now,
    }
}

pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    hook: NewHook,
    once: Option<Once<Hook>>,
) -> store::Result<Written<Hook>> {
    app.context.store.create_hook(hook, once).await.inspect_err(|_| {
        // The store may have forgotten the account, which a new proof makes known again.
        app.proofs.distrust(&caller.key, caller.proven);
    })
}

/// Errs where the account has as many hooks as it may have. It is held to that when the hook is made: this only spares
/// a receiver from being asked in vain.
pub(crate) async fn check_room(app: &App, caller: &Caller) -> Result<(), Problem> {
    let has = app.context.store.count_hooks(caller.account).await?;
    if has < app.context.settings.hooks_per_account { Ok(()) } else { Err(no_room(app)) }
}

pub(crate) fn no_room(app: &App) -> Problem {
    let limit = app.context.settings.hooks_per_account;
    let detail = format!("the account has {limit} hooks, the maximum");
    Problem::new(ProblemType::TooManyHooks, detail).with("limit", limit)
}

pub(crate) fn seal_token(
    vault: &Vault,
    caller: &Caller,
    token: Option<&SecretString>,
) -> Result<Option<Sealed>, Problem> {
    let seal = |token: &SecretString| vault.seal(Purpose::HookToken(&caller.key), token.expose_secret().as_bytes());
    Ok(token.map(seal).transpose()?)
}
