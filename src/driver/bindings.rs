//! The contract's types and functions, generated from `wit/`: a module a version. What guests see of WASI is
//! wasmtime's own.

/// What the host speaks of a list in, whatever the driver's contract is.
pub(super) mod v0_2 {
    wasmtime::component::bindgen!({
        path: "wit/0.2.0",
        world: "driver",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
        },
    });

    pub(in crate::driver) use exports::tracker::driver::inventory;
    pub(in crate::driver) use tracker::driver::{credentials, log, session};
}

/// Still served.
pub(super) mod v0_1 {
    wasmtime::component::bindgen!({
        path: "wit/0.1.0",
        world: "driver",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
        },
    });

    pub(in crate::driver) use exports::tracker::driver::inventory;
    pub(in crate::driver) use tracker::driver::{credentials, log, session};
}

pub(super) use v0_2::inventory;
