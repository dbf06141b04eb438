//! Asking Nova: with a token, which is got again once where the kept one is refused, and with a microversion.

use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::{Account, Error, session};

use crate::identity;
use crate::problem::Answered;
use crate::settings::Settings;

/// The first microversion in which servers of a cell that Nova does not reach are listed, by their ids alone. What it answers
/// is known; later ones add nothing that is listed.
const MICROVERSION: &str = "2.69";

/// What a cloud older than that is asked for: the last one that it has.
const OLDER: &str = "latest";

/// Where the session has it that a cloud is older, and for how many seconds: it may be upgraded.
const KEPT: &str = "microversion";
const LIFETIME: u32 = 86_400;

/// Asks for what lies at a path below Nova's endpoint.
pub(crate) fn get(account: &Account, settings: &Settings<'_>, path: &str) -> Result<Answered, Error> {
    let kept = identity::kept();
    let is_kept = kept.is_some();
    let access = match kept {
        Some(access) => access,
        None => identity::log_in(account, settings)?,
    };
    let answered = ask(&access, path)?;
    // Only a token from before may have ended: one that is fresh and refused is refused for good.
    if answered.status == 401 && is_kept { ask(&identity::log_in(account, settings)?, path) } else { Ok(answered) }
}

fn ask(access: &identity::Access, path: &str) -> Result<Answered, Error> {
    let is_older = session::get(KEPT).is_some();
    let answered = send(access, path, if is_older { OLDER } else { MICROVERSION })?;
    if is_older || !answered.is_other_version() {
        return Ok(answered);
    }
    session::put(KEPT, OLDER.as_bytes(), LIFETIME);
    send(access, path, OLDER)
}

fn send(access: &identity::Access, path: &str, version: &str) -> Result<Answered, Error> {
    let request = Request::get(format!("{}{path}", access.compute))
        .header("accept", "application/json")
        .header("openstack-api-version", format!("compute {version}"))
        // The name that it had before Nova 14.
        .header("x-openstack-nova-api-version", version)
        .header("x-auth-token", access.token.clone());
    Ok(Answered::of(request.send()?))
}
