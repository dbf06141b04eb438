//! The contract's types and functions, generated from `wit/0.1.0`. What guests see of WASI is
//! wasmtime's own.

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

pub(super) use exports::tracker::driver::inventory;
pub(super) use tracker::driver::{credentials, log, session};
