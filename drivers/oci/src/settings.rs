//! What an operator configures: checked whole before any request leaves.

use tracker_driver_sdk::{Account, AccountOption, Error, SecretKind};

/// The role of the endpoint that knows compartments and availability domains.
pub(crate) const IDENTITY: &str = "identity";

const TENANCY: &str = "tenancy";
const FINGERPRINT: &str = "fingerprint";
const COMPARTMENTS: &str = "compartments";
const ADDRESSES: &str = "addresses";

/// An account, understood.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) account: &'a Account,
    pub(crate) identity: &'a str,
    pub(crate) tenancy: &'a str,
    /// `TENANCY/USER/FINGERPRINT`, by which Oracle finds the public half of the key.
    pub(crate) key_id: String,
    /// The only compartments that are asked for; empty for all of them.
    pub(crate) compartments: Vec<&'a str>,
    pub(crate) has_addresses: bool,
}

pub(crate) fn options() -> Vec<AccountOption> {
    vec![
        AccountOption::new(TENANCY, "The OCID of the tenancy: `ocid1.tenancy.oc1..` and more.").required(),
        AccountOption::new(
            FINGERPRINT,
            "The fingerprint of the API key, as the console shows it: 16 pairs of hexadecimal digits with colons.",
        )
        .required(),
        AccountOption::new(
            COMPARTMENTS,
            "The OCIDs of the compartments to list, separated by commas or blanks. Default: all compartments of the \
             tenancy.",
        ),
        AccountOption::new(
            ADDRESSES,
            "`all` lists the addresses of instances; `none` saves the requests for their VNICs. Default: all.",
        ),
    ]
}

impl<'a> Settings<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        if account.secret != SecretKind::PrivateKey {
            return Err(Error::InvalidAccount(
                "the password has to be the private key of an API key: set `password_kind` to private-key".to_owned(),
            ));
        }
        let tenancy = account.required_option(TENANCY)?.trim();
        if !is_ocid(tenancy) {
            return Err(Error::bad_option(TENANCY, tenancy, "the OCID of a tenancy"));
        }
        let fingerprint = account.required_option(FINGERPRINT)?.trim();
        if !is_fingerprint(fingerprint) {
            let wanted = "16 pairs of hexadecimal digits with colons between them";
            return Err(Error::bad_option(FINGERPRINT, fingerprint, wanted));
        }
        // It stands between quotes in a header.
        let user = account.user.trim();
        if user.is_empty() || user.chars().any(|char| char.is_control() || "\"\\".contains(char)) {
            return Err(Error::InvalidAccount("the user has to be the OCID of a user".to_owned()));
        }
        let list = account.option(COMPARTMENTS).unwrap_or_default();
        let mut compartments = Vec::new();
        for word in list.split([',', ' ', '\n', '\t']).filter(|word| !word.is_empty()) {
            if !is_ocid(word) {
                return Err(Error::bad_option(COMPARTMENTS, word, "OCIDs of compartments, separated by commas"));
            }
            if !compartments.contains(&word) {
                compartments.push(word);
            }
        }
        if account.option(COMPARTMENTS).is_some() && compartments.is_empty() {
            return Err(Error::bad_option(COMPARTMENTS, list, "the OCID of one compartment at least"));
        }
        let has_addresses = match account.option(ADDRESSES) {
            None | Some("all") => true,
            Some("none") => false,
            Some(other) => return Err(Error::bad_option(ADDRESSES, other, "all or none")),
        };
        let Some(identity) = account.endpoint_of(IDENTITY) else {
            return Err(Error::InvalidAccount(format!("the provider has no endpoint for the role `{IDENTITY}`")));
        };
        let key_id = format!("{tenancy}/{user}/{fingerprint}");
        Ok(Settings { account, identity, tenancy, key_id, compartments, has_addresses })
    }
}

/// Whether it may be the id of a resource: no other word goes into a path. The oldest tenancies have one with colons:
/// `ocidv1:tenancy:oc1:phx:..`.
pub(crate) fn is_ocid(text: &str) -> bool {
    let is_known = text.starts_with("ocid1.") || text.starts_with("ocidv1:");
    is_known && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte))
}

fn is_fingerprint(text: &str) -> bool {
    let mut pairs = 0;
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(':').inspect(|_| pairs += 1).all(is_pair) && pairs == 16
}
