//! Compartments, and availability domains.

use std::fmt;

use serde::Deserialize;
use tracker_driver_sdk::{Error, Page, Realm, RealmState};

/// A part of a tenancy that has instances; the root is one, too.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compartment {
    pub id: String,
    name: Option<String>,
    lifecycle_state: Option<String>,
}

impl Compartment {
    pub(crate) fn new(id: &str, name: Option<&str>) -> Self {
        Compartment { id: id.to_owned(), name: name.map(str::to_owned), lifecycle_state: None }
    }
}

/// For messages.
impl fmt::Display for Compartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.id),
            None => f.write_str(&self.id),
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Domain {
    name: String,
}

/// Those that may have instances. A deleted compartment is listed for a year; it was empty, or could not have been deleted.
pub fn compartments(page: Vec<Compartment>) -> Result<Vec<Compartment>, Error> {
    if page.iter().any(|compartment| !crate::settings::is_ocid(&compartment.id)) {
        return Err(Error::UnexpectedAnswer("a compartment in the answer has no OCID".to_owned()));
    }
    let is_deleted = |state: &str| state.eq_ignore_ascii_case("DELETED");
    Ok(page.into_iter().filter(|found| !found.lifecycle_state.as_deref().is_some_and(is_deleted)).collect())
}

/// The API lists the availability domains that there are, and has no word for one that is out of order. Instances name
/// theirs by its name.
pub fn domains(page: Vec<Domain>) -> Result<Page<Realm>, Error> {
    if page.iter().any(|domain| domain.name.is_empty()) {
        return Err(Error::UnexpectedAnswer("an availability domain in the answer has no name".to_owned()));
    }
    let realm = |domain: Domain| Realm::new(domain.name.clone(), domain.name, RealmState::Available);
    Ok(Page::complete(page.into_iter().map(realm).collect()))
}
