//! The signing key of a hook's callbacks: a secret shared with the receiver, or a key pair of which the receiver has
//! the public half. Created here, sealed for the store, and shown once.

use secrecy::ExposeSecret as _;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::problem::Problem;
use crate::model::{Ed25519Key, Hook, Sealed, SigningKey, SigningSecret};
use crate::store::{SealedColumn, Unopened};
use crate::vault::Purpose;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(as = SigningAlgorithm, rename_all = "lowercase")]
pub(super) enum Signing {
    #[default]
    Hmac,
    Ed25519,
}

impl Signing {
    pub(super) const WORDS: &[&str] = &["hmac", "ed25519"];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Signing::Hmac => "hmac",
            Signing::Ed25519 => "ed25519",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Signing> {
        [Signing::Hmac, Signing::Ed25519].into_iter().find(|signing| signing.as_str() == text)
    }
}

/// What a client is shown of a key.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) signing: Signing,
    /// Only in the answer to the request that made or brought it, and never a private key: nobody else needs it.
    pub(super) secret: Option<String>,
    /// What the receiver verifies with, where that is not the secret itself.
    pub(super) public_key: Option<String>,
}

impl Shown {
    /// At any time but the first.
    fn of(key: &SigningKey) -> Shown {
        let signing = match key {
            SigningKey::Hmac(_) => Signing::Hmac,
            SigningKey::Ed25519(_) => Signing::Ed25519,
        };
        Shown { signing, secret: None, public_key: key.public_text() }
    }
}

/// Makes a key, or takes the one that the client brought; gives it sealed, and what the client is shown.
pub(super) fn new_key(
    app: &App,
    caller: &Caller,
    signing: Signing,
    brought: Option<SigningSecret>,
) -> Result<(Sealed, Shown), Problem> {
    let key: SigningKey = match (signing, brought) {
        (Signing::Hmac, Some(secret)) => secret.into(),
        (Signing::Hmac, None) => made()?.into(),
        (Signing::Ed25519, _) => Ed25519Key::from_bytes(random()?).into(),
    };
    let text = key.to_text();
    let sealed = app.context.vault.seal(Purpose::HookSecret(&caller.key), text.as_bytes())?;
    let secret = (signing == Signing::Hmac).then_some(text);
    Ok((sealed, Shown { secret, ..Shown::of(&key) }))
}

/// A secret of random bytes.
pub(crate) fn made() -> Result<SigningSecret, Problem> {
    Ok(SigningSecret::from_bytes(random()?))
}

fn random<const COUNT: usize>() -> Result<[u8; COUNT], Problem> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    Ok(bytes)
}

/// What is shown of a hook's present key. Nothing, where it does not open: see `unopened`.
pub(super) fn present(app: &App, caller: &Caller, hook: &Hook) -> Option<Shown> {
    let opened = app.context.vault.open(Purpose::HookSecret(&caller.key), &hook.secrets.current);
    Some(Shown::of(&SigningKey::parse(opened.ok()?.expose_secret()).ok()?))
}

/// What of a hook does not open.
pub(super) fn unopened(app: &App, caller: &Caller, hook: &Hook) -> Option<Unopened> {
    let vault = &app.context.vault;
    let opens_key = |sealed: &Sealed| {
        let opened = vault.open(Purpose::HookSecret(&caller.key), sealed);
        opened.is_ok_and(|key| SigningKey::parse(key.expose_secret()).is_ok())
    };
    let secrets = &hook.secrets;
    if let Some(token) = &hook.spec.token
        && vault.open(Purpose::HookToken(&caller.key), token).is_err()
    {
        return Some(Unopened { column: SealedColumn::HookToken(hook.id), sealed: token.clone() });
    }
    if !opens_key(&secrets.current) {
        return Some(Unopened { column: SealedColumn::HookSecret(hook.id), sealed: secrets.current.clone() });
    }
    let (previous, _) = secrets.previous.as_ref().filter(|(previous, _)| !opens_key(previous))?;
    Some(Unopened { column: SealedColumn::HookOldSecret(hook.id), sealed: previous.clone() })
}
