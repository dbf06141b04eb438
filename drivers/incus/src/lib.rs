//! Incus and LXD: containers and virtual machines as instances, cluster members as realms. One list has them all, with their
//! run-time state. What an answer means is in `answer` and `state`, apart from HTTP; here is what is asked.

pub mod answer;
mod config;
mod problem;
mod projects;
pub mod state;

use tracker_driver_sdk::http::{Request, Response, encode_query};
use tracker_driver_sdk::parts::{self, Failure};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{
    Account, AccountOption, Description, Driver, Error, Features, Instance, Page, Query, Realm, SecretKind,
};

use answer::Server;
use problem::{Head, Problem};
use projects::Projects;

/// How many instances are asked for one by one: of more, a list of everything is one request.
const MOST_ALONE: usize = 20;

/// The driver itself. A server knows its clients by its socket's permissions or by their certificates, which are the host's,
/// or by a token of an identity provider.
#[derive(Debug)]
pub struct Incus;

tracker_driver_sdk::export_driver!(Incus);

impl Driver for Incus {
    fn describe() -> Description {
        Description {
            // No provider is known by name: every server is its operator's own.
            options: vec![AccountOption::new(projects::OPTION, projects::HELP)],
            secrets: vec![SecretKind::Password, SecretKind::AccessToken],
            // Neither Incus nor LXD has a limit of requests.
            requests_per_minute: None,
            features: Features::BY_ID,
            ..Description::new("incus", "Incus and LXD", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let projects = Projects::of(account)?;
        match query.ids.len() {
            1..=MOST_ALONE => single(account, &projects, query),
            _ => list(account, &projects, query.cursor.as_deref()),
        }
    }

    /// A server that is in no cluster has no list of members.
    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        Projects::of(account)?;
        match read(account, "/1.0", answer::server)? {
            Server::Alone(realm) => Ok(Page::complete(vec![realm])),
            Server::Clustered => read(account, "/1.0/cluster/members?recursion=1", answer::members).map(Page::complete),
        }
    }
}

/// The instances of all projects, or of one that the account names; the next page is of the next one.
fn list(account: &Account, projects: &Projects<'_>, cursor: Option<&str>) -> Result<Page<Instance>, Error> {
    let (project, next) = projects.at(cursor)?;
    if cursor.is_none() {
        parts::begin();
        projects::begin();
    }
    let found = of_project(account, project).map(|page| page.followed_by(next.clone()));
    match project {
        Some(name) => parts::page(&format!("the project `{name}`"), found, next),
        None => found.map_err(Failure::into_error),
    }
}

fn of_project(account: &Account, project: Option<&str>) -> Result<Page<Instance>, Failure> {
    let scope = project.map_or(("all-projects", "true"), |name| ("project", name));
    let path = format!("/1.0/instances?{}", encode_query([("recursion", "2"), scope]));
    let response = get(account, &path)?;
    if !(200..300).contains(&response.status) {
        let problem = Problem::of(response);
        return Err(match problem.is_absence() {
            true => Failure::OfPart(problem.into_error()),
            false => problem.into_error().into(),
        });
    }
    let page = meaning(response, |body| answer::instances(body, project))?;
    if page.items.is_empty() {
        require_sight(account, project)?;
    }
    Ok(page)
}

/// The list leaves out what a client may not see, without a word. So an empty one is right only for a client that sees the
/// project, or any: there is always one.
fn require_sight(account: &Account, project: Option<&str>) -> Result<(), Error> {
    let visible = projects::visible(|| read(account, "/1.0/projects", answer::projects))?;
    let message = match project {
        None if visible.is_empty() => "the client sees no instance and no project: give it a project".to_owned(),
        Some(name) if !visible.iter().any(|seen| seen == name) => {
            format!("the client sees no instance, and does not see the project `{name}`: give it that project")
        }
        _ => return Ok(()),
    };
    Err(Error::Forbidden(message))
}

/// One of the instances that are asked for; the next page is of the next one. What is no id is of none.
fn single(account: &Account, projects: &Projects<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    let absent = || Page::complete(Vec::new()).followed_by(next.clone());
    let Some((project, name)) = answer::parts_of(id).filter(|(project, _)| projects.has(project)) else {
        return Ok(absent());
    };
    let path = format!("/1.0/instances/{name}?{}", encode_query([("project", project), ("recursion", "1")]));
    let response = get(account, &path)?;
    if !(200..300).contains(&response.status) {
        let problem = Problem::of(response);
        // In the server's own words: a proxy says 404 of much.
        return if problem.is_absence() { Ok(absent()) } else { Err(problem.into_error()) };
    }
    let page = meaning(response, |body| answer::instance(body, project))?;
    match page.items.iter().all(|instance| instance.id == id) {
        true => Ok(page.followed_by(next)),
        false => Err(Error::UnexpectedAnswer(format!("{path} answered with another instance"))),
    }
}

/// What an answer means, where it is one.
fn read<T>(account: &Account, path: &str, meaning_of: impl Fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let response = get(account, path)?;
    match response.status {
        200..300 => meaning(response, meaning_of),
        _ => Err(Problem::of(response).into_error()),
    }
}

fn meaning<T>(response: Response, meaning_of: impl Fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let head = Head::of(&response);
    let body = response.bytes()?;
    meaning_of(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| error.during(&head.asked)))
}

/// The socket or the certificate says who a client is, and a server takes each `Authorization` for a token. So a password goes
/// into a header that no server reads, for a proxy that checks accounts.
fn get(account: &Account, path: &str) -> Result<Response, Error> {
    let request = Request::get(format!("{}{path}", account.endpoint)).header("accept", "application/json");
    match account.secret {
        SecretKind::AccessToken => request.bearer(secret::PASSWORD)?.send(),
        _ => request.header("x-api-key", secret::placeholder(secret::PASSWORD, Encoding::Raw)?).send(),
    }
}
