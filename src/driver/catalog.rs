//! The drivers of this host: those that were loaded, by name, and those that were not, with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{CallError, CallFailure, Listing, Target, Usage};
use crate::model::Kind;

/// All drivers found at start.
#[derive(Debug, Default)]
pub struct Catalog {
    drivers: BTreeMap<String, Arc<Driver>>,
    rejected: Vec<Rejected>,
}

/// A file that is there but was not loaded.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub file: PathBuf,
    /// What is wrong and what to do about it.
    pub reason: String,
}

/// A loaded driver.
#[derive(Debug)]
pub struct Driver {
    info: DriverInfo,
}

/// What a driver says of itself, and what it was granted.
#[derive(Clone, Debug, Default)]
pub struct DriverInfo {
    pub name: String,
    pub title: String,
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    pub providers: Vec<KnownProvider>,
    /// The endpoint patterns that it asked for and the operator granted.
    pub endpoints: Vec<String>,
    pub options: Vec<OptionInfo>,
}

/// A provider that a driver knows by name.
#[derive(Clone, Debug)]
pub struct KnownProvider {
    pub name: String,
    pub endpoint: String,
}

/// What an account of the driver may be given beside user and password.
#[derive(Clone, Debug)]
pub struct OptionInfo {
    pub name: String,
    pub help: String,
    pub required: bool,
    pub secret: bool,
}

impl Catalog {
    pub fn driver(&self, name: &str) -> Option<&Arc<Driver>> {
        self.drivers.get(name)
    }

    /// Sorted by name.
    pub fn drivers(&self) -> impl Iterator<Item = &Arc<Driver>> {
        self.drivers.values()
    }

    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }
}

impl Driver {
    pub fn info(&self) -> &DriverInfo {
        &self.info
    }

    /// Lists all of an account's resources of one kind: every page, in one fresh sandbox.
    pub async fn list(&self, target: &Target, kind: Kind) -> Result<Listing, CallFailure> {
        let _ = kind;
        Err(CallFailure { error: CallError::Crashed(target.endpoint.clone()), usage: Usage::default() })
    }

    /// Asks the provider, by one page of realms, whether it accepts the account's credentials. An account
    /// that is accepted but may not list realms is accepted.
    pub async fn prove(&self, target: &Target) -> Result<(), CallFailure> {
        Err(CallFailure { error: CallError::Crashed(target.endpoint.clone()), usage: Usage::default() })
    }
}
