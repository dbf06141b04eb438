//! A driver of any supported contract version, behind one interface: that of the newest version.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::Sandbox;
use crate::driver::bindings::{inventory, v0_1, v0_2};
use crate::driver::contract::Contract;

/// A driver, ready to be put into sandboxes.
#[derive(Clone)]
pub(in crate::driver) enum GuestPre {
    V0_1(v0_1::DriverPre<Sandbox>),
    V0_2(v0_2::DriverPre<Sandbox>),
}

impl GuestPre {
    pub(in crate::driver) fn new(pre: InstancePre<Sandbox>, contract: Contract) -> wasmtime::Result<GuestPre> {
        match contract {
            Contract::V0_1 => v0_1::DriverPre::new(pre).map(GuestPre::V0_1),
            Contract::V0_2 => v0_2::DriverPre::new(pre).map(GuestPre::V0_2),
        }
    }

    pub(in crate::driver) fn engine(&self) -> &wasmtime::Engine {
        match self {
            GuestPre::V0_1(pre) => pre.engine(),
            GuestPre::V0_2(pre) => pre.engine(),
        }
    }

    pub(in crate::driver) fn contract(&self) -> Contract {
        match self {
            GuestPre::V0_1(_) => Contract::V0_1,
            GuestPre::V0_2(_) => Contract::V0_2,
        }
    }

    pub(in crate::driver) async fn instantiate(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Guest> {
        match self {
            GuestPre::V0_1(pre) => pre.instantiate_async(store).await.map(Guest::V0_1),
            GuestPre::V0_2(pre) => pre.instantiate_async(store).await.map(Guest::V0_2),
        }
    }
}

/// A driver in a sandbox.
pub(in crate::driver) enum Guest {
    V0_1(v0_1::Driver),
    V0_2(v0_2::Driver),
}

impl Guest {
    pub(in crate::driver) async fn describe(
        &self,
        store: &mut Store<Sandbox>,
    ) -> wasmtime::Result<inventory::Description> {
        match self {
            Guest::V0_1(guest) => guest.tracker_driver_inventory().call_describe(store).await.map(Into::into),
            Guest::V0_2(guest) => guest.tracker_driver_inventory().call_describe(store).await,
        }
    }

    pub(in crate::driver) async fn list_instances(
        &self,
        store: &mut Store<Sandbox>,
        account: &inventory::Account,
        query: &inventory::Query,
    ) -> wasmtime::Result<Result<inventory::InstancePage, inventory::Error>> {
        match self {
            Guest::V0_1(guest) => {
                let (account, query) = (older_account(account), older_query(query));
                let page = guest.tracker_driver_inventory().call_list_instances(store, &account, &query).await?;
                Ok(page.map(Into::into).map_err(Into::into))
            }
            Guest::V0_2(guest) => guest.tracker_driver_inventory().call_list_instances(store, account, query).await,
        }
    }

    pub(in crate::driver) async fn list_realms(
        &self,
        store: &mut Store<Sandbox>,
        account: &inventory::Account,
        query: &inventory::Query,
    ) -> wasmtime::Result<Result<inventory::RealmPage, inventory::Error>> {
        match self {
            Guest::V0_1(guest) => {
                let (account, query) = (older_account(account), older_query(query));
                let page = guest.tracker_driver_inventory().call_list_realms(store, &account, &query).await?;
                Ok(page.map(Into::into).map_err(Into::into))
            }
            Guest::V0_2(guest) => guest.tracker_driver_inventory().call_list_realms(store, account, query).await,
        }
    }
}

use v0_1::inventory as older;

fn older_account(account: &inventory::Account) -> older::Account {
    older::Account {
        provider: account.provider.clone(),
        endpoint: account.endpoint.clone(),
        user: account.user.clone(),
        options: account.options.clone(),
    }
}

fn older_query(query: &inventory::Query) -> older::Query {
    older::Query { cursor: query.cursor.clone(), changed_since: query.changed_since }
}

impl From<older::Description> for inventory::Description {
    fn from(description: older::Description) -> inventory::Description {
        let older::Description { name, title, version, providers, endpoints, options, requests_per_minute, features } =
            description;
        let provider = |provider: older::Provider| inventory::Provider {
            name: provider.name,
            endpoint: provider.endpoint,
            endpoints: Vec::new(),
        };
        let option = |option: older::AccountOption| inventory::AccountOption {
            name: option.name,
            help: option.help,
            required: option.required,
            secret: option.secret,
        };
        inventory::Description {
            name,
            title,
            version,
            providers: providers.into_iter().map(provider).collect(),
            endpoints,
            options: options.into_iter().map(option).collect(),
            roles: Vec::new(),
            secrets: Vec::new(),
            requests_per_minute,
            features: match features.contains(older::Features::DELTA) {
                true => inventory::Features::DELTA,
                false => inventory::Features::empty(),
            },
        }
    }
}

impl From<older::InstancePage> for inventory::InstancePage {
    fn from(page: older::InstancePage) -> inventory::InstancePage {
        inventory::InstancePage {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
            coverage: page.coverage.into(),
            total: None,
            omitted: 0,
        }
    }
}

impl From<older::RealmPage> for inventory::RealmPage {
    fn from(page: older::RealmPage) -> inventory::RealmPage {
        let realm = |realm: older::Realm| inventory::Realm {
            id: realm.id,
            name: realm.name,
            state: match realm.state {
                older::RealmState::Available => inventory::RealmState::Available,
                older::RealmState::Unavailable => inventory::RealmState::Unavailable,
            },
            limit: realm.limit,
        };
        inventory::RealmPage {
            items: page.items.into_iter().map(realm).collect(),
            next: page.next,
            coverage: page.coverage.into(),
            total: None,
            omitted: 0,
        }
    }
}

impl From<older::Coverage> for inventory::Coverage {
    fn from(coverage: older::Coverage) -> inventory::Coverage {
        match coverage {
            older::Coverage::Complete => inventory::Coverage::Complete,
            older::Coverage::Partial(why) => inventory::Coverage::Partial(why),
            older::Coverage::Delta(removed) => inventory::Coverage::Delta(removed),
        }
    }
}

impl From<older::Instance> for inventory::Instance {
    fn from(instance: older::Instance) -> inventory::Instance {
        let addresses = |addresses: Vec<older::Address>| addresses.into_iter().map(Into::into).collect();
        inventory::Instance {
            id: instance.id,
            name: instance.name,
            owner: instance.owner,
            realm: instance.realm,
            image: instance.image,
            hardware_profile: instance.hardware_profile,
            state: match instance.state {
                older::InstanceState::Pending => inventory::InstanceState::Pending,
                older::InstanceState::Running => inventory::InstanceState::Running,
                older::InstanceState::Stopping => inventory::InstanceState::Stopping,
                older::InstanceState::Stopped => inventory::InstanceState::Stopped,
                older::InstanceState::ShuttingDown => inventory::InstanceState::ShuttingDown,
                older::InstanceState::Finish => inventory::InstanceState::Finish,
                older::InstanceState::Error => inventory::InstanceState::Error,
                older::InstanceState::Unknown => inventory::InstanceState::Unknown,
            },
            provider_state: instance.provider_state,
            launched_at: instance.launched_at,
            public_addresses: addresses(instance.public_addresses),
            private_addresses: addresses(instance.private_addresses),
            labels: instance.labels,
        }
    }
}

impl From<older::Address> for inventory::Address {
    fn from(address: older::Address) -> inventory::Address {
        inventory::Address {
            kind: match address.kind {
                older::AddressKind::Ipv4 => inventory::AddressKind::Ipv4,
                older::AddressKind::Ipv6 => inventory::AddressKind::Ipv6,
                older::AddressKind::Hostname => inventory::AddressKind::Hostname,
            },
            value: address.value,
        }
    }
}

impl From<older::Error> for inventory::Error {
    fn from(error: older::Error) -> inventory::Error {
        match error {
            older::Error::Unauthorized(why) => inventory::Error::Unauthorized(why),
            older::Error::Forbidden(why) => inventory::Error::Forbidden(why),
            older::Error::Throttled(throttle) => inventory::Error::Throttled(inventory::Throttle {
                retry_after: throttle.retry_after,
                message: throttle.message,
            }),
            older::Error::Unavailable(why) => inventory::Error::Unavailable(why),
            older::Error::InvalidAccount(why) => inventory::Error::InvalidAccount(why),
            older::Error::UnexpectedAnswer(why) => inventory::Error::UnexpectedAnswer(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_the_contract_of_its_minor_version() {
        let check = |version: &str, want: Option<Contract>| assert_eq!(Contract::of(version), want, "{version}");
        check("0.1.0", Some(Contract::V0_1));
        check("0.1", Some(Contract::V0_1));
        check("0.2.7", Some(Contract::V0_2));
        check("0.20.0", None);
        check("0.3.0", None);
        check("1.0.0", None);
        check("", None);
    }
}
