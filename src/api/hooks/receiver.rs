//! Checks a URL when a hook is set: its scheme, its port, a literal address in it, and, if the operator requires it,
//! the receiver's consent. The sender checks the address that a name resolves to. A check of names here would tell
//! every client which names exist in the internal network.

use super::callback_url::UrlIn;
use super::consent;
use crate::api::app::App;
use crate::api::problem::{Problem, ProblemType};
use crate::api::settings::Consent;
use crate::model::{HookUrl, Rate};

/// Returns the rate that the hook may have: the one that was asked for, or a lower one that its receiver allows.
pub(crate) async fn admit(app: &App, url: &HookUrl, place: UrlIn, rate: Option<Rate>) -> Result<Option<Rate>, Problem> {
    check_address(app, url, place)?;
    match app.context.settings.consent {
        Consent::None => Ok(rate),
        Consent::Ask => consent::ask(app, url, place, rate).await,
    }
}

/// A hook that could never be called is better refused when it is set.
fn check_address(app: &App, url: &HookUrl, place: UrlIn) -> Result<(), Problem> {
    app.context.hooks_client.check_literal(url.as_url()).map_err(|refused| {
        let detail = format!(
            "{} cannot be called: {refused}; the operator can allow addresses with delivery.allow_addresses",
            place.name()
        );
        place.mark(Problem::new(ProblemType::HookAddressClosed, detail))
    })
}
