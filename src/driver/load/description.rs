//! Checks the description of a driver against the contract. Pure.

use std::collections::HashSet;
use std::num::NonZeroU32;

use crate::driver::bindings::inventory;
use crate::driver::info::{DriverInfo, KnownProvider, OptionInfo, RoleInfo, SecretKind};
use crate::driver::message::message;
use crate::model::legible;
use crate::supply::grants::{Endpoint, InvalidEndpoint, Pattern};

/// The most providers, endpoints or options that a driver may describe: each is kept for good, shown by the API, and
/// looked through at each request. The largest clouds have a few dozen regions.
const MOST_DESCRIBED: usize = 1000;

/// What is described goes to terminals and into documents, and stays in memory.
fn check_texts(description: &inventory::Description, field_bytes: usize) -> Result<(), String> {
    let inventory::Description { name, title, version, providers, endpoints, options, roles, secrets, .. } =
        description;
    let of_roles = providers.iter().map(|provider| provider.endpoints.len()).max().unwrap_or(0);
    let counts = [providers.len(), endpoints.len(), options.len(), roles.len(), secrets.len(), of_roles];
    if let Some(count) = counts.into_iter().max()
        && count > MOST_DESCRIBED
    {
        return Err(format!("a list of {count}; at most {MOST_DESCRIBED} are taken"));
    }
    let lists = providers.iter().flat_map(|provider| [&provider.name, &provider.endpoint]);
    let lists = lists.chain(options.iter().flat_map(|option| [&option.name, &option.help])).chain(endpoints);
    let lists = lists.chain(roles.iter().flat_map(|role| [&role.name, &role.help]));
    let of_roles = providers.iter().flat_map(|provider| &provider.endpoints);
    let lists = lists.chain(of_roles.flat_map(|(role, endpoint)| [role, endpoint]));
    for text in [name, title, version].into_iter().chain(lists) {
        if text.len() > field_bytes {
            let found = text.len();
            return Err(format!("a text of {found} bytes; limit {field_bytes}, setting: drivers.limits.field_bytes"));
        }
        if legible(text) != **text {
            let shown = message(format!("{text:?}"));
            return Err(format!("the text {shown} has line breaks, or control characters or other invisible ones"));
        }
    }
    Ok(())
}

/// Holds a description against the contract.
pub(in crate::driver) fn checked(
    description: inventory::Description,
    field_bytes: usize,
) -> Result<(DriverInfo, Vec<Pattern>), String> {
    check_texts(&description, field_bytes)?;
    let inventory::Description {
        name,
        title,
        version,
        providers,
        endpoints,
        options,
        roles,
        secrets,
        requests_per_minute,
        features,
    } = description;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty()
        || name.len() > 32
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(fits)
    {
        return Err(format!(
            "name {name:?}: a name is 1 to 32 lower-case letters, digits and hyphens, and begins with a letter"
        ));
    }
    if version.is_empty() || version.chars().any(char::is_control) {
        return Err(format!("version {version:?}: give one such as 1.0.0"));
    }
    let mut names = HashSet::new();
    for provider in &providers {
        if provider.name.is_empty() || !names.insert(&provider.name) {
            return Err(format!("provider {:?} is named twice or not at all", provider.name));
        }
        let own = Some(&provider.endpoint).filter(|endpoint| !endpoint.is_empty());
        for endpoint in own.into_iter().chain(provider.endpoints.iter().map(|(_, endpoint)| endpoint)) {
            Endpoint::parse(endpoint)
                .map_err(|error: InvalidEndpoint| format!("provider {:?}: {error}", provider.name))?;
        }
        for (place, (role, _)) in provider.endpoints.iter().enumerate() {
            if !roles.iter().any(|known| known.name == *role) {
                return Err(format!("provider {:?} has an endpoint for {role:?}, which is not a role", provider.name));
            }
            if provider.endpoints[..place].iter().any(|(other, _)| other == role) {
                return Err(format!("provider {:?} has two endpoints for {role:?}", provider.name));
            }
        }
    }
    let mut names = HashSet::new();
    for role in &roles {
        if role.name.is_empty() || !role.name.chars().all(fits) || !names.insert(&role.name) {
            return Err(format!(
                "role {:?} is named twice or not at all, or has other characters than lower-case letters, digits and \
                 hyphens",
                role.name
            ));
        }
    }
    let mut names = HashSet::from(["password"]);
    for option in &options {
        if option.name.is_empty() || !names.insert(&option.name) {
            return Err(format!("account option {:?} is named twice, not at all, or `password`", option.name));
        }
    }
    let declared = endpoints
        .iter()
        .map(|text| Pattern::parse(text).map_err(|error| format!("endpoints: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    let info = DriverInfo {
        name,
        title,
        version,
        digest: String::new(),
        providers: providers
            .into_iter()
            .map(|provider| KnownProvider {
                name: provider.name,
                endpoint: provider.endpoint,
                endpoints: provider.endpoints.into_iter().collect(),
            })
            .collect(),
        asks_for: endpoints,
        endpoints: Vec::new(),
        options: options
            .into_iter()
            .map(|option| OptionInfo {
                name: option.name,
                help: option.help,
                required: option.required,
                secret: option.secret,
            })
            .collect(),
        roles: roles
            .into_iter()
            .map(|role| RoleInfo { name: role.name, help: role.help, required: role.required })
            .collect(),
        secrets: secrets
            .into_iter()
            .map(|kind| match kind {
                inventory::SecretKind::Password => SecretKind::Password,
                inventory::SecretKind::PrivateKey => SecretKind::PrivateKey,
                inventory::SecretKind::AccessToken => SecretKind::AccessToken,
            })
            .collect(),
        delta: features.contains(inventory::Features::DELTA),
        by_id: features.contains(inventory::Features::BY_ID),
        requests_per_minute: requests_per_minute.and_then(NonZeroU32::new),
        signed_by: Vec::new(),
    };
    Ok((info, declared))
}
