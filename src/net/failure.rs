//! Why a request got no response: each reason is a separate kind, with advice for the reader. Errors of the HTTP client
//! are classified by their types, never by their texts.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::client::legacy::connect::{HttpConnector, proxy::Tunnel};
use rustix::io::Errno;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::policy::AddressRefused;
use super::resolver::ResolveError;

/// What a proxy that is asked for a tunnel makes of it. The type has no name of its own outside of its crate.
type TunnelError = <Tunnel<HttpConnector> as tower_service::Service<http::Uri>>::Error;

/// Why there is no response, each in its own kind. `Display` is for the log and the operator; `public` is for
/// clients.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Refused(AddressRefused),
    #[error("its name does not resolve")]
    Unresolved,
    #[error("no connection: {0}")]
    Connect(String),
    /// It says nothing of who was to be reached.
    #[error(
        "this machine has no resources left for a connection ({0}): raise the limit of open files, or of ports and memory for \
         sockets"
    )]
    Exhausted(String),
    #[error("no secure connection: {0}")]
    Tls(TlsFault),
    #[error(
        "this machine has no root certificates, so no https server can be verified: install them (the package \
         is often called ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots,
    #[error("no connection to the proxy {proxy}: {why}. See that it runs and can be reached, or correct `proxy`")]
    Proxy { proxy: String, why: String },
    #[error(
        "the proxy {proxy} does not accept the login: name the user in `proxy` (http://USER@HOST:PORT), and give \
         the right password"
    )]
    ProxyCredentials { proxy: String },
    #[error("the proxy {proxy} does not connect to that host: allow it there, or correct `proxy`")]
    ProxyRefused { proxy: String },
    #[error("no connection to the socket {}: {fault}", .path.display())]
    Socket { path: PathBuf, fault: SocketFault },
    #[error("no answer in time")]
    Timeout,
    #[error("the head of the answer is too large: more headers, or longer ones, than are read at all")]
    HeadTooLarge,
    #[error("the exchange broke off: {0}")]
    Broken(String),
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
}

/// What stands between two sides that want to speak TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    #[error(
        "no trusted authority signed the server's certificate. If a private authority did, set roots_file to its \
         certificate"
    )]
    UnknownIssuer,
    #[error("the server's certificate has expired: it has to be renewed there, unless this machine's clock is wrong")]
    Expired,
    #[error("the server's certificate is not valid yet: check the clocks of both machines")]
    NotYetValid,
    #[error("the server's certificate is for another name: use a name from the certificate")]
    WrongName,
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(String),
    #[error("the server asks for a client certificate: set client_certificate_file and client_key_file")]
    CertificateRequired,
    #[error(
        "the server does not accept the client certificate ({0}): check that it is for that server and has not \
         expired"
    )]
    CertificateRejected(&'static str),
    #[error(
        "the server refuses the TLS handshake: a client certificate may be missing (client_certificate_file and \
         client_key_file), or it supports none of this host's versions and cipher suites of TLS 1.2 and 1.3"
    )]
    Handshake,
    #[error("the server supports neither TLS 1.2 nor 1.3: update the server")]
    TooOld,
    #[error("the server's answer is not TLS: the port may be for http")]
    NotTls,
    #[error("{0}")]
    Other(String),
}

/// Why a socket of this machine takes no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketFault {
    #[error("it does not exist. Start the program that listens on it, or correct the endpoint")]
    Missing,
    #[error("this process may not open it. Give the host's user access to it, or to its group")]
    Forbidden,
    #[error("nothing listens on it. Start the program that listens on it")]
    Silent,
    #[error("{0}")]
    Other(String),
}

/// The way that a client's requests take.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Direct,
    /// Through a proxy, called by its origin: what its URL may hold beside that is secret.
    Proxy(String),
    Socket(PathBuf),
}

/// What a request asked for, as far as its failure depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl SendError {
    /// What a client may be told: nothing of what a name resolved to, or of what is behind the host. Whether the host's
    /// resolver knows a name is part of that: a name that it does not know and one that leads inside are told alike.
    pub fn public(&self) -> &'static str {
        match self {
            SendError::Refused(_) | SendError::Unresolved => {
                "it has no address that callbacks may go to: its name does not resolve, or leads to no public address"
            }
            SendError::Connect(_)
            | SendError::Exhausted(_)
            | SendError::Proxy { .. }
            | SendError::ProxyCredentials { .. }
            | SendError::ProxyRefused { .. }
            | SendError::Socket { .. } => "no connection could be made",
            SendError::Tls(fault) => fault.public(),
            SendError::NoRoots => "no secure connection could be made",
            SendError::Timeout => "no answer came in time",
            SendError::HeadTooLarge => "the head of the answer is too large",
            SendError::Broken(_) => "the exchange broke off",
            SendError::Unsendable(_) => "the request can't be sent",
        }
    }

    /// Whether it got as far as the other side. How long it took not to get there says whether a name resolves here, and
    /// whether somebody refused at once: no more than `public` says of that is told.
    pub fn has_connected(&self) -> bool {
        match self {
            SendError::Refused(_)
            | SendError::Unresolved
            | SendError::Connect(_)
            | SendError::Exhausted(_)
            | SendError::NoRoots
            | SendError::Proxy { .. }
            | SendError::ProxyCredentials { .. }
            | SendError::ProxyRefused { .. }
            | SendError::Socket { .. }
            | SendError::Unsendable(_) => false,
            // What runs out of time took as long as it may, wherever it was.
            SendError::Tls(_) | SendError::Timeout | SendError::HeadTooLarge | SendError::Broken(_) => true,
        }
    }

    /// Takes apart what the HTTP client says of a request that went this way.
    pub(super) fn of(error: reqwest::Error, way: &Way, scheme: Scheme) -> SendError {
        // A URL may hold a secret in its query, and whoever logs this knows the URL.
        let error = error.without_url();
        if is_exhausted(&error) {
            return SendError::Exhausted(innermost(&error));
        }
        match way {
            Way::Proxy(proxy) => {
                if let Some(failed) = at_the_proxy(&error, proxy, scheme) {
                    return failed;
                }
            }
            Way::Socket(path) if error.is_connect() => {
                return SendError::Socket { path: path.clone(), fault: SocketFault::of(&error) };
            }
            Way::Direct | Way::Socket(_) => {}
        }
        SendError::from(error)
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> SendError {
        let error = error.without_url();
        if is_exhausted(&error) {
            return SendError::Exhausted(innermost(&error));
        }
        for cause in causes(&error) {
            match cause.downcast_ref::<ResolveError>() {
                Some(ResolveError::Refused(refused)) => return SendError::Refused(*refused),
                Some(ResolveError::Unresolved) => return SendError::Unresolved,
                None => {}
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return SendError::Tls(TlsFault::of(tls));
            }
            if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large) {
                return SendError::HeadTooLarge;
            }
        }
        if error.is_timeout() {
            SendError::Timeout
        } else if error.is_connect() {
            SendError::Connect(innermost(&error))
        } else if error.is_builder() {
            SendError::Unsendable(innermost(&error))
        } else {
            SendError::Broken(innermost(&error))
        }
    }
}

/// Whether this machine had no file, port or memory left for a connection.
fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    const OWN: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    let codes = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
    codes.into_iter().any(|code| OWN.iter().any(|own| own.raw_os_error() == code))
}

/// What went wrong with a proxy; nothing where the fault is not its own, but of what is behind it.
fn at_the_proxy(error: &reqwest::Error, proxy: &str, scheme: Scheme) -> Option<SendError> {
    let proxy = || proxy.to_owned();
    let tunnel = causes(error).find_map(|cause| cause.downcast_ref::<TunnelError>());
    let is_tls = causes(error).any(|cause| cause.is::<rustls::Error>());
    match tunnel {
        Some(TunnelError::ProxyAuthRequired) => Some(SendError::ProxyCredentials { proxy: proxy() }),
        Some(TunnelError::TunnelUnsuccessful | TunnelError::MissingHost) => {
            Some(SendError::ProxyRefused { proxy: proxy() })
        }
        Some(_) => Some(SendError::Proxy { proxy: proxy(), why: innermost(error) }),
        None if !error.is_connect() || error.is_timeout() => None,
        // With a tunnel that stands, TLS is spoken with what is behind it.
        None if is_tls && scheme == Scheme::Https => None,
        None => Some(SendError::Proxy { proxy: proxy(), why: innermost(error) }),
    }
}

impl TlsFault {
    /// The reason for whoever has to put it right. It says nothing but what the server shows to all that connect to it.
    fn public(&self) -> &'static str {
        match self {
            TlsFault::UnknownIssuer => {
                "no secure connection could be made: no authority that the tracker trusts signed the certificate; see that the \
                 server sends all of its chain"
            }
            TlsFault::Expired => "no secure connection could be made: the certificate has expired",
            TlsFault::NotYetValid => "no secure connection could be made: the certificate is not valid yet",
            TlsFault::WrongName => "no secure connection could be made: the certificate is for another name",
            TlsFault::Certificate(_) => "no secure connection could be made: the certificate can't be verified",
            TlsFault::CertificateRequired | TlsFault::CertificateRejected(_) => {
                "no secure connection could be made: the server asks for a client certificate"
            }
            TlsFault::Handshake => {
                "no secure connection could be made: the server refuses the handshake; it needs TLS 1.2 or 1.3 with a \
                 current cipher, and no client certificate"
            }
            TlsFault::TooOld => "no secure connection could be made: the server speaks neither TLS 1.2 nor 1.3",
            TlsFault::NotTls => "no secure connection could be made: the server does not speak TLS at that port",
            TlsFault::Other(_) => "no secure connection could be made",
        }
    }

    fn of(error: &rustls::Error) -> TlsFault {
        match error {
            rustls::Error::InvalidCertificate(fault) => match fault {
                CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    TlsFault::WrongName
                }
                // A certificate that signed itself as an authority does, as openssl makes one. It is told by a type of a crate
                // below rustls, by no more than its name.
                CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => TlsFault::UnknownIssuer,
                other => TlsFault::Certificate(other.to_string()),
            },
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => TlsFault::CertificateRequired,
                AlertDescription::UnknownCA => TlsFault::CertificateRejected("it does not know who signed it"),
                AlertDescription::CertificateExpired => TlsFault::CertificateRejected("it has expired"),
                AlertDescription::CertificateRevoked => TlsFault::CertificateRejected("it was revoked"),
                AlertDescription::BadCertificate => TlsFault::CertificateRejected("it is malformed"),
                AlertDescription::UnsupportedCertificate => TlsFault::CertificateRejected("it is of another kind"),
                AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => {
                    TlsFault::CertificateRejected("without a reason")
                }
                AlertDescription::DecryptError => TlsFault::CertificateRejected("its signature is invalid"),
                AlertDescription::ProtocolVersion => TlsFault::TooOld,
                // What TLS 1.2 has for a certificate that is missing.
                AlertDescription::HandshakeFailure => TlsFault::Handshake,
                _ => TlsFault::Other(error.to_string()),
            },
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => TlsFault::TooOld,
            rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
            other => TlsFault::Other(other.to_string()),
        }
    }
}

impl SocketFault {
    fn of(error: &reqwest::Error) -> SocketFault {
        let kind = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        kind.and_then(SocketFault::known).unwrap_or_else(|| SocketFault::Other(innermost(error)))
    }

    fn known(kind: io::ErrorKind) -> Option<SocketFault> {
        match kind {
            io::ErrorKind::NotFound => Some(SocketFault::Missing),
            io::ErrorKind::PermissionDenied => Some(SocketFault::Forbidden),
            io::ErrorKind::ConnectionRefused => Some(SocketFault::Silent),
            _ => None,
        }
    }
}

impl Way {
    /// The socket that it ends in, if it is one.
    pub(super) fn socket(&self) -> Option<&Path> {
        match self {
            Way::Socket(path) => Some(path),
            Way::Direct | Way::Proxy(_) => None,
        }
    }
}

impl Scheme {
    pub(super) fn of(url: &url::Url) -> Scheme {
        if url.scheme() == "https" { Scheme::Https } else { Scheme::Http }
    }
}

/// An error and what it came from, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error that wraps another names that one's source as its own, and leaves it out itself.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// What went wrong in the end, without the layers that it came through.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_says_is_told_with_what_to_do() {
        let check = |error: rustls::Error, want: &str| {
            let said = SendError::Tls(TlsFault::of(&error)).to_string();
            assert!(said.contains(want), "{error:?}: {said}");
        };
        let alert = rustls::Error::AlertReceived;
        check(CertificateError::UnknownIssuer.into(), "roots_file");
        check(CertificateError::Expired.into(), "has to be renewed");
        check(CertificateError::NotValidYet.into(), "clocks");
        check(CertificateError::NotValidForName.into(), "another name");
        check(CertificateError::BadEncoding.into(), "is not trusted");
        check(alert(AlertDescription::CertificateRequired), "client_certificate_file");
        check(alert(AlertDescription::UnknownCA), "does not know who signed it");
        check(alert(AlertDescription::CertificateExpired), "it has expired");
        check(alert(AlertDescription::HandshakeFailure), "may be missing");
        check(alert(AlertDescription::InternalError), "InternalError");
        check(rustls::Error::DecryptError, "decrypt");
    }

    #[test]
    fn what_tls_says_is_told_to_whoever_owns_the_receiver() {
        let check = |error: rustls::Error, want: &str| {
            let said = SendError::Tls(TlsFault::of(&error)).public();
            assert!(
                said.starts_with("no secure connection could be made") && said.ends_with(want),
                "{error:?}: {said}"
            );
        };
        let alert = rustls::Error::AlertReceived;
        check(CertificateError::UnknownIssuer.into(), "all of its chain");
        check(CertificateError::Expired.into(), "has expired");
        check(CertificateError::NotValidYet.into(), "not valid yet");
        check(CertificateError::NotValidForName.into(), "for another name");
        check(CertificateError::BadSignature.into(), "can't be verified");
        check(PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), "neither TLS 1.2 nor 1.3");
        check(alert(AlertDescription::ProtocolVersion), "neither TLS 1.2 nor 1.3");
        check(alert(AlertDescription::CertificateRequired), "client certificate");
        check(alert(AlertDescription::UnknownCA), "client certificate");
        check(alert(AlertDescription::HandshakeFailure), "no client certificate");
        check(rustls::InvalidMessage::InvalidContentType.into(), "does not speak TLS at that port");
        check(alert(AlertDescription::InternalError), "no secure connection could be made");
        check(rustls::Error::General("10.0.0.1".into()), "no secure connection could be made");
    }

    #[test]
    fn what_this_machine_lacks_is_told_from_what_the_other_side_lacks() {
        let check = |errno: Errno, is_own: bool| {
            let error = io::Error::other(io::Error::from(errno));
            assert_eq!(is_exhausted(&error), is_own, "{errno:?}");
        };
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM] {
            check(errno, true);
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::TIMEDOUT] {
            check(errno, false);
        }
    }

    #[test]
    fn a_socket_that_takes_no_connection_says_why() {
        // The user that tests are run as may be one to whom no file is closed.
        let check = |kind: io::ErrorKind, want: Option<&str>| {
            let said = SocketFault::known(kind).map(|fault| fault.to_string());
            assert_eq!(said.is_some(), want.is_some(), "{kind}: {said:?}");
            assert!(said.unwrap_or_default().contains(want.unwrap_or_default()), "{kind}");
        };
        check(io::ErrorKind::NotFound, Some("does not exist"));
        check(io::ErrorKind::PermissionDenied, Some("may not open it"));
        check(io::ErrorKind::ConnectionRefused, Some("nothing listens"));
        check(io::ErrorKind::NotADirectory, None);
    }
}
