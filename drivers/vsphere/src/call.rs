//! The calls of the API that this driver makes: SOAP, by POST, to `/sdk`.

mod body;
mod filter;

use tracker_driver_sdk::http::{Body, Headers, Request};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Account, Error};

use crate::answer::{self, Content, Object};
use crate::session::Session;
pub(crate) use answer::Failure;
pub(crate) use body::Call;
pub(crate) use filter::Filter;

/// Versions of the API are told in this header, and each server knows older ones. This one is of 2016; nothing that is
/// asked for is newer.
const VERSION: &str = "\"urn:vim25/6.5\"";

const COOKIE: &str = "vmware_soap_session";

/// What the server is, and what its objects are called.
pub(crate) fn service_content(account: &Account) -> Result<(Content, Option<String>), Failure> {
    send(account, None, &Call::ServiceContent, answer::content)
}

/// Logs in, and gives the cookie that was set.
pub(crate) fn log_in(account: &Account, cookie: Option<&str>, call: &Call<'_>) -> Result<Option<String>, Failure> {
    Ok(send(account, cookie, call, answer::login)?.1)
}

/// Makes the view of all that is listed.
pub(crate) fn create_view(account: &Account, session: &Session) -> Result<String, Failure> {
    let call = Call::CreateView { manager: &session.view_manager, root: &session.root };
    Ok(send(account, session.cookie.as_deref(), &call, answer::view)?.0)
}

/// Gives each object that is retrieved to `each`, and the token to the next page, where one follows.
pub(crate) fn list(
    account: &Account,
    session: &Session,
    call: &Call<'_>,
    each: &mut dyn FnMut(Object) -> Result<(), Error>,
) -> Result<Option<String>, Failure> {
    Ok(send(account, session.cookie.as_deref(), call, |xml| answer::objects(xml, each))?.0)
}

fn send<T>(
    account: &Account,
    cookie: Option<&str>,
    call: &Call<'_>,
    read: impl FnOnce(&mut Reader<Body>) -> Result<T, Error>,
) -> Result<(T, Option<String>), Failure> {
    // Other programs are configured with the whole address.
    let endpoint = account.endpoint.strip_suffix("/sdk").unwrap_or(&account.endpoint);
    let mut request = Request::post(format!("{endpoint}/sdk"))
        .header("content-type", "text/xml; charset=utf-8")
        .header("soapaction", VERSION)
        .body(call.envelope());
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let response = request.send()?;
    let cookie = cookie_in(&response.headers);
    let found = answer::read(response, call.name(), read).map_err(|failure| failure.during(call.name()))?;
    Ok((found, cookie))
}

/// The session's cookie without its attributes, where one is set.
fn cookie_in(headers: &Headers) -> Option<String> {
    let set = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs = set.map(|(_, value)| value.split(';').next().unwrap_or_default().trim());
    let is_it = |pair: &&str| {
        pair.split_once('=').is_some_and(|(name, value)| name == COOKIE && !value.is_empty())
            && pair.bytes().all(|byte| byte.is_ascii_graphic())
    };
    pairs.filter(is_it).last().map(str::to_owned)
}
