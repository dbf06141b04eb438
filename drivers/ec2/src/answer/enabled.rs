//! DescribeRegions: the regions that the account can use, by name.

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Page};

use super::each_item;
use super::fault::{Fault, Head};
use crate::regions;

pub(super) const ROOT: &str = "DescribeRegionsResponse";

/// What is behind the root. Everything is on one page: the API gives it so.
pub(super) fn page<R: BufRead>(xml: &mut Reader<R>, head: &Head) -> Result<Page<String>, Error> {
    let mut names: Option<Vec<String>> = None;
    while let Some(name) = xml.child()? {
        match name {
            "regionInfo" => {
                let names = names.get_or_insert_default();
                each_item(xml, |xml| {
                    names.extend(region(xml)?);
                    Ok(())
                })?;
            }
            "Errors" => Fault::none_in("Errors", xml, head)?,
            "Error" => Fault::none_in("Error", xml, head)?,
            _ => xml.skip()?,
        }
    }
    let missing = || Error::UnexpectedAnswer("the answer has no <regionInfo>".to_owned());
    Ok(Page::complete(names.ok_or_else(missing)?))
}

/// A region's name; none of one that the account has not opted into, which a compatible cloud may list nevertheless.
fn region(xml: &mut Reader<impl BufRead>) -> Result<Option<String>, Error> {
    let (mut region, mut is_enabled) = (String::new(), true);
    while let Some(name) = xml.child()? {
        match name {
            "regionName" => region = xml.text()?.to_owned(),
            "optInStatus" => is_enabled = xml.text()? != "not-opted-in",
            _ => xml.skip()?,
        }
    }
    if !regions::is_name(&region) {
        let region = quote(region.as_bytes());
        return Err(Error::UnexpectedAnswer(format!("a region in the answer has `{region}` for its <regionName>")));
    }
    Ok(is_enabled.then_some(region))
}
