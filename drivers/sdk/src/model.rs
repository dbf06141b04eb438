//! What a driver speaks of: the contract's own records, re-exported under short names, with the
//! constructors that make them short to write. They are the very types that cross to the host, so that
//! nothing is converted, and nothing copied, on the way out.

use std::str::FromStr;

use crate::Error;
pub use crate::bindings::exports::tracker::driver::inventory::{
    Account, AccountOption, Address, AddressKind, Coverage, Description, Features, Instance, InstanceState, Provider,
    Query, Realm, RealmState, Timestamp,
};

/// One page of a list, as a driver gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The driver's own cursor to the next page; absent on the last one.
    pub next: Option<String>,
    pub coverage: Coverage,
}

impl<T> Page<T> {
    /// The last page, with all that the provider was asked for.
    pub fn complete(items: Vec<T>) -> Self {
        Page { items, next: None, coverage: Coverage::Complete }
    }

    /// The same page, followed by another one where `next` is a cursor.
    pub fn followed_by(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }

    /// The last page of a delta: what changed since `query.changed_since`, and the ids of what is no more since then.
    pub fn delta(items: Vec<T>, removed: Vec<String>) -> Self {
        Page { items, next: None, coverage: Coverage::Delta(removed) }
    }

    /// The same page, said to be less than everything, and why.
    pub fn partial(mut self, why: impl Into<String>) -> Self {
        self.coverage = Coverage::Partial(why.into());
        self
    }
}

impl Instance {
    /// An instance of which only the required is known; set the rest with `..Instance::new(...)` or by field.
    pub fn new(id: impl Into<String>, state: InstanceState, provider_state: impl Into<String>) -> Self {
        Instance {
            id: id.into(),
            name: None,
            owner: None,
            realm: None,
            image: None,
            hardware_profile: None,
            state,
            provider_state: provider_state.into(),
            launched_at: None,
            public_addresses: Vec::new(),
            private_addresses: Vec::new(),
            labels: Vec::new(),
        }
    }
}

impl Realm {
    /// A realm without a limit that the provider told.
    pub fn new(id: impl Into<String>, name: impl Into<String>, state: RealmState) -> Self {
        Realm { id: id.into(), name: name.into(), state, limit: None }
    }
}

impl Address {
    pub fn ipv4(value: impl Into<String>) -> Self {
        Address { kind: AddressKind::Ipv4, value: value.into() }
    }

    pub fn ipv6(value: impl Into<String>) -> Self {
        Address { kind: AddressKind::Ipv6, value: value.into() }
    }

    pub fn hostname(value: impl Into<String>) -> Self {
        Address { kind: AddressKind::Hostname, value: value.into() }
    }
}

impl Provider {
    pub fn new(name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Provider { name: name.into(), endpoint: endpoint.into() }
    }
}

impl AccountOption {
    /// An option that may be left out and is no secret.
    pub fn new(name: impl Into<String>, help: impl Into<String>) -> Self {
        AccountOption { name: name.into(), help: help.into(), required: false, secret: false }
    }

    /// The same option, without which an account is not usable.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same option, kept by the host: the driver uses it by name through [`crate::secret`].
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

impl Account {
    /// The option of that name, where it is set. Secret options are never here.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(set, _)| set == name).map(|(_, value)| value.as_str())
    }

    /// The option of that name, or `invalid-account` saying that it is missing.
    pub fn required_option(&self, name: &str) -> Result<&str, Error> {
        self.option(name).ok_or_else(|| Error::InvalidAccount(format!("the option `{name}` is required and not set")))
    }

    /// The option of that name as a value, where it is set; `accepted` completes the sentence "it has to be ...".
    pub fn parsed_option<T: FromStr>(&self, name: &str, accepted: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.option(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Error::bad_option(name, text, accepted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_parsed_or_named_in_the_error() {
        let account = Account {
            provider: "default".into(),
            endpoint: "https://example.com".into(),
            user: "me".into(),
            options: vec![("count".into(), "12".into()), ("churn".into(), "lots".into())],
        };
        assert_eq!(account.parsed_option::<u32>("count", "a number"), Ok(Some(12)));
        assert_eq!(account.parsed_option::<u32>("absent", "a number"), Ok(None));
        let Err(Error::InvalidAccount(message)) = account.parsed_option::<f64>("churn", "a number") else {
            panic!("`lots` is no number");
        };
        assert_eq!(message, "the option `churn` is `lots`: it has to be a number");
        assert!(account.required_option("region").is_err());
    }
}
