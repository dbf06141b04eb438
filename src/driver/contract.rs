//! The versions of the contract that this host supports.

/// A contract that this host serves. Before 1.0.0 each minor version is a contract of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    V0_1,
    V0_2,
}

impl Contract {
    pub const ALL: [Contract; 2] = [Contract::V0_1, Contract::V0_2];

    /// Major and minor version.
    pub fn as_str(self) -> &'static str {
        match self {
            Contract::V0_1 => "0.1",
            Contract::V0_2 => "0.2",
        }
    }

    /// The contract of a version such as `0.2.0`, if it is served.
    pub fn of(version: &str) -> Option<Contract> {
        let is = |contract: &Contract| {
            let rest = version.strip_prefix(contract.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Contract::ALL.into_iter().find(is)
    }
}

impl std::fmt::Display for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The contract that this host serves.
pub(super) const PACKAGE: &str = "tracker:driver";

/// The contracts that this host serves, for people.
pub const SERVED: &str = "0.1 and 0.2";
