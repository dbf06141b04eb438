//! The regions of Oracle Cloud Infrastructure, and where they are reached ("Regions and Availability Domains" in Oracle's
//! documentation; the endpoints are those of "API Reference and Endpoints").

use tracker_driver_sdk::Provider;

use crate::settings::IDENTITY;

/// By the domain that they are in: the commercial realm, the two of the United States Government, the one of the
/// United Kingdom's, the European Sovereign Cloud.
const REGIONS: [(&str, &[&str]); 4] = [
    (
        "oraclecloud.com",
        &[
            "af-johannesburg-1",
            "ap-batam-1",
            "ap-chuncheon-1",
            "ap-delhi-1",
            "ap-hyderabad-1",
            "ap-melbourne-1",
            "ap-mumbai-1",
            "ap-osaka-1",
            "ap-seoul-1",
            "ap-singapore-1",
            "ap-singapore-2",
            "ap-sydney-1",
            "ap-tokyo-1",
            "ca-montreal-1",
            "ca-toronto-1",
            "eu-amsterdam-1",
            "eu-frankfurt-1",
            "eu-madrid-1",
            "eu-madrid-3",
            "eu-marseille-1",
            "eu-milan-1",
            "eu-paris-1",
            "eu-stockholm-1",
            "eu-turin-1",
            "eu-zurich-1",
            "il-jerusalem-1",
            "me-abudhabi-1",
            "me-dubai-1",
            "me-jeddah-1",
            "me-riyadh-1",
            "mx-monterrey-1",
            "mx-queretaro-1",
            "sa-bogota-1",
            "sa-santiago-1",
            "sa-saopaulo-1",
            "sa-valparaiso-1",
            "sa-vinhedo-1",
            "uk-cardiff-1",
            "uk-london-1",
            "us-ashburn-1",
            "us-chicago-1",
            "us-phoenix-1",
            "us-saltlake-2",
            "us-sanjose-1",
        ],
    ),
    ("oraclegovcloud.com", &["us-gov-ashburn-1", "us-gov-chicago-1", "us-gov-phoenix-1", "us-langley-1", "us-luke-1"]),
    ("oraclegovcloud.uk", &["uk-gov-cardiff-1", "uk-gov-london-1"]),
    ("oraclecloud.eu", &["eu-frankfurt-2", "eu-madrid-2"]),
];

pub(crate) fn providers() -> Vec<Provider> {
    let of = |(domain, regions): &(&str, &[&str])| {
        let provider = |region: &&str| Provider {
            endpoints: vec![(IDENTITY.to_owned(), format!("https://identity.{region}.oci.{domain}"))],
            ..Provider::new(*region, format!("https://iaas.{region}.{domain}"))
        };
        regions.iter().map(provider).collect::<Vec<_>>()
    };
    REGIONS.iter().flat_map(of).collect()
}

/// An account reaches its own region under them, and no other.
pub(crate) fn patterns() -> Vec<String> {
    let of = |(domain, _): &(&str, &[&str])| {
        [format!("https://iaas.*.{domain}"), format!("https://identity.*.oci.{domain}")]
    };
    REGIONS.iter().flat_map(of).collect()
}
