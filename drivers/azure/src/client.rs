//! Requests to Resource Manager: with a token, page by page, at the account's own endpoint whatever a link says.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Request, Response};

use crate::login;
use crate::problem::{self, Failure};
use crate::settings::Settings;

/// What every list of Resource Manager is in. `value` has no default: an answer without it is no list.
#[derive(Deserialize)]
struct Answer<T> {
    value: Vec<T>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
    error: Option<IgnoredAny>,
}

/// One page, and the path and query of the next one.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) value: Vec<T>,
    pub(crate) next: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) settings: &'a Settings<'a>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(settings: &'a Settings<'a>) -> Self {
        Client { settings }
    }

    /// One page of a list.
    pub(crate) fn list<T: DeserializeOwned>(&self, path: &str) -> Result<List<T>, Failure> {
        let answer: Answer<T> = problem::read(self.get(path)?, |answer: &Answer<T>| answer.error.is_some())?;
        let next = answer.next_link.filter(|link| !link.is_empty()).map(|link| path_of(&link)).transpose()?;
        Ok(List { value: answer.value, next })
    }

    /// All pages of a list, each given to `take`.
    pub(crate) fn each_page<T: DeserializeOwned>(
        &self,
        path: String,
        mut take: impl FnMut(Vec<T>),
    ) -> Result<(), Failure> {
        let mut asked = Vec::new();
        let mut next = Some(path);
        while let Some(path) = next {
            let list = self.list(&path)?;
            take(list.value);
            asked.push(path);
            next = list.next;
            // Links that lead back were seen in Azure's answers.
            if let Some(path) = next.as_ref().filter(|path| asked.contains(*path)) {
                let place = quote(path.as_bytes());
                return Err(Error::UnexpectedAnswer(format!("a page leads back to `{place}`, which was read")).into());
            }
        }
        Ok(())
    }

    /// One resource by itself; `is_odd` looks for what makes it none.
    pub(crate) fn one<T: DeserializeOwned>(&self, path: &str, is_odd: impl Fn(&T) -> bool) -> Result<T, Failure> {
        problem::read(self.get(path)?, is_odd)
    }

    /// What a question is answered with, and the headers of that.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
        is_odd: impl Fn(&T) -> bool,
    ) -> Result<(T, Headers), Failure> {
        let response = self.send(|| Request::post(self.url(path)).json(question))?;
        let headers = response.headers.clone();
        Ok((problem::read(response, is_odd)?, headers))
    }

    fn get(&self, path: &str) -> Result<Response, Error> {
        self.send(|| Ok(Request::get(self.url(path))))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.account.endpoint)
    }

    /// Sends a request. A token of an earlier poll may have ended, or been withdrawn: then there is a new one, once.
    fn send(&self, request: impl Fn() -> Result<Request, Error>) -> Result<Response, Error> {
        let send = |token: &login::Token| {
            let bearer = format!("Bearer {}", token.text);
            request()?.header("authorization", bearer).header("accept", "application/json").send()
        };
        let token = login::token(self.settings)?;
        let response = send(&token)?;
        if response.status == 401 && token.is_kept {
            return send(&login::log_in(self.settings)?);
        }
        Ok(response)
    }
}

/// The path and query that a link leads to. Its host is not asked: links name the port, or another of the cloud's
/// hosts.
fn path_of(link: &str) -> Result<String, Error> {
    let Some(start) = link.to_ascii_lowercase().find("/subscriptions/") else {
        let place = quote(link.as_bytes());
        return Err(Error::UnexpectedAnswer(format!(
            "the link to the next page leads to `{place}`, not to a subscription"
        )));
    };
    let mut path = String::with_capacity(link.len());
    for char in link[start..].chars() {
        // Marks such as `!` and `/` stand in tokens as they are. What no address may have is escaped.
        if char.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(char) {
            path.push(char);
        } else {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Ok(path)
}
