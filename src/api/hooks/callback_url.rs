//! The URL of a hook in a request: its position in the request, and its required form.

use crate::api::problem::{Problem, ProblemType};
use crate::api::settings::Settings;
use crate::model::HookUrl;
use crate::model::hook::InvalidHookUrl;

/// How a request names the URL of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlIn {
    /// As the parameter `track_hook`.
    Parameter,
    /// As the member `url` of its body.
    Body,
}

impl UrlIn {
    pub(crate) fn name(self) -> &'static str {
        match self {
            UrlIn::Parameter => "track_hook",
            UrlIn::Body => "/url",
        }
    }

    /// Says in a problem where the URL stands.
    pub(crate) fn mark(self, problem: Problem) -> Problem {
        match self {
            UrlIn::Parameter => problem.with("parameter", self.name()),
            UrlIn::Body => problem.with("where", self.name()),
        }
    }

    pub(crate) fn invalid(self, error: &InvalidHookUrl) -> Problem {
        let mut detail = format!("{} cannot be a hook: {error}", self.name());
        if self == UrlIn::Parameter {
            detail += "; `none` removes the hook";
        }
        self.mark(Problem::new(ProblemType::InvalidHook, detail))
    }
}

pub(crate) fn check_form(url: &HookUrl, place: UrlIn, settings: &Settings) -> Result<(), Problem> {
    if url.as_url().port() == Some(0) {
        let detail =
            format!("{} has port 0, on which nothing can listen: give the port of the receiver instead", place.name());
        return Err(place.mark(Problem::new(ProblemType::InvalidHook, detail)));
    }
    if settings.https_only && url.as_url().scheme() != "https" {
        let detail = format!("{} has to be https: the operator does not allow unencrypted callbacks", place.name());
        return Err(place.mark(Problem::new(ProblemType::InvalidHook, detail)));
    }
    Ok(())
}
