//! A private certificate authority, and what it vouches for: made anew for each test.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Certified {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// For a server of these names, or for a client, which needs none.
    pub(crate) fn certify(&self, name: &str, hosts: &[&str]) -> Certified {
        self.sign(named(name, hosts))
    }

    /// For a server, and for a time that is over.
    pub(crate) fn certify_once(&self, hosts: &[&str]) -> Certified {
        let mut params = named("expired", hosts);
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        self.sign(params)
    }

    /// For a server, and for a time that is still to come.
    pub(crate) fn certify_later(&self, hosts: &[&str]) -> Certified {
        let mut params = named("early", hosts);
        params.not_before = date_time_ymd(4000, 1, 1);
        self.sign(params)
    }

    /// For a server, and signed with its own key, as `openssl req -x509` makes one: it says of itself that it is an authority.
    pub(crate) fn certify_itself(hosts: &[&str]) -> Certified {
        let mut params = named("itself", hosts);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Certified { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    fn sign(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Certified { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

impl Certified {
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key of its own making")
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
