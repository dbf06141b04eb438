//! What a hook's callbacks are signed with: a secret that the receiver shares, or a key pair of which it has the
//! public half. Made here, sealed for the store, and shown once.

use secrecy::ExposeSecret as _;

use super::super::App;
use super::super::caller::Caller;
use super::super::problem::Problem;
use crate::model::{Hook, Sealed, SigningSecret};
use crate::vault::Purpose;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Signing {
    #[default]
    Hmac,
    Ed25519,
}

impl Signing {
    pub(super) const WORDS: &[&str] = &["hmac"];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Signing::Hmac => "hmac",
            Signing::Ed25519 => "ed25519",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Signing> {
        (text == "hmac").then_some(Signing::Hmac)
    }
}

/// What a client is shown of a key.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) signing: Signing,
    /// Only in the answer to the request that made or brought it.
    pub(super) secret: Option<String>,
    pub(super) public_key: Option<String>,
}

/// Makes a key, or takes the one that the client brought; gives it sealed, and what the client is shown.
pub(super) fn new_key(
    app: &App,
    caller: &Caller,
    signing: Signing,
    brought: Option<SigningSecret>,
) -> Result<(Sealed, Shown), Problem> {
    let secret = match brought {
        Some(secret) => secret,
        None => made()?,
    };
    let text = secret.to_text();
    let sealed = app.context.vault.seal(Purpose::HookSecret(&caller.key), text.as_bytes())?;
    Ok((sealed, Shown { signing, secret: Some(text), public_key: None }))
}

/// A secret of random bytes.
pub(in super::super) fn made() -> Result<SigningSecret, Problem> {
    let mut bytes = [0; SigningSecret::BYTES];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    Ok(SigningSecret::from_bytes(bytes))
}

/// What is shown of a hook's present key. Nothing, where it no longer opens: the hook can still be read, and
/// rotated.
pub(super) fn present(app: &App, caller: &Caller, hook: &Hook) -> Option<Shown> {
    let opened = app.context.vault.open(Purpose::HookSecret(&caller.key), &hook.secrets.current);
    let opened = opened.inspect_err(|error| {
        tracing::error!(hook = %hook.id, account = %caller.key, "its signing key is of no use: {error}");
    });
    let is_hmac = SigningSecret::parse(opened.ok()?.expose_secret()).is_ok();
    Some(Shown { signing: if is_hmac { Signing::Hmac } else { Signing::Ed25519 }, secret: None, public_key: None })
}
