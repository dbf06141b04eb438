//! Where an account looks: in the whole cluster, or in namespaces that it names.

use tracker_driver_sdk::{Account, Error};

pub(crate) const OPTION: &str = "namespaces";

pub(crate) const HELP: &str = "The namespaces to list, separated by commas, for a user without rights in the whole \
                               cluster; by default all of them.";

const ACCEPTED: &str = "names of namespaces with commas between them, such as `shop,shop-test`";

#[derive(Debug)]
pub(crate) enum Scope<'a> {
    Cluster,
    /// At least one, none of them twice.
    Namespaces(Vec<&'a str>),
}

impl<'a> Scope<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let Some(text) = account.option(OPTION) else { return Ok(Scope::Cluster) };
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim) {
            if !is_name(name) {
                return Err(Error::bad_option(OPTION, text, ACCEPTED));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Scope::Namespaces(names))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Scope::Cluster)
    }

    /// How many lists of each kind there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Scope::Cluster => 1,
            Scope::Namespaces(names) => names.len(),
        }
    }

    /// The namespace of that number, where the account names them.
    pub(crate) fn name(&self, number: usize) -> Option<&'a str> {
        match self {
            Scope::Cluster => None,
            Scope::Namespaces(names) => names.get(number).copied(),
        }
    }

    /// The part of a path that names the namespace of that number.
    pub(crate) fn path(&self, number: usize) -> String {
        self.name(number).map(|name| format!("/namespaces/{name}")).unwrap_or_default()
    }
}

pub(crate) fn foreign(cursor: &str) -> Error {
    Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver"))
}

/// A label of RFC 1123, as Kubernetes has names of namespaces.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(is_plain) && !name.starts_with('-') && !name.ends_with('-')
}
