//! Locations. Logical ones (`europe`, `global`) group others, and no machine is in one.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Page, Realm, RealmState};

#[derive(Debug, Deserialize)]
pub struct Location {
    name: String,
    #[serde(rename = "displayName")]
    display_name: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(rename = "regionType")]
    region_type: Option<String>,
}

/// The realms among the locations. Azure lists what a subscription may use, and has no word for one that is out of
/// order.
pub fn page(locations: Vec<Location>) -> Result<Page<Realm>, Error> {
    let all = locations.len();
    // Older answers do not say what kind a location is, and have physical ones alone.
    let is_old = locations.iter().all(|location| location.kind().is_none());
    let mut realms = Vec::with_capacity(all);
    for location in locations {
        if location.name.is_empty() {
            return Err(Error::UnexpectedAnswer("a location has an empty name".to_owned()));
        }
        let state = match location.kind().unwrap_or(if is_old { PHYSICAL } else { "" }) {
            "" => {
                return Err(Error::UnexpectedAnswer(format!(
                    "the location `{}` is of no kind",
                    quote(location.name.as_bytes())
                )));
            }
            kind if kind.eq_ignore_ascii_case(PHYSICAL) => RealmState::Available,
            kind if kind.eq_ignore_ascii_case("Logical") => continue,
            _ => RealmState::Unavailable,
        };
        let Location { name, display_name, .. } = location;
        let title = display_name.filter(|title| !title.is_empty()).unwrap_or_else(|| name.clone());
        realms.push(Realm::new(name, title, state));
    }
    let omitted = all - realms.len();
    Ok(Page::complete(realms).omitting(omitted as u64))
}

const PHYSICAL: &str = "Physical";

impl Location {
    fn kind(&self) -> Option<&str> {
        self.metadata.as_ref()?.region_type.as_deref()
    }
}
