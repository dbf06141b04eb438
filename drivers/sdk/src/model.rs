//! What a driver speaks of: the contract's own records, re-exported under short names, with the
//! constructors that make them short to write. They are the very types that cross to the host, so that
//! nothing is converted, and nothing copied, on the way out.

use std::net::IpAddr;
use std::str::FromStr;

use crate::Error;
pub use crate::bindings::exports::tracker::driver::inventory::{
    Account, AccountOption, Address, AddressKind, Coverage, Description, EndpointRole, Features, Instance,
    InstanceState, Provider, Query, Realm, RealmState, SecretKind, Timestamp,
};

/// One page of a list, as a driver gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The driver's cursor to the next page; absent on the last page.
    pub next: Option<String>,
    pub coverage: Coverage,
    /// How many entries the whole list has, if the provider says so, including the entries that this driver omits.
    pub total: Option<u64>,
    /// How many entries of this page the driver left out because they are of another kind.
    pub omitted: u64,
}

impl<T> Page<T> {
    /// The last page, with all that the provider was asked for.
    pub fn complete(items: Vec<T>) -> Self {
        Page { items, next: None, coverage: Coverage::Complete, total: None, omitted: 0 }
    }

    /// The same page, followed by another one where `next` is a cursor.
    pub fn followed_by(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }

    /// The last page of a delta: what changed since `query.changed_since`, and the ids of what is no more since then.
    pub fn delta(items: Vec<T>, removed: Vec<String>) -> Self {
        Page { items, next: None, coverage: Coverage::Delta(removed), total: None, omitted: 0 }
    }

    /// The same page, with what the provider says of how many entries the whole list has.
    pub fn of_total(mut self, total: Option<u64>) -> Self {
        self.total = total;
        self
    }

    /// The same page, from which so many entries of another kind were left out.
    pub fn omitting(mut self, omitted: u64) -> Self {
        self.omitted = omitted;
        self
    }

    /// The same page, said to be less than everything, and why.
    pub fn partial(mut self, why: impl Into<String>) -> Self {
        self.coverage = Coverage::Partial(why.into());
        self
    }
}

impl Query {
    /// For a provider that has an address for each single instance, and no filter by id: the id to ask for on this page, and
    /// the cursor of the page for the id after it. Each page of such a list is one request.
    ///
    /// # Errors
    /// `UnexpectedAnswer` where the cursor is not from here.
    pub fn single_id(&self) -> Result<(&str, Option<String>), Error> {
        let place = match &self.cursor {
            None => Some(0),
            Some(cursor) => cursor.parse::<usize>().ok(),
        };
        let found = place.and_then(|place| Some((place, self.ids.get(place)?)));
        let Some((place, id)) = found else {
            let cursor = self.cursor.as_deref().unwrap_or_default();
            return Err(Error::UnexpectedAnswer(format!("the cursor `{cursor}` stands for none of these ids")));
        };
        let next = place + 1;
        Ok((id, (next < self.ids.len()).then(|| next.to_string())))
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

    /// A text as what it is, whatever the provider calls it: the host takes no address for one of another kind. Nothing
    /// where it is empty, or the unspecified address, by which some providers say that there is none.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.parse() {
            Ok(IpAddr::V4(ip)) => (!ip.is_unspecified()).then(|| Address::ipv4(text)),
            Ok(IpAddr::V6(ip)) => (!ip.is_unspecified()).then(|| Address::ipv6(text)),
            Err(_) => (!text.is_empty()).then(|| Address::hostname(text)),
        }
    }
}

impl Provider {
    pub fn new(name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Provider { name: name.into(), endpoint: endpoint.into(), endpoints: Vec::new() }
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

impl Description {
    /// A driver of that name (short and stable), for people, and of that version of its own. Everything else is empty;
    /// set it with `..Description::new(...)`.
    pub fn new(name: impl Into<String>, title: impl Into<String>, version: impl Into<String>) -> Self {
        Description {
            name: name.into(),
            title: title.into(),
            version: version.into(),
            providers: Vec::new(),
            endpoints: Vec::new(),
            options: Vec::new(),
            roles: Vec::new(),
            secrets: Vec::new(),
            requests_per_minute: None,
            features: Features::empty(),
        }
    }
}

impl EndpointRole {
    /// A part of the provider that an account can do without.
    pub fn new(name: impl Into<String>, help: impl Into<String>) -> Self {
        EndpointRole { name: name.into(), help: help.into(), required: false }
    }

    /// The same, without which an account is not usable.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Account {
    /// An account with a password and no options, as tests need one.
    pub fn new(provider: impl Into<String>, endpoint: impl Into<String>, user: impl Into<String>) -> Self {
        Account {
            provider: provider.into(),
            endpoint: endpoint.into(),
            endpoints: Vec::new(),
            user: user.into(),
            secret: SecretKind::Password,
            secret_expires: None,
            options: Vec::new(),
        }
    }

    /// The endpoint of that role, where it is set.
    pub fn endpoint_of(&self, role: &str) -> Option<&str> {
        self.endpoints.iter().find(|(set, _)| set == role).map(|(_, endpoint)| endpoint.as_str())
    }

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
    fn an_address_is_of_the_kind_that_its_text_is() {
        let check = |text: &str, expected: Option<Address>| assert_eq!(Address::read(text), expected, "{text}");
        check("192.0.2.1", Some(Address::ipv4("192.0.2.1")));
        check(" 2001:db8::1\n", Some(Address::ipv6("2001:db8::1")));
        check("web.example", Some(Address::hostname("web.example")));
        check("192.0.2.256", Some(Address::hostname("192.0.2.256")));
        for none in ["", " ", "0.0.0.0", "::"] {
            check(none, None);
        }
    }

    #[test]
    fn an_option_is_found_parsed_or_named_in_the_error() {
        let options = vec![("count".into(), "12".into()), ("churn".into(), "lots".into())];
        let account = Account { options, ..Account::new("default", "https://example.com", "me") };
        assert_eq!(account.parsed_option::<u32>("count", "a number"), Ok(Some(12)));
        assert_eq!(account.parsed_option::<u32>("absent", "a number"), Ok(None));
        let Err(Error::InvalidAccount(message)) = account.parsed_option::<f64>("churn", "a number") else {
            panic!("`lots` is no number");
        };
        assert_eq!(message, "the option `churn` is `lots`: it has to be a number");
        assert!(account.required_option("region").is_err());
    }
}
