//! OpenStack: the servers and availability zones of Nova, asked for with a token of Keystone. What is asked and what comes of
//! an answer's status is in `compute` and `identity`; what an answer means is in `answer`, apart from HTTP.

pub mod answer;
pub mod catalogue;
mod compute;
mod identity;
pub mod problem;
mod server;
pub mod settings;
mod state;

use tracker_driver_sdk::http::encode_path;
use tracker_driver_sdk::{
    Account, Coverage, Description, Driver, EndpointRole, Error, Features, Instance, Page, Query, Realm, Timestamp,
    time,
};

use settings::Settings;

/// The roles of endpoints, by name.
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const COMPUTE: &str = "compute";

/// How many servers are asked for one by one: of more, a list of everything takes fewer requests.
const MOST_ALONE: usize = 10;

/// The driver itself. The account's user is one of Keystone's, or the id of an application credential.
#[derive(Debug)]
pub struct OpenStack;

tracker_driver_sdk::export_driver!(OpenStack);

impl Driver for OpenStack {
    fn describe() -> Description {
        Description {
            options: settings::options(),
            roles: vec![
                EndpointRole::new(
                    IDENTITY,
                    "Where Keystone is, with or without /v3 at the end. Default: the provider's own endpoint.",
                ),
                EndpointRole::new(
                    COMPUTE,
                    "Where Nova is, with or without /v2.1 at the end. Default: what the catalogue says, if it lies below one \
                     of the provider's other endpoints.",
                ),
            ],
            // Each cloud has limits of its own. Half of what OpenStack's documentation gives as sample limits, 120 of a kind
            // a minute ("Rate limits", Compute API v2).
            requests_per_minute: Some(60),
            features: Features::BY_ID | Features::DELTA,
            ..Description::new("openstack", "OpenStack", env!("CARGO_PKG_VERSION"))
        }
    }

    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error> {
        let settings = Settings::of(account)?;
        match query.ids.len() {
            1..=MOST_ALONE => server(account, &settings, query),
            _ => servers(account, &settings, query),
        }
    }

    fn list_realms(account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
        let settings = Settings::of(account)?;
        let answered = compute::get(account, &settings, "/os-availability-zone")?.success()?;
        answered.read(answer::zones)
    }
}

/// A page of servers. The first one is asked for without `limit`, and gets as many as the cloud gives at once: with a limit,
/// Nova leaves the servers of a cell that it does not reach out, and does not say so.
fn servers(account: &Account, settings: &Settings<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let mut parameters = Vec::new();
    if settings.all_projects {
        parameters.push("all_tenants=1".to_owned());
    }
    if let Some(since) = query.changed_since {
        parameters.push(format!("changes-since={}", moment(since)));
    }
    if let Some(marker) = &query.cursor {
        parameters.push(format!("marker={marker}"));
    }
    let mark = if parameters.is_empty() { "" } else { "?" };
    let path = format!("/servers/detail{mark}{}", parameters.join("&"));
    let answered = compute::get(account, settings, &path)?.success()?;
    let page = answered.read(|body| answer::servers(body, query.changed_since.is_some(), settings))?;
    let is_end_of_several = query.cursor.is_some() && page.next.is_none() && page.coverage == Coverage::Complete;
    match settings.all_projects && is_end_of_several {
        true => held_against_services(account, settings, page),
        false => Ok(page),
    }
}

/// A list of several pages may lack the servers of a cell that Nova does not reach. Who may list the servers of all projects
/// may mostly list the compute services, too, which tell of such a cell.
fn held_against_services(
    account: &Account,
    settings: &Settings<'_>,
    page: Page<Instance>,
) -> Result<Page<Instance>, Error> {
    let answered = compute::get(account, settings, "/os-services?binary=nova-compute")?;
    if answered.status == 403 {
        return Ok(page);
    }
    Ok(match answered.success()?.read(answer::unreached_services)? {
        0 => page,
        count => page.partial(format!("Nova does not reach the cell of {count} of its compute services")),
    })
}

/// One of the servers that are asked for; the next page is of the next one.
fn server(account: &Account, settings: &Settings<'_>, query: &Query) -> Result<Page<Instance>, Error> {
    let (id, next) = query.single_id()?;
    if !is_id(id) {
        return Ok(Page::complete(Vec::new()).followed_by(next));
    }
    let answered = compute::get(account, settings, &format!("/servers/{}", encode_path(id)))?;
    if answered.is_absent() {
        return Ok(Page::complete(Vec::new()).followed_by(next));
    }
    let page = answered.success()?.read(|body| answer::server(body, settings))?;
    Ok(page.followed_by(next))
}

/// Whether a text may be the id of a server. Another one could lead to a different resource, such as `/servers/detail`.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text != "detail" && !text.is_empty() && text.bytes().all(plain)
}

/// A time as `changes-since` takes it: `2026-11-20T10:00:00Z`, with its colons escaped.
fn moment(time: Timestamp) -> String {
    let text = time::format_amz_date(time);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (date, clock) = ([part(0..4), part(4..6), part(6..8)], [part(9..11), part(11..13), part(13..15)]);
    format!("{}T{}Z", date.join("-"), clock.join("%3A"))
}
