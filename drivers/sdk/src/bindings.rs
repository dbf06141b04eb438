//! The contract's own bindings, generated from `wit/0.2.0`. A driver has no need to look in here; the
//! rest of the SDK is what makes these types pleasant, and `export_driver!` is what joins them to a driver.
#![allow(unsafe_code, clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]
#![allow(missing_debug_implementations, rust_2018_idioms, unreachable_pub, reason = "generated code")]

wit_bindgen::generate!({
    world: "driver",
    path: "../../wit/0.2.0",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "tracker_driver_sdk::bindings",
    additional_type_attributes: {
        "tracker:driver/inventory@0.2.0/account": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/query": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/instance": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/address": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/realm": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/coverage": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/throttle": [#[derive(PartialEq)]],
        "tracker:driver/inventory@0.2.0/error": [#[derive(PartialEq)]],
    },
});
