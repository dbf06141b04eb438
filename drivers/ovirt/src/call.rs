//! Requests to the engine: who asks, in which session, and with which rights.

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Body, Request, Response, encode_path};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Account, Error, SecretKind, secret, session};

use crate::fault::Fault;

/// The option, by name.
pub(crate) const FILTER: &str = "filter";

pub(crate) const FILTER_HELP: &str = "`true` asks at once for what the user has permissions on. `false` asks for everything \
                                      first, as administrators may, and for that second. Default: false.";

/// Below the endpoint. Operators know addresses with a part of it, so one that ends so is taken, too.
const ENGINE: &str = "/ovirt-engine";
const API: &str = "/api";

/// The cookie of the engine's session, by which it knows a user without a login.
const COOKIE: &str = "JSESSIONID";

/// A session ends after 30 minutes without a request, if the engine's operator does not say another time.
const LIFETIME: u32 = 1_200;

/// The requests of one call of the driver.
pub(crate) struct Call<'a> {
    account: &'a Account,
    base: String,
    is_filtered: bool,
    cookie: Option<String>,
}

/// What came of a request: an answer, or the engine's word that it has none for this user, or for anybody; or a 404 that is not
/// the engine's word.
enum Outcome<T> {
    Answer(T),
    NotPermitted(Error),
    Absent(Error),
    NotFound(Error),
}

/// A part of a list that a request of its own is for. The list can do without it.
pub(crate) enum Part<T> {
    Answer(T),
    Absent,
    Lacking(Error),
}

/// An id as it can stand in a path; nothing where it can't.
pub(crate) fn segment(id: &str) -> Option<String> {
    let is_possible = !id.bytes().all(|byte| byte == b'.');
    is_possible.then(|| encode_path(id).replace('/', "%2F"))
}

impl<'a> Call<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let is_filtered = match account.option(FILTER).map(str::trim) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(Error::bad_option(FILTER, other, "`true` or `false`")),
        };
        let endpoint = &account.endpoint;
        let base = match endpoint {
            whole if whole.ends_with(API) => whole.clone(),
            engine if engine.ends_with(ENGINE) => format!("{engine}{API}"),
            root => format!("{root}{ENGINE}{API}"),
        };
        let cookie = session::get(COOKIE).and_then(|cookie| String::from_utf8(cookie).ok()).filter(|it| !it.is_empty());
        Ok(Call { account, base, is_filtered, cookie })
    }

    /// A list, whose root has that name. The engine gives a user who is no administrator nothing, or refuses it, unless the
    /// user asks for what it has permissions on. So both are asked a second way.
    pub(crate) fn list<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let is_empty = |outcome: &Outcome<Vec<T>>| matches!(outcome, Outcome::Answer(found) if found.is_empty());
        match self.ask_both_ways(path, root, read, is_empty)? {
            Outcome::Answer(found) => Ok(found),
            Outcome::NotPermitted(error) | Outcome::Absent(error) | Outcome::NotFound(error) => Err(error),
        }
    }

    /// A list that belongs to one before, and is asked for as that was.
    pub(crate) fn further_list<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        match self.ask(path, root, read)? {
            Outcome::Answer(found) => Ok(found),
            Outcome::NotPermitted(error) | Outcome::Absent(error) | Outcome::NotFound(error) => Err(error),
        }
    }

    /// A single object, whose root has that name; nothing where the engine has none.
    pub(crate) fn one<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match self.ask_both_ways(path, root, read, |_| false)? {
            Outcome::Answer(found) => Ok(Some(found)),
            Outcome::Absent(_) => Ok(None),
            Outcome::NotPermitted(error) | Outcome::NotFound(error) => Err(error),
        }
    }

    /// Asks again for what the user has permissions on where everything is refused, or `is_doubtful`. A refusal stands where
    /// that does not help.
    fn ask_both_ways<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<T, Error>,
        is_doubtful: impl FnOnce(&Outcome<T>) -> bool,
    ) -> Result<Outcome<T>, Error> {
        let first = self.ask(path, root, read)?;
        if self.is_filtered {
            return Ok(first);
        }
        if let Outcome::NotPermitted(refusal) = first {
            self.is_filtered = true;
            return match self.ask(path, root, read) {
                Ok(Outcome::Answer(found)) => Ok(Outcome::Answer(found)),
                Err(error @ (Error::Unauthorized(_) | Error::Throttled(_))) => Err(error),
                _ => Err(refusal),
            };
        }
        if is_doubtful(&first) {
            self.is_filtered = true;
            return self.ask(path, root, read);
        }
        Ok(first)
    }

    /// A part of a list. It lacks where the engine fails, refuses it or does not know the address; what says that the account
    /// may not ask, or not now, is an error of the whole list.
    pub(crate) fn part<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<T, Error>,
    ) -> Result<Part<T>, Error> {
        match self.ask(path, root, read) {
            Ok(Outcome::Answer(found)) => Ok(Part::Answer(found)),
            Ok(Outcome::Absent(_)) => Ok(Part::Absent),
            Ok(Outcome::NotPermitted(error) | Outcome::NotFound(error)) => Ok(Part::Lacking(error)),
            Err(error @ Error::Unavailable(_)) => Ok(Part::Lacking(error)),
            Err(error) => Err(error),
        }
    }

    fn ask<T>(
        &mut self,
        path: &str,
        root: &str,
        read: fn(&mut Reader<Body>) -> Result<T, Error>,
    ) -> Result<Outcome<T>, Error> {
        let mut response = self.send(path)?;
        if response.status == 401 && self.cookie.take().is_some() {
            // The session has ended, not the account.
            session::put(COOKIE, b"", 1);
            response = self.send(path)?;
        }
        let asked = format!("{} answered {}", response.asked(), response.status);
        if response.status != 200 {
            let start = response.start_of_body();
            let Some(fault) = Fault::read(&start) else {
                let error = response.error_quoting(&start);
                return if response.status == 404 { Ok(Outcome::NotFound(error)) } else { Err(error) };
            };
            let error = response.error_quoting(fault.to_string().as_bytes());
            return match response.status {
                400 | 403 | 500 if fault.is_about_permissions() => {
                    Ok(Outcome::NotPermitted(Error::Forbidden(format!("{asked}: {fault}"))))
                }
                404 if fault.is_about_absence() => Ok(Outcome::Absent(error)),
                _ => Err(error),
            };
        }
        self.remember(&response);
        let mut xml = Reader::new(response.reader());
        let found = xml.any_root().map_err(|error| error.during(&asked))?.to_owned();
        if found == root {
            return read(&mut xml).map(Outcome::Answer).map_err(|error| error.during(&asked));
        }
        // Not an answer that this status goes with.
        match Fault::read_as(&found, &mut xml) {
            Some(fault) if fault.is_about_permissions() => Err(Error::Forbidden(format!("{asked}: {fault}"))),
            Some(fault) => Err(Error::UnexpectedAnswer(format!("{asked}: {fault}"))),
            None => Err(Error::UnexpectedAnswer(format!(
                "{asked}: it is a <{}> where <{root}> was expected",
                quote(found.as_bytes())
            ))),
        }
    }

    fn send(&self, path: &str) -> Result<Response, Error> {
        let mut url = format!("{}/{path}", self.base);
        if self.is_filtered {
            url.push_str(if path.contains('?') { "&filter=true" } else { "?filter=true" });
        }
        let request = Request::get(url).header("accept", "application/xml");
        let request = request.header("prefer", "persistent-auth");
        let mut request = match self.account.secret {
            SecretKind::AccessToken => request.bearer(secret::PASSWORD)?,
            _ if self.account.user.is_empty() => {
                return Err(Error::InvalidAccount(
                    "the account's user is empty: it has to be a user with its profile, such as admin@internal"
                        .to_owned(),
                ));
            }
            _ => request.basic_auth()?,
        };
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("{COOKIE}={cookie}"));
        }
        if self.is_filtered {
            // Version 3 knows the header only, and version 4 documents the parameter.
            request = request.header("filter", "true");
        }
        request.send()
    }

    /// Keeps the session that an answer begins; one that goes on lasts longer by it.
    fn remember(&mut self, response: &Response) {
        let set = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let begun =
            set.filter_map(|(_, value)| value.split(';').next()?.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        let plain = |value: &&str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(begun) = begun.filter(plain).last() {
            self.cookie = Some(begun.to_owned());
        }
        if let Some(cookie) = &self.cookie {
            session::put(COOKIE, cookie.as_bytes(), LIFETIME);
        }
    }
}
