//! DescribeInstanceStatus: what the checks of each instance say, of its system, of itself and of its volumes.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Page};

use super::each_item;
use super::fault::{Fault, Head};

pub(super) const ROOT: &str = "DescribeInstanceStatusResponse";

/// Reads the whole answer: ids, each with the worst of its checks. Instances whose checks pass are left out.
pub fn statuses(body: impl BufRead) -> Result<Page<(String, String)>, Error> {
    let mut xml = Reader::new(body);
    xml.root(ROOT)?;
    page(&mut xml, &Head::default())
}

/// The same behind the root.
pub(super) fn page<R: BufRead>(xml: &mut Reader<R>, head: &Head) -> Result<Page<(String, String)>, Error> {
    let mut items = None;
    let mut next = None;
    while let Some(name) = xml.child()? {
        match name {
            "instanceStatusSet" => {
                let items = items.get_or_insert_with(Vec::new);
                each_item(xml, |xml| {
                    items.extend(instance(xml)?);
                    Ok(())
                })?;
            }
            "nextToken" => next = Some(xml.text()?.to_owned()).filter(|token| !token.is_empty()),
            "Errors" => Fault::none_in("Errors", xml, head)?,
            "Error" => Fault::none_in("Error", xml, head)?,
            _ => xml.skip()?,
        }
    }
    let missing = || Error::UnexpectedAnswer("the answer has no <instanceStatusSet>".to_owned());
    Ok(Page::complete(items.ok_or_else(missing)?).followed_by(next))
}

fn instance<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<(String, String)>, Error> {
    let (mut id, mut worst) = (String::new(), String::new());
    while let Some(name) = xml.child()? {
        match name {
            "instanceId" => id = xml.text()?.to_owned(),
            "instanceStatus" | "systemStatus" | "attachedEbsStatus" => {
                let word = word(xml)?;
                if weight(&word) > weight(&worst) {
                    worst = word;
                }
            }
            _ => xml.skip()?,
        }
    }
    if id.is_empty() {
        return Err(Error::UnexpectedAnswer("a status in the answer has no <instanceId>".to_owned()));
    }
    Ok((!worst.is_empty()).then_some((id, worst)))
}

fn word<R: BufRead>(xml: &mut Reader<R>) -> Result<String, Error> {
    let mut word = String::new();
    while let Some(name) = xml.child()? {
        match name {
            "status" => word = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok(word)
}

/// Which of several words is shown: what is wrong before what is not known, and nothing of checks that pass
/// ("InstanceStatusSummary" in the EC2 API reference). A word that nobody knows is shown, for it is not `ok`.
fn weight(word: &str) -> u8 {
    match word {
        "" | "ok" | "not-applicable" => 0,
        "initializing" => 1,
        "insufficient-data" => 2,
        "impaired" => 4,
        _ => 3,
    }
}
