//! What a driver author writes: three functions, and one macro that makes a component of them. The
//! functions take no `self`: the host makes a fresh sandbox for each poll, so there is nothing to keep.

use crate::bindings::exports::tracker::driver::inventory;
use crate::model::{Account, Description, Instance, Page, Query, Realm};
use crate::{Error, Timestamp};

/// One provider's API, seen as two lists.
pub trait Driver {
    /// Describes the driver. It must not make a request, and returns the same description every time.
    fn describe() -> Description;

    /// Returns one page of the account's instances, in all their states.
    fn list_instances(account: &Account, query: &Query) -> Result<Page<Instance>, Error>;

    /// Returns one page of the account's realms: the provider's zones, regions or locations.
    fn list_realms(account: &Account, query: &Query) -> Result<Page<Realm>, Error>;
}

/// Joins a [`Driver`] to the functions that the contract exports. Made by `export_driver!`; public only
/// because the macro is expanded in the driver's crate.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<D>(std::marker::PhantomData<D>);

impl<D: Driver> inventory::Guest for Exported<D> {
    fn describe() -> inventory::Description {
        D::describe()
    }

    fn list_instances(
        account: inventory::Account,
        query: inventory::Query,
    ) -> Result<inventory::InstancePage, inventory::Error> {
        let Page { items, next, coverage, total, omitted } = D::list_instances(&account, &query)?;
        Ok(inventory::InstancePage { items, next, coverage, total, omitted })
    }

    fn list_realms(
        account: inventory::Account,
        query: inventory::Query,
    ) -> Result<inventory::RealmPage, inventory::Error> {
        let Page { items, next, coverage, total, omitted } = D::list_realms(&account, &query)?;
        Ok(inventory::RealmPage { items, next, coverage, total, omitted })
    }
}

/// Makes a component of a type that is a [`Driver`]. Written once, at the top of the driver's `lib.rs`;
/// on a target other than WebAssembly it does nothing, so that the crate's tests run where it is built.
#[macro_export]
macro_rules! export_driver {
    ($driver:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::driver::Exported<$driver>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Description = <$driver as $crate::Driver>::describe;
    };
}

/// The first page's query, for tests and for drivers that ask themselves.
impl Default for Query {
    fn default() -> Self {
        Query { cursor: None, changed_since: None::<Timestamp>, ids: Vec::new() }
    }
}
