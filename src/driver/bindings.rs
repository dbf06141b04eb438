//! The types and functions of the contract, generated from `wit/`: one module for each version. The bindings of WASI
//! are wasmtime's.

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
