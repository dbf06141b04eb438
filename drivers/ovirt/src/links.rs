//! What of a virtual machine stands behind links. The engine puts it into the same answer, from 4.2 on; but looks it up for
//! each virtual machine, which takes long where there are thousands.

use tracker_driver_sdk::{Account, Error};

/// The option, by name.
pub(crate) const FOLLOW: &str = "follow";

pub(crate) const FOLLOW_HELP: &str = "What is listed beside the virtual machines themselves: `reported_devices` (addresses), \
                                      `tags` (labels), both with a comma between them, or `none`, which is faster. Default: \
                                      both.";

const DEVICES: &str = "reported_devices";
const TAGS: &str = "tags";

/// The links that are followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    pub(crate) devices: bool,
    tags: bool,
}

impl Links {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        let Some(text) = account.option(FOLLOW).map(str::trim) else { return Ok(Links { devices: true, tags: true }) };
        let mut links = Links { devices: false, tags: false };
        if text == "none" {
            return Ok(links);
        }
        for word in text.split(',').map(str::trim) {
            match word {
                DEVICES => links.devices = true,
                TAGS => links.tags = true,
                _ => {
                    return Err(Error::bad_option(
                        FOLLOW,
                        text,
                        "`reported_devices`, `tags`, both with a comma, or `none`",
                    ));
                }
            }
        }
        Ok(links)
    }

    /// A path, with what is followed from there.
    pub(crate) fn of_path(self, path: &str) -> String {
        let followed: Vec<&str> = [(self.devices, DEVICES), (self.tags, TAGS)]
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect();
        if followed.is_empty() {
            return path.to_owned();
        }
        format!("{path}?follow={}", followed.join(","))
    }
}
