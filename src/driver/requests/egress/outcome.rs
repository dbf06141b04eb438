//! The outcome of a poll's requests so far, and the values to mask in everything that leaves the sandbox.

use std::sync::{Arc, Mutex, MutexGuard};

use wasmtime_wasi_http::Error;

use crate::driver::error::CallError;
use crate::driver::limits::Limits;
use crate::driver::message::message;
use crate::driver::requests::secrets::TooLong;
use crate::driver::requests::skew::Skew;
use crate::driver::requests::withheld::Withheld;
use crate::mask::Mask;

/// Shared by the sandbox, its requests and the answers to them.
pub(in crate::driver) struct Outcome {
    /// The driver's name.
    pub(super) driver: String,
    pub(super) limits: Limits,
    withheld: Mutex<Withheld>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// The first limit that was passed: it ends the poll, whatever the driver makes of it.
    passed: Option<CallError>,
    /// The first request that was not let out: it explains the error that the driver makes of it.
    refused: Option<String>,
    /// Why the last request got no connection, where an operator can do something about it.
    cut_off: Option<String>,
    /// By the last answer, where clocks differ.
    skew: Option<Skew>,
}

impl Outcome {
    pub(super) fn new(driver: String, limits: Limits, withheld: Withheld) -> Outcome {
        Outcome { driver, limits, withheld: Mutex::new(withheld), noted: Mutex::default() }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().expect("invariant: no holder of this lock can panic")
    }

    pub(in crate::driver) fn with_withheld<T>(&self, use_it: impl FnOnce(&mut Withheld) -> T) -> T {
        use_it(&mut self.withheld.lock().expect("invariant: no holder of this lock can panic"))
    }

    /// What is masked by now in what leaves the sandbox.
    pub(in crate::driver) fn withheld(&self) -> Arc<Mask> {
        self.with_withheld(|withheld| withheld.so_far())
    }

    /// A text that is shown, logged or kept, without secrets.
    pub(in crate::driver) fn masked(&self, text: String) -> String {
        self.withheld().text(text)
    }

    /// The limit that was passed, if one was.
    pub(in crate::driver) fn passed(&self) -> Option<CallError> {
        self.noted().passed.clone()
    }

    /// Why a request was not let out, if one was not.
    pub(in crate::driver) fn refused(&self) -> Option<String> {
        self.noted().refused.clone()
    }

    /// Why there is no connection, if that is how things stand.
    pub(in crate::driver) fn cut_off(&self) -> Option<String> {
        self.noted().cut_off.clone()
    }

    /// How far the host's clock is from that of whoever answered last, where that may be why it refuses.
    pub(in crate::driver) fn skew(&self) -> Option<Skew> {
        self.noted().skew
    }

    /// Notes that there was an answer, and how far its sender's clock is from the host's.
    pub(super) fn answered(&self, skew: Option<Skew>) {
        let mut noted = self.noted();
        noted.cut_off = None;
        noted.skew = skew;
    }

    /// Notes why there is no connection.
    pub(super) fn set_cut_off(&self, why: String) {
        let why = self.masked(why);
        self.noted().cut_off = Some(why);
    }

    pub(super) fn pass(&self, limit: &'static str, setting: &'static str, value: String) {
        self.end_with(CallError::Limit { limit, setting, value });
    }

    /// Notes why the poll ends, unless that is known.
    pub(super) fn end_with(&self, error: CallError) {
        self.noted().passed.get_or_insert(error);
    }

    /// Notes that a request would become too long.
    pub(in crate::driver) fn pass_request_bytes(&self, too_long: TooLong) -> TooLong {
        self.pass("bytes of a request", "request_bytes", self.limits.request_bytes.to_string());
        too_long
    }

    /// Notes that the poll takes longer than it may.
    pub(in crate::driver) fn pass_poll_timeout(&self) {
        self.end_with(CallError::poll_timeout(&self.limits));
    }

    pub(super) fn pass_request_timeout(&self) {
        let value = format!("{:?}", self.limits.request_timeout);
        self.pass("the time of one request", "request_timeout", value);
    }

    pub(super) fn pass_head(&self) -> Error {
        let limit = self.limits.answer_header_bytes;
        self.pass("bytes of an answer's headers", "answer_header_bytes", limit.to_string());
        Error::HttpResponseHeaderSectionSize(u32::try_from(limit).ok())
    }

    /// Notes why a request is not let out.
    pub(super) fn refuse(&self, why: String) {
        let why = message(self.masked(why));
        self.noted().refused.get_or_insert(why);
    }
}
