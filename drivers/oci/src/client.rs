//! Signed requests to the two parts of a region, and lists in pages: the next page is named by a header.

use serde::de::DeserializeOwned;
use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::encode_query;

use crate::problem::{self, Failure};
use crate::settings::Settings;
use crate::signature;

/// Names the next page of a list; absent on the last one.
const NEXT: &str = "opc-next-page";

/// The parts of a region that have endpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// Compute and network.
    Core,
    Identity,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
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

    /// One page of a list. A list is an array without anything around it.
    pub(crate) fn list<T: DeserializeOwned>(
        &self,
        part: Part,
        path: &str,
        page: Option<&str>,
    ) -> Result<List<T>, Failure> {
        let path = match page {
            Some(page) => format!("{path}&{}", encode_query([("page", page)])),
            None => path.to_owned(),
        };
        let (items, headers) = problem::read(self.request(part, &path)?.send()?)?;
        let next = headers.get(NEXT).filter(|next| !next.is_empty()).map(str::to_owned);
        Ok(List { items, next })
    }

    /// All pages of a list, each given to `take`.
    pub(crate) fn each_page<T: DeserializeOwned>(
        &self,
        part: Part,
        path: &str,
        mut take: impl FnMut(Vec<T>) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let mut read: Vec<String> = Vec::new();
        loop {
            let list = self.list(part, path, read.last().map(String::as_str))?;
            take(list.items)?;
            let Some(next) = list.next else { return Ok(()) };
            if read.contains(&next) {
                let place = quote(next.as_bytes());
                return Err(Error::UnexpectedAnswer(format!("{path} leads back to the page `{place}`")).into());
            }
            read.push(next);
        }
    }

    /// One resource by itself.
    pub(crate) fn one<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let (resource, _) = problem::read(self.request(Part::Core, path)?.send()?)?;
        Ok(resource)
    }

    fn request(&self, part: Part, path: &str) -> Result<tracker_driver_sdk::http::Request, Error> {
        let endpoint = match part {
            Part::Core => &self.settings.account.endpoint,
            Part::Identity => self.settings.identity,
        };
        let request = signature::get(format!("{endpoint}{path}"), &self.settings.key_id)?;
        Ok(request.header("accept", "application/json"))
    }
}
