//! An account's options, checked before anything is asked.

use tracker_driver_sdk::{Account, AccountOption, Error};

const AUTH: &str = "auth";
const PROJECT: &str = "project";
const PROJECT_ID: &str = "project-id";
const PROJECT_DOMAIN: &str = "project-domain";
const PROJECT_DOMAIN_ID: &str = "project-domain-id";
const USER_DOMAIN: &str = "user-domain";
const USER_DOMAIN_ID: &str = "user-domain-id";
const REGION: &str = "region";
const INTERFACE: &str = "interface";
const ALL_PROJECTS: &str = "all-projects";
const PUBLIC_NETWORKS: &str = "public-networks";

/// The domain that each Keystone is set up with.
const DEFAULT_DOMAIN: Named<'static> = Named::Id("default");

/// What may be named by its id or by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// How the account logs in.
#[derive(Debug, PartialEq, Eq)]
pub enum Login<'a> {
    Password { user_domain: Named<'a>, project: Project<'a> },
    ApplicationCredential,
}

/// The project that the token is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Project<'a> {
    Id(&'a str),
    Name(&'a str, Named<'a>),
}

/// What the options say.
#[derive(Debug)]
pub struct Settings<'a> {
    pub login: Login<'a>,
    pub region: Option<&'a str>,
    pub interface: &'a str,
    /// Whether the servers of all projects are listed.
    pub all_projects: bool,
    pub public_networks: Vec<&'a str>,
}

pub(crate) fn options() -> Vec<AccountOption> {
    let options = [
        (
            AUTH,
            "`password` (the default), or `application-credential`: then the user is the credential's id, the password its \
             secret, and it says itself which project it is for.",
        ),
        (PROJECT, "The name of the project whose servers are listed. With a password, it or `project-id` is required."),
        (PROJECT_ID, "The id of the project, in the place of its name and domain."),
        (PROJECT_DOMAIN, "The name of the project's domain. Default: the user's domain."),
        (PROJECT_DOMAIN_ID, "The id of the project's domain, in the place of its name."),
        (USER_DOMAIN, "The name of the user's domain. Default: the domain whose id is `default`."),
        (USER_DOMAIN_ID, "The id of the user's domain, in the place of its name."),
        (REGION, "The region in the catalogue. Default: the only one that there is."),
        (INTERFACE, "Which endpoint of the catalogue is used: `public` (the default), `internal` or `admin`."),
        (
            ALL_PROJECTS,
            "`true` lists the servers of all projects, for which Nova wants an administrator. Default: `false`.",
        ),
        (
            PUBLIC_NETWORKS,
            "The names of networks, separated by commas, whose fixed addresses are public ones: a cloud may give servers \
             such addresses without floating IPs. Default: none.",
        ),
    ];
    options.map(|(name, help)| AccountOption::new(name, help)).into()
}

impl<'a> Settings<'a> {
    /// # Errors
    /// `InvalidAccount` where options are missing, malformed, or contradict each other.
    pub fn of(account: &'a Account) -> Result<Self, Error> {
        if account.user.is_empty() {
            return Err(Error::InvalidAccount("the account has no user".to_owned()));
        }
        Ok(Settings {
            login: login(account)?,
            region: text(account, REGION)?,
            interface: match account.option(INTERFACE) {
                None => "public",
                Some(word @ ("public" | "internal" | "admin")) => word,
                Some(other) => return Err(Error::bad_option(INTERFACE, other, "`public`, `internal` or `admin`")),
            },
            all_projects: account.parsed_option(ALL_PROJECTS, "`true` or `false`")?.unwrap_or(false),
            public_networks: networks(account)?,
        })
    }
}

fn login(account: &Account) -> Result<Login<'_>, Error> {
    match account.option(AUTH) {
        None | Some("password") => {
            let user_domain = named(account, USER_DOMAIN, USER_DOMAIN_ID)?.unwrap_or(DEFAULT_DOMAIN);
            Ok(Login::Password { user_domain, project: project(account, user_domain)? })
        }
        Some("application-credential") => {
            let scope = [PROJECT, PROJECT_ID, PROJECT_DOMAIN, PROJECT_DOMAIN_ID, USER_DOMAIN, USER_DOMAIN_ID];
            match scope.into_iter().find(|name| account.option(name).is_some()) {
                None => Ok(Login::ApplicationCredential),
                Some(name) => Err(Error::InvalidAccount(format!(
                    "the option `{name}` goes with a password: an application credential has its own user and project"
                ))),
            }
        }
        Some(other) => Err(Error::bad_option(AUTH, other, "`password` or `application-credential`")),
    }
}

fn project<'a>(account: &'a Account, user_domain: Named<'a>) -> Result<Project<'a>, Error> {
    let domain = named(account, PROJECT_DOMAIN, PROJECT_DOMAIN_ID)?;
    match named(account, PROJECT, PROJECT_ID)? {
        Some(Named::Name(name)) => Ok(Project::Name(name, domain.unwrap_or(user_domain))),
        Some(Named::Id(id)) if domain.is_none() => Ok(Project::Id(id)),
        Some(Named::Id(_)) => Err(Error::InvalidAccount(format!(
            "the option `{PROJECT_ID}` needs no domain: leave it out, or use `{PROJECT}`"
        ))),
        None => Err(Error::InvalidAccount(format!("one of the options `{PROJECT}` and `{PROJECT_ID}` has to be set"))),
    }
}

fn named<'a>(account: &'a Account, name: &str, id: &str) -> Result<Option<Named<'a>>, Error> {
    match (text(account, name)?, text(account, id)?) {
        (Some(_), Some(_)) => {
            Err(Error::InvalidAccount(format!("only one of the options `{name}` and `{id}` can be set")))
        }
        (name, id) => Ok(name.map(Named::Name).or(id.map(Named::Id))),
    }
}

fn text<'a>(account: &'a Account, name: &str) -> Result<Option<&'a str>, Error> {
    match account.option(name) {
        Some("") => Err(Error::bad_option(name, "", "a name")),
        value => Ok(value),
    }
}

/// Names may be anything; a `*` or `?` is refused, since it would stand for nothing but itself.
fn networks(account: &Account) -> Result<Vec<&str>, Error> {
    let Some(list) = account.option(PUBLIC_NETWORKS) else { return Ok(Vec::new()) };
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if names.iter().any(|name| name.is_empty() || name.contains(['*', '?'])) {
        return Err(Error::bad_option(
            PUBLIC_NETWORKS,
            list,
            "names of networks, separated by commas, without wildcards",
        ));
    }
    Ok(names)
}
