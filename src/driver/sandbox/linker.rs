//! The implementation of the imports of drivers: everything that they may ask of the host.

use wasmtime::component::{HasSelf, Linker, ResourceType};
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;

use super::{Sandbox, kept};
use crate::driver::bindings::{v0_1, v0_2};

/// All that drivers may ask of the host.
pub(in crate::driver) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    // All of WASI is there, since guests' standard libraries import it; the context that each
    // sandbox gives it has no file, variable, argument or socket in it.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    add_only_http_to_linker_async(&mut linker)?;
    v0_1::credentials::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    v0_1::session::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    v0_1::log::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    v0_2::credentials::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    v0_2::session::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    v0_2::log::add_to_linker::<_, HasSelf<Sandbox>>(&mut linker, |sandbox| sandbox)?;
    kept::charge(&mut linker)?;
    Ok(linker)
}

/// Whether the linker has an interface of that name, in a version that fits. It does not tell, but it takes no
/// second thing of one name: what can't be put into a copy of it is there.
pub(in crate::driver) fn is_linked(linker: &Linker<Sandbox>, name: &str) -> bool {
    let mut copy = linker.clone();
    copy.allow_shadowing(false);
    let mut is_taken = |name: &str| copy.root().resource(name, ResourceType::host::<()>(), |_, _| Ok(())).is_err();
    // Of WASI 0.2 every patch release fits every other; those that there are, and some that may come.
    const PATCHES: u32 = 64;
    match name.split_once("@0.2.") {
        Some((interface, _)) => (0..PATCHES).any(|patch| is_taken(&format!("{interface}@0.2.{patch}"))),
        None => is_taken(name),
    }
}
