//! The imports of the contract besides WASI: the account's secrets, the session memory, the host's log. For each
//! supported version of the contract.

use std::time::Duration;

use super::super::bindings::{v0_1, v0_2};
use super::super::message::message;
use super::Sandbox;
use crate::driver::requests::secrets::{Secrets, TooLong, Uncomputed};
use crate::driver::requests::signing;
use crate::driver::requests::withheld::{TOO_MANY_COMPUTED, Withheld};

/// The longest chain of messages that is signed. The longest scheme that is known (AWS's) has five.
const MOST_CHAINED: usize = 64;

impl Sandbox {
    /// Ends the poll of a driver that has more signed or hashed in one call than a request may have.
    fn require_signable(&self, bytes: usize) -> wasmtime::Result<()> {
        if bytes <= self.host.limits.request_bytes {
            return Ok(());
        }
        if let Some(egress) = self.egress() {
            egress.outcome().pass_request_bytes(TooLong);
        }
        Err(TooLong.into())
    }

    /// Computes something with the account's secrets. What would become longer than a request may be ends the poll.
    fn compute<T>(
        &self,
        compute: impl FnOnce(&mut Secrets, usize) -> Result<T, Uncomputed>,
    ) -> wasmtime::Result<Result<T, v0_2::credentials::Error>> {
        let Some(egress) = self.egress() else {
            return Ok(Err(v0_2::credentials::Error::NotSet(NO_ACCOUNT.into())));
        };
        let most = self.host.limits.request_bytes;
        match egress.with_secrets(|secrets| compute(secrets, most)) {
            Ok(computed) => Ok(Ok(computed)),
            Err(Uncomputed::Error(error)) => Ok(Err(error)),
            Err(Uncomputed::TooLong(too_long)) => Err(egress.outcome().pass_request_bytes(too_long).into()),
        }
    }

    /// Ends the poll of a driver that has a longer chain signed in one call than a request may be.
    fn check_chain(&self, prefix: &[u8], chain: &[Vec<u8>]) -> wasmtime::Result<Result<(), v0_2::credentials::Error>> {
        if chain.len() > MOST_CHAINED {
            let count = chain.len();
            let why = format!("a chain has at most {MOST_CHAINED} messages; this one has {count}");
            return Ok(Err(v0_2::credentials::Error::Unusable(why)));
        }
        self.require_signable(chain.iter().fold(prefix.len(), |bytes, message| bytes.saturating_add(message.len())))?;
        Ok(Ok(()))
    }

    fn remembered(&self, key: &str) -> Option<Vec<u8>> {
        let account = self.account.as_ref()?;
        let now = self.host.clock.now();
        self.host.sessions.get(account.egress.session(), &account.credentials_mark, key, now)
    }

    fn remember(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) {
        let Some(account) = &self.account else { return };
        let lifetime = Duration::from_secs(lifetime_seconds.into());
        let (now, mark) = (self.host.clock.now(), &account.credentials_mark);
        let is_in = |withheld: &mut Withheld| withheld.is_in(key.as_bytes()) || withheld.is_in(&value);
        let kept = match account.egress.outcome().with_withheld(is_in) {
            true => Err("a secret, or what was computed with one, is not kept"),
            false => self.host.sessions.put(account.egress.session(), mark, (key, value), lifetime, now),
        };
        if let Err(why) = kept
            && self.may_log()
            && let Some(account) = &self.account
        {
            tracing::debug!(account = %account.key, "a session entry was not kept: {why}");
        }
    }

    fn write_log(&mut self, level: v0_2::log::Level, text: String) {
        if !self.may_log() {
            return;
        }
        let account = self.account.as_ref().map(|account| account.key.to_string()).unwrap_or_default();
        let said = message(self.masked(text));
        if let Some(watch) = self.egress().and_then(|egress| egress.watch()) {
            watch.logged(&said);
        }
        match level {
            v0_2::log::Level::Debug => tracing::debug!(account, "driver: {said}"),
            v0_2::log::Level::Info => tracing::info!(account, "driver: {said}"),
            v0_2::log::Level::Warn => tracing::warn!(account, "driver: {said}"),
            v0_2::log::Level::Error => tracing::error!(account, "driver: {said}"),
        }
    }
}

const NO_ACCOUNT: &str = "there is no account while a driver describes itself";

impl v0_2::credentials::Host for Sandbox {
    fn placeholder(
        &mut self,
        name: String,
        encoding: v0_2::credentials::Encoding,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.compute(|secrets, _| Ok(secrets.placeholder(&name, encoding)?))
    }

    fn matches(&mut self, name: String, text: String) -> wasmtime::Result<Result<bool, v0_2::credentials::Error>> {
        self.require_signable(text.len())?;
        self.compute(|secrets, _| Ok(secrets.matches(&name, &text)?))
    }

    fn hmac(
        &mut self,
        name: String,
        hash: v0_2::credentials::Hash,
        prefix: Vec<u8>,
        chain: Vec<Vec<u8>>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        if let Err(error) = self.check_chain(&prefix, &chain)? {
            return Ok(Err(error));
        }
        self.compute(|secrets, most| secrets.hmac((&name, hash), &prefix, &chain, (output, most)))
    }

    fn digest(
        &mut self,
        hash: v0_2::credentials::Hash,
        message: Vec<u8>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.require_signable(message.len())?;
        self.compute(|secrets, most| secrets.digest(hash, &message, (output, most)))
    }

    fn sign(
        &mut self,
        name: String,
        scheme: v0_2::credentials::Scheme,
        message: Vec<u8>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.require_signable(message.len())?;
        self.compute(|secrets, most| secrets.sign((&name, scheme), &message, (output, most)))
    }
}

impl v0_2::session::Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.remembered(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) -> wasmtime::Result<()> {
        self.remember(key, value, lifetime_seconds);
        Ok(())
    }
}

impl v0_2::log::Host for Sandbox {
    fn write(&mut self, level: v0_2::log::Level, text: String) -> wasmtime::Result<()> {
        self.write_log(level, text);
        Ok(())
    }
}

/// Contract 0.1 gives what was computed to the driver. What could be used for other requests than its own is refused, and
/// the rest is masked where it leaves the sandbox.
impl v0_1::credentials::Host for Sandbox {
    fn placeholder(
        &mut self,
        name: String,
        encoding: v0_1::credentials::Encoding,
    ) -> wasmtime::Result<Result<String, v0_1::credentials::Error>> {
        let encoding = match encoding {
            v0_1::credentials::Encoding::Raw => v0_2::credentials::Encoding::Raw,
            v0_1::credentials::Encoding::Basic => v0_2::credentials::Encoding::Basic,
            v0_1::credentials::Encoding::Json => v0_2::credentials::Encoding::Json,
            v0_1::credentials::Encoding::Form => v0_2::credentials::Encoding::Form,
        };
        Ok(self.compute(|secrets, _| Ok(secrets.placeholder(&name, encoding)?))?.map_err(Into::into))
    }

    fn hmac_sha256(
        &mut self,
        name: String,
        prefix: Vec<u8>,
        chain: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<Vec<u8>, v0_1::credentials::Error>> {
        if let Err(error) = self.check_chain(&prefix, &chain)? {
            return Ok(Err(error.into()));
        }
        if !signing::is_signature(&prefix, &chain) {
            let why = "the chain ends in a key and not in a signature: its last message is no text to sign. A driver of \
                       contract 0.2 may send such a value, and never sees it";
            return Ok(Err(v0_1::credentials::Error::Unusable(why.into())));
        }
        let signed = self.compute(|secrets, _| Ok(secrets.older_hmac(&name, &prefix, &chain)?))?;
        Ok(signed.and_then(|signed| self.given(signed)).map_err(Into::into))
    }

    fn digest_sha256(&mut self, message: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.require_signable(message.len())?;
        let most = self.host.limits.request_bytes;
        let Some(egress) = self.egress() else {
            return Ok(Secrets::none().older_digest(&message, most)?.0);
        };
        let digest = egress.with_secrets(|secrets| secrets.older_digest(&message, most));
        let (digest, has_secret) = digest.map_err(|too_long| egress.outcome().pass_request_bytes(too_long))?;
        if has_secret && self.given(digest.clone()).is_err() {
            // The contract has no error for it.
            return Err(wasmtime::Error::msg(TOO_MANY_COMPUTED));
        }
        Ok(digest)
    }

    fn sign_rs256(
        &mut self,
        name: String,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, v0_1::credentials::Error>> {
        self.require_signable(message.len())?;
        let signed = self.compute(|secrets, _| Ok(secrets.older_sign(&name, &message)?))?;
        Ok(signed.and_then(|signed| self.given(signed)).map_err(Into::into))
    }
}

impl Sandbox {
    /// Notes a value that the driver is given, so that it is masked where it leaves the sandbox.
    fn given(&self, value: Vec<u8>) -> Result<Vec<u8>, v0_2::credentials::Error> {
        match self.egress().is_none_or(|egress| egress.outcome().with_withheld(|withheld| withheld.note(&value))) {
            true => Ok(value),
            false => Err(v0_2::credentials::Error::Unusable(TOO_MANY_COMPUTED.into())),
        }
    }
}

impl From<v0_2::credentials::Error> for v0_1::credentials::Error {
    fn from(error: v0_2::credentials::Error) -> v0_1::credentials::Error {
        match error {
            v0_2::credentials::Error::NotSet(why) => v0_1::credentials::Error::NotSet(why),
            v0_2::credentials::Error::Unusable(why) => v0_1::credentials::Error::Unusable(why),
        }
    }
}

impl v0_1::session::Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.remembered(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) -> wasmtime::Result<()> {
        self.remember(key, value, lifetime_seconds);
        Ok(())
    }
}

impl v0_1::log::Host for Sandbox {
    fn write(&mut self, level: v0_1::log::Level, text: String) -> wasmtime::Result<()> {
        self.write_log(
            match level {
                v0_1::log::Level::Debug => v0_2::log::Level::Debug,
                v0_1::log::Level::Info => v0_2::log::Level::Info,
                v0_1::log::Level::Warn => v0_2::log::Level::Warn,
                v0_1::log::Level::Error => v0_2::log::Level::Error,
            },
            text,
        );
        Ok(())
    }
}
