//! Identifies the credentials and endpoints that a session belongs to.

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::driver::target::Target;
use crate::net::Via;

impl Target {
    /// Which credentials a session belongs to, and where they are good: a token of one cloud must not go to another, which
    /// would learn it, and what changed since a list of one is nothing to another. How requests get there makes no
    /// difference. The credentials could be guessed by it: it is kept as a secret, or hashed with a key.
    pub fn mark(&self) -> [u8; 32] {
        let mut mark = Mark(Sha256::new());
        mark.text(&self.secret.to_string()).text(self.password.expose_secret());
        mark.number(self.secrets.len());
        for (name, secret) in &self.secrets {
            mark.text(name).text(secret.expose_secret());
        }
        mark.place(&self.endpoint, &self.via);
        mark.number(self.roles.len());
        for (role, part) in &self.roles {
            mark.text(role).place(&part.endpoint, &part.via);
        }
        mark.number(self.options.len());
        for (name, value) in &self.options {
            mark.text(name).text(value);
        }
        mark.0.finalize().into()
    }
}

/// A digest of parts, each with its length before it, so that no two sequences of parts look alike.
struct Mark(Sha256);

impl Mark {
    fn number(&mut self, number: usize) -> &mut Mark {
        self.0.update((number as u64).to_be_bytes());
        self
    }

    fn bytes(&mut self, part: &[u8]) -> &mut Mark {
        self.number(part.len()).0.update(part);
        self
    }

    fn text(&mut self, part: &str) -> &mut Mark {
        self.bytes(part.as_bytes())
    }

    /// An endpoint, with the certificate that is shown there and the socket that stands for it.
    fn place(&mut self, endpoint: &str, via: &Via) -> &mut Mark {
        self.text(endpoint).bytes(via.identity.as_ref().map_or(&[], |identity| identity.digest()));
        self.bytes(via.socket.as_ref().map_or(&[], |path| path.as_os_str().as_encoded_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use url::Url;

    use super::*;
    use crate::driver::info::SecretKind;
    use crate::driver::requests::wire::Wire;
    use crate::driver::target::RoleTarget;
    use crate::model::{AccountKey, Timestamp};
    use crate::net::{AddressPolicy, Proxy, ProxyChoice};
    use crate::supply::grants::EndpointSource;

    /// Each thing that says whose a session is, changed alone.
    #[test]
    fn a_session_ends_with_the_account_or_the_place_that_it_is_of() {
        let role = |endpoint: &str| RoleTarget {
            endpoint: endpoint.into(),
            addresses: AddressPolicy::default(),
            via: Via::default(),
        };
        let target = Target {
            key: AccountKey { driver: "d".into(), provider: "p".into(), user: "u".into() },
            endpoint: "https://a.example".into(),
            roles: BTreeMap::from([("compute".to_owned(), role("https://b.example"))]),
            endpoint_source: EndpointSource::Operator,
            secret: SecretKind::Password,
            secret_expires: None,
            options: BTreeMap::from([("region".to_owned(), "one".to_owned())]),
            password: "password".into(),
            secrets: BTreeMap::from([("key".to_owned(), "secret".into())]),
            addresses: AddressPolicy::default(),
            via: Via::default(),
            wire: Wire::default(),
            budget: None,
        };
        let socket = || Via { socket: Some("/run/cloud".into()), ..Via::default() };
        type Change = fn(&mut Target);
        let changes: [(&str, Change); 16] = [
            ("the password", |target| target.password = "another".into()),
            ("what the password is", |target| target.secret = SecretKind::AccessToken),
            ("a secret", |target| target.secrets = BTreeMap::from([("key".to_owned(), "another".into())])),
            ("a secret's name", |target| target.secrets = BTreeMap::from([("other".to_owned(), "secret".into())])),
            ("one secret more", |target| drop(target.secrets.insert("more".into(), "".into()))),
            ("no secret", |target| target.secrets.clear()),
            ("the endpoint", |target| target.endpoint = "https://c.example".into()),
            ("the endpoint's path", |target| target.endpoint += "/path"),
            ("a role's endpoint", |target| {
                target.roles.values_mut().for_each(|role| role.endpoint = "https://c.example".into());
            }),
            ("a role's name", |target| {
                target.roles = target.roles.values().map(|role| ("identity".to_owned(), role.clone())).collect();
            }),
            ("no role", |target| target.roles.clear()),
            ("an option", |target| target.options = BTreeMap::from([("region".to_owned(), "two".to_owned())])),
            ("an option's name", |target| target.options = BTreeMap::from([("zone".to_owned(), "one".to_owned())])),
            ("one option more", |target| drop(target.options.insert("zone".into(), String::new()))),
            ("no option", |target| target.options.clear()),
            ("an option that was a secret", |target| {
                target.secrets.clear();
                target.options.insert("key".into(), "secret".into());
            }),
        ];
        let before = target.mark();
        let mut marks = HashSet::from([before]);
        let mut differs = |name: &str, changed: &Target| {
            assert!(marks.insert(changed.mark()), "{name} is changed");
        };
        for (name, change) in changes {
            let mut changed = target.clone();
            change(&mut changed);
            differs(name, &changed);
        }
        differs("the socket", &Target { via: socket(), ..target.clone() });
        let mut of_role = target.clone();
        of_role.roles.values_mut().for_each(|role| role.via = socket());
        differs("a role's socket", &of_role);

        let proxy = Url::parse("http://proxy.example").expect("a URL");
        let via = Via { proxy: ProxyChoice::Through(Proxy::new(proxy, None)), ..Via::default() };
        let addresses = AddressPolicy::opening(vec!["10.0.0.0/8".parse().expect("a range")]);
        let secret_expires = Some(Timestamp::from_millis(1));
        let elsewise = Target { via, addresses, secret_expires, ..target };
        assert_eq!(elsewise.mark(), before, "it is the same account of the same cloud");
    }
}
