//! What an operator configures: checked whole before any request leaves.

use tracker_driver_sdk::{Account, AccountOption, Error, SecretKind};

/// The role of the endpoint that gives out tokens.
pub(crate) const LOGIN: &str = "login";

const SUBSCRIPTION: &str = "subscription";
const TENANT: &str = "tenant";
const THUMBPRINT: &str = "thumbprint";
const SOURCE: &str = "source";
const ADDRESSES: &str = "addresses";
const SCALE_SETS: &str = "scale-sets";

/// Where virtual machines are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    ResourceManager,
    ResourceGraph,
}

/// An account, understood.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) account: &'a Account,
    pub(crate) subscription: &'a str,
    pub(crate) source: Source,
    pub(crate) has_addresses: bool,
    pub(crate) has_scale_sets: bool,
}

pub(crate) fn options() -> Vec<AccountOption> {
    vec![
        AccountOption::new(SUBSCRIPTION, "The id of the subscription that is listed.").required(),
        AccountOption::new(
            TENANT,
            "The id or a domain of the tenant that the application signs in to. Required, except with an access token.",
        ),
        AccountOption::new(
            THUMBPRINT,
            "The SHA-256 thumbprint of the certificate that belongs to the private key: 64 hexadecimal digits, with or \
             without colons. Required with a private key.",
        ),
        AccountOption::new(
            SOURCE,
            "`resource-manager` lists virtual machines as they are now; `resource-graph` takes fewer requests, and may \
             be some minutes behind. Default: resource-manager.",
        ),
        AccountOption::new(
            ADDRESSES,
            "`all` lists the addresses of instances; `none` saves the requests for interfaces and public addresses. \
             Default: all.",
        ),
        AccountOption::new(
            SCALE_SETS,
            "`all` lists the members of uniform scale sets; `none` leaves them out. Default: all.",
        ),
    ]
}

impl<'a> Settings<'a> {
    pub(crate) fn of(account: &'a Account) -> Result<Self, Error> {
        let subscription = account.required_option(SUBSCRIPTION)?;
        if !is_name(subscription) {
            return Err(Error::bad_option(SUBSCRIPTION, subscription, "the id of a subscription"));
        }
        let settings = Settings {
            account,
            subscription,
            source: match account.option(SOURCE) {
                None | Some("resource-manager") => Source::ResourceManager,
                Some("resource-graph") => Source::ResourceGraph,
                Some(other) => return Err(Error::bad_option(SOURCE, other, "resource-manager or resource-graph")),
            },
            has_addresses: is_all(account, ADDRESSES)?,
            has_scale_sets: is_all(account, SCALE_SETS)?,
        };
        if account.secret != SecretKind::AccessToken {
            settings.tenant()?;
            settings.login_endpoint()?;
        }
        if account.secret == SecretKind::PrivateKey {
            settings.thumbprint()?;
        }
        Ok(settings)
    }

    pub(crate) fn tenant(&self) -> Result<&'a str, Error> {
        let tenant = self.account.required_option(TENANT)?;
        if is_name(tenant) {
            Ok(tenant)
        } else {
            Err(Error::bad_option(TENANT, tenant, "the id or a domain of a tenant"))
        }
    }

    pub(crate) fn login_endpoint(&self) -> Result<&'a str, Error> {
        let missing = || Error::InvalidAccount(format!("the provider has no endpoint for the role `{LOGIN}`"));
        self.account.endpoint_of(LOGIN).ok_or_else(missing)
    }

    /// The bytes of the certificate's thumbprint.
    pub(crate) fn thumbprint(&self) -> Result<Vec<u8>, Error> {
        let text = self.account.required_option(THUMBPRINT)?;
        let digits: Vec<char> = text.trim().chars().filter(|c| *c != ':').collect();
        let byte = |pair: &[char]| match pair {
            [high, low] => Some(u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok()?),
            _ => None,
        };
        let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>();
        let wanted = "the SHA-256 thumbprint of a certificate, in 64 hexadecimal digits";
        bytes.filter(|bytes| bytes.len() == 32).ok_or_else(|| Error::bad_option(THUMBPRINT, text, wanted))
    }
}

fn is_all(account: &Account, name: &str) -> Result<bool, Error> {
    match account.option(name) {
        None | Some("all") => Ok(true),
        Some("none") => Ok(false),
        Some(other) => Err(Error::bad_option(name, other, "all or none")),
    }
}

/// Ids and domains stand in paths: nothing in them leads to another one.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}
