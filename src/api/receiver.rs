//! Whether a URL may be called back, judged when a hook is set: its scheme, and its address as things stand.
//! Whoever sends judges the address again.

use super::App;
use super::errors::UrlIn;
use super::problem::{Problem, ProblemType};
use super::settings::Settings;
use crate::model::HookUrl;
use crate::net::SendError;

pub(super) fn check_scheme(url: &HookUrl, place: UrlIn, settings: &Settings) -> Result<(), Problem> {
    if settings.https_only && url.as_url().scheme() != "https" {
        let detail = format!("{} has to be https: the operator lets no callback go unencrypted", place.name());
        return Err(place.mark(Problem::new(ProblemType::InvalidHook, detail)));
    }
    Ok(())
}

/// A hook that could never be called is better refused when it is set.
pub(super) async fn check_address(app: &App, url: &HookUrl, place: UrlIn) -> Result<(), Problem> {
    match app.context.hooks_client.check_url(url.as_url()).await {
        Err(error @ SendError::Refused(_)) => {
            let detail = format!(
                "{} can't be called: {}; an operator opens an address or range to callbacks with \
                 delivery.allow_addresses",
                place.name(),
                error.public()
            );
            Err(place.mark(Problem::new(ProblemType::HookAddressClosed, detail)).logging(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
