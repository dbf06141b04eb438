//! The route of requests: the allowed addresses, the trusted roots, the client certificate, and the proxy or socket.
//! Each route has its own pool of connections, so that a connection with one account's certificate, proxy or socket
//! never serves an account with a different one.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::pem::{Identity, PrivateRoots};
use super::policy::AddressPolicy;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    pub addresses: AddressPolicy,
    pub via: Via,
}

/// All of a route but its addresses: what an operator sets for a provider, and over that for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Via {
    /// Whom to believe; whom the machine believes, if absent.
    pub roots: Option<PrivateRoots>,
    /// What to show to a server that asks for a certificate.
    pub identity: Option<Identity>,
    pub proxy: ProxyChoice,
    /// A socket of this machine that all requests go to, whatever their URL. No name is resolved then, no
    /// address is judged and no proxy asked: the path is the operator's own.
    pub socket: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProxyChoice {
    /// As all of the host's requests go.
    #[default]
    Host,
    /// Through none, though the host has one.
    Direct,
    /// Through this one. It resolves names and connects, as `ClientSettings::proxy` says.
    Through(Proxy),
}

/// A proxy, with whom to be there.
#[derive(Clone)]
pub struct Proxy {
    /// Has no password in it, but may have a user.
    url: Url,
    password: Option<SecretString>,
}

impl Via {
    /// What is set here, and what is not as it is in `below`.
    pub fn over(&self, below: &Via) -> Via {
        Via {
            roots: self.roots.clone().or_else(|| below.roots.clone()),
            identity: self.identity.clone().or_else(|| below.identity.clone()),
            proxy: match &self.proxy {
                ProxyChoice::Host => below.proxy.clone(),
                own => own.clone(),
            },
            socket: self.socket.clone().or_else(|| below.socket.clone()),
        }
    }

    /// For requests of the same account to other endpoints than its own: by the same proxy, which is often the
    /// only way out, but with nothing that was meant for its own endpoint.
    pub fn elsewhere(&self) -> Via {
        Via { proxy: self.proxy.clone(), ..Via::default() }
    }
}

impl Proxy {
    /// A password in the URL is taken for the password, should none be given beside it.
    pub fn new(mut url: Url, password: Option<SecretString>) -> Proxy {
        let within = url.password().map(|within| SecretString::from(decoded(within)));
        if within.is_some() {
            // Only a URL without a host can't have its password taken off, and it has none to begin with.
            let _ = url.set_password(None);
        }
        Proxy { url, password: password.or(within) }
    }

    /// As it may be shown.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub(super) fn for_client(&self) -> reqwest::Result<reqwest::Proxy> {
        let mut url = self.url.clone();
        let user = decoded(url.username());
        // As above: what can't be taken off is not there.
        let _ = url.set_username("");
        let proxy = reqwest::Proxy::all(url)?;
        let password = self.password.as_ref().map_or("", |password| password.expose_secret());
        Ok(if user.is_empty() && password.is_empty() { proxy } else { proxy.basic_auth(&user, password) })
    }

    /// The secrets that the proxy gets: the password, and user and password in the form of `Basic` (RFC 7617). A user without
    /// a password is a token.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let user = decoded(self.url.username());
        let password = self.password.as_ref().map_or("", |password| password.expose_secret());
        if user.is_empty() && password.is_empty() {
            return Vec::new();
        }
        let basic = BASE64.encode(format!("{user}:{password}"));
        let secret = if password.is_empty() { &user } else { password };
        vec![SecretString::from(secret), SecretString::from(basic.trim_end_matches('='))]
    }

    fn parts(&self) -> (&Url, Option<&str>) {
        (&self.url, self.password.as_ref().map(|password| password.expose_secret()))
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Proxy) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, password: Option<&str>) -> ProxyChoice {
        ProxyChoice::Through(Proxy::new(url.parse().unwrap(), password.map(Into::into)))
    }

    #[test]
    fn what_an_account_sets_stands_over_what_its_provider_does() {
        let check = |account: ProxyChoice, provider: ProxyChoice, want: &ProxyChoice| {
            let via = |proxy| Via { proxy, socket: None, ..Via::default() };
            let below = Via { socket: Some("/run/engine.sock".into()), ..via(provider) };
            let over = via(account).over(&below);
            assert_eq!(over.proxy, *want);
            assert_eq!(over.socket, below.socket);
            assert_eq!(over.elsewhere(), via(want.clone()));
        };
        let (a, b) = (proxy("http://a:1", None), proxy("http://b:1", None));
        check(ProxyChoice::Host, ProxyChoice::Host, &ProxyChoice::Host);
        check(ProxyChoice::Host, a.clone(), &a);
        check(b.clone(), a.clone(), &b);
        check(ProxyChoice::Direct, a, &ProxyChoice::Direct);
    }

    #[test]
    fn proxies_differ_in_their_passwords_and_do_not_show_them() {
        let one = proxy("http://user@p:3128", Some("hunter2"));
        assert_eq!(one, proxy("http://user:hunter2@p:3128", None));
        assert_ne!(one, proxy("http://user@p:3128", Some("hunter3")));
        assert_ne!(one, proxy("http://other@p:3128", Some("hunter2")));
        let shown = format!("{one:?}");
        assert!(shown.contains("http://p:3128") && !shown.contains("hunter2") && !shown.contains("user"), "{shown}");
    }

    #[test]
    fn what_a_proxy_is_told_is_known_as_a_secret() {
        let secrets = |url: &str, password: Option<&str>| -> Vec<String> {
            let ProxyChoice::Through(proxy) = proxy(url, password) else { panic!("a proxy") };
            proxy.secrets().iter().map(|secret| secret.expose_secret().to_owned()).collect()
        };
        assert!(secrets("http://p:3128", None).is_empty());
        assert_eq!(secrets("http://t0ken-of-ann@p:3128", None), ["t0ken-of-ann", "dDBrZW4tb2YtYW5uOg"]);
        // As RFC 7617 has it, section 2.
        let aladdin = ["open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ"];
        assert_eq!(secrets("http://Aladdin@p:3128", Some("open sesame")), aladdin);
        assert_eq!(secrets("http://Aladdin:open%20sesame@p:3128", None), aladdin);
    }
}
