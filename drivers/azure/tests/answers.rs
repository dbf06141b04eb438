//! What is made of single answers: ids, machines with odd values, locations, error documents, assertions.

use azure::answer::machine::Machine;
use azure::answer::network::Addresses;
use azure::answer::{id, location};
use azure::jwt;
use azure::problem::{meaning, told, wait};
use serde_json::{Value, json};
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Error, Instance, InstanceState, RealmState};

fn instance(machine: Value) -> Result<Instance, Error> {
    let machine: Machine = serde_json::from_value(machine).map_err(Error::from)?;
    machine.into_instance(None, Addresses::default())
}

#[test]
fn ids_are_listed_in_small_letters_or_replaced_where_they_are_too_long() {
    let of = |id: &str, vm_id: Option<&str>| id::of_instance(id, vm_id).ok();
    let small = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachines/web";
    let odd = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/Web";
    assert_eq!(of(odd, Some("v-1")).as_deref(), Some(small));
    assert_eq!(of(small, None).as_deref(), Some(small));
    let long = format!("{odd}{}", "x".repeat(200));
    assert_eq!(of(&long, Some("V-1")).as_deref(), Some("V-1"));
    assert_eq!(of(&long, None), None);
    assert_eq!(of(&long, Some("")), None);
    for none in ["", "web", "subscriptions/s", "https://management.azure.com/subscriptions/s", "/subscriptions/s/a%2Fb"]
    {
        assert_eq!(of(none, Some("v-1")), None, "{none}");
    }
}

#[test]
fn what_is_no_id_leads_to_no_path() {
    assert_eq!(id::path("/Subscriptions/s/a b").as_deref(), Ok("/Subscriptions/s/a%20b"));
    for none in ["", "/", "nic", ".other.example/x", "@other.example", "https://other.example/subscriptions/s", "é"] {
        assert!(id::path(none).is_err(), "{none}");
    }
}

#[test]
fn only_ids_of_machines_are_asked_for() {
    let is = |id: &str| id::is_of_machine(id);
    let group = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute";
    assert!(is(&format!("{group}/virtualmachines/web")));
    assert!(is(&format!("{group}/virtualmachinescalesets/front/virtualmachines/0")));
    for wrong in [
        "",
        "/",
        "1e5a7c00-3b42-4d6f-9a10-000000000001",
        "/subscriptions/../resourcegroups/g/providers/microsoft.compute/virtualmachines/web",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/web",
        "/subscriptions/s/resourcegroups/g/providers/microsoft.network/virtualmachines/web",
        "/subscriptions/s/resourcegroups/../providers/microsoft.compute/virtualmachines/web",
        &format!("{group}/virtualmachines/"),
        &format!("{group}/virtualmachines/.."),
        &format!("{group}/virtualmachines/web/start"),
        &format!("{group}/disks/web"),
        &format!("{group}/virtualmachinescalesets/front"),
    ] {
        assert!(!is(wrong), "{wrong}");
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let id = "/subscriptions/s/web";
    let bare = instance(json!({ "id": id, "properties": {} })).unwrap();
    assert_eq!(instance(json!({ "id": id, "properties": null })).unwrap(), bare);
    assert_eq!(instance(json!({ "id": id })).unwrap(), bare);
    assert_eq!(bare, Instance::new(id, InstanceState::Unknown, ""));
    let empty = json!({
        "id": id, "name": "", "location": null, "tags": null, "sku": { "name": "" },
        "properties": {
            "vmId": null, "hardwareProfile": { "vmSize": null }, "timeCreated": "soon", "provisioningState": null,
            "storageProfile": { "imageReference": { "publisher": "" } }, "networkProfile": { "networkInterfaces": null }
        }
    });
    assert_eq!(instance(empty).unwrap(), bare);
    let image = |image: Value| {
        instance(json!({ "id": id, "properties": { "storageProfile": { "imageReference": image } } })).unwrap().image
    };
    let names = json!({ "publisher": "P", "offer": "o", "sku": "s", "version": "latest" });
    assert_eq!(image(names).as_deref(), Some("P:o:s:latest"));
    assert_eq!(image(json!({ "publisher": "P", "offer": "o", "version": "latest" })), None, "a part names no image");
    assert_eq!(image(json!({ "sharedGalleryImageId": "/SharedGalleries/x" })).as_deref(), Some("/SharedGalleries/x"));
    let named =
        json!({ "id": id, "tags": { "b": "2", "a": null }, "sku": { "name": "Standard_B1s" }, "properties": {} });
    let named = instance(named).unwrap();
    assert_eq!(named.labels, [("a".to_owned(), String::new()), ("b".to_owned(), "2".to_owned())]);
    assert_eq!(named.hardware_profile.as_deref(), Some("Standard_B1s"));

    for (wrong, word) in [
        (json!({ "properties": {} }), "`id`"),
        (json!({ "id": 7, "properties": {} }), "integer `7`"),
        (json!({ "id": id, "properties": 7 }), "integer `7`"),
        (json!({ "id": id, "properties": {}, "tags": { "a": 1 } }), "integer `1`"),
        (json!({ "id": "web", "properties": {} }), "`web`"),
        (json!("web"), "Machine"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = instance(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn physical_locations_are_realms_and_logical_ones_are_left_out() {
    let locations = json!([
        { "name": "westeurope", "displayName": "West Europe", "metadata": { "regionType": "Physical" } },
        { "name": "europe", "displayName": "Europe", "metadata": { "regionType": "Logical" } },
        { "name": "plain", "displayName": "", "metadata": { "regionType": "physical" } },
        { "name": "odd", "displayName": null, "metadata": { "regionType": "Floating" } },
    ]);
    let read = |locations: Value| location::page(serde_json::from_value(locations).unwrap());
    let page = read(locations).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str(), realm.state)).collect();
    let (up, down) = (RealmState::Available, RealmState::Unavailable);
    let wanted = [("westeurope", "West Europe", up), ("plain", "plain", up), ("odd", "odd", down)];
    assert_eq!((&found[..], page.omitted), (&wanted[..], 1));
    // Where no location has a kind, all are physical. Where some have one, so has each.
    let old = read(json!([{ "name": "westeurope" }, { "name": "northeurope", "metadata": {} }])).unwrap();
    assert!(old.items.len() == 2 && old.items.iter().all(|realm| realm.state == up));
    let kind = json!({ "regionType": "Physical" });
    assert!(matches!(read(json!([{ "name": "a" }, { "name": "" }])), Err(Error::UnexpectedAnswer(_))));
    for metadata in [Value::Null, json!({}), json!({ "regionType": "" }), json!({ "regionType": null })] {
        let mixed = json!([{ "name": "a", "metadata": kind }, { "name": "b", "metadata": metadata }]);
        assert!(matches!(read(mixed), Err(Error::UnexpectedAnswer(_))));
    }
}

#[test]
fn errors_mean_what_their_codes_mean() {
    let check = |body: Value, kind: &str| {
        let told = told(body.to_string().as_bytes()).unwrap_or_else(|| panic!("{body}"));
        let error = meaning(&told, "GET x", 200, Some(9)).map(|error| format!("{error:?}"));
        let error = error.unwrap_or_else(|| "none".to_owned());
        assert!(error.starts_with(&format!("Error::{kind}(")) || error == kind, "{body}: {error}");
    };
    let arm = |code: &str| json!({ "error": { "code": code, "message": "said so" } });
    for (code, kind) in [
        ("AuthenticationFailed", "Unauthorized"),
        ("ExpiredAuthenticationToken", "Unauthorized"),
        ("InvalidAuthenticationToken", "Unauthorized"),
        ("InvalidAuthenticationTokenTenant", "Unauthorized"),
        ("invalidauthenticationtoken", "Unauthorized"),
        ("AuthorizationFailed", "Forbidden"),
        ("LinkedAuthorizationFailed", "Forbidden"),
        ("TooManyRequests", "Throttled"),
        ("SubscriptionRequestsThrottled", "Throttled"),
        ("ResourceRequestsThrottled", "Throttled"),
        ("ServiceUnavailable", "Unavailable"),
        ("InternalServerError", "Unavailable"),
        ("ServerTimeout", "Unavailable"),
        ("SubscriptionNotFound", "InvalidAccount"),
        ("InvalidSubscriptionId", "InvalidAccount"),
        ("ResourceNotFound", "none"),
        ("OperationNotAllowed", "none"),
    ] {
        check(arm(code), kind);
        check(json!({ "code": code, "message": "said so" }), kind);
    }
    let details =
        json!({ "error": { "code": "BadRequest", "details": [{ "code": "NoValidSubscriptionsInQueryRequest" }] } });
    check(details, "Forbidden");
    check(
        json!({ "error": { "code": "OperationNotAllowed", "details": [{ "code": "TooManyRequests" }] } }),
        "Throttled",
    );
    let sign_in = |word: &str, text: &str| json!({ "error": word, "error_description": text });
    for (word, text, kind) in [
        ("invalid_client", "AADSTS7000215: Invalid client secret provided.", "Unauthorized"),
        ("invalid_client", "AADSTS7000222: The provided client secret keys are expired.", "Unauthorized"),
        ("invalid_client", "AADSTS700027: The certificate is not registered.", "Unauthorized"),
        ("invalid_client", "AADSTS700024: Client assertion is not within its valid time range.", "UnexpectedAnswer"),
        ("unauthorized_client", "AADSTS700016: Application was not found.", "Unauthorized"),
        ("invalid_request", "AADSTS90002: Tenant not found.", "InvalidAccount"),
        ("invalid_request", "AADSTS900023: Specified tenant identifier is not valid.", "InvalidAccount"),
        ("invalid_request", "AADSTS90011: Request is ambiguous.", "none"),
        ("invalid_resource", "AADSTS500011: The resource principal was not found.", "InvalidAccount"),
        ("temporarily_unavailable", "AADSTS90033: A transient error has occurred.", "Unavailable"),
        ("interaction_required", "AADSTS53003: Access has been blocked.", "Forbidden"),
    ] {
        check(sign_in(word, text), kind);
    }
    for none in
        [&b"<html>"[..], b"", b"[]", b"{}", br#"{"error": {}}"#, br#"{"error": 7}"#, br#"{"value": []}"#, b"\xff"]
    {
        assert_eq!(told(none), None);
    }
}

#[test]
fn a_wait_is_retry_after_or_the_time_until_the_quota_is_whole() {
    let check = |headers: &[(&str, &str)], expected: Option<u32>| {
        let headers = Headers::new(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        assert_eq!(wait(&headers), expected, "{headers:?}");
    };
    check(&[], None);
    check(&[("Retry-After", "17"), ("x-ms-user-quota-resets-after", "00:00:05")], Some(17));
    check(&[("x-ms-user-quota-resets-after", "00:00:05")], Some(5));
    check(&[("x-ms-user-quota-resets-after", "01:02:03")], Some(3_723));
    for odd in ["", "5", "soon", "00:05", "00:00:61", "24:00:00", "-1:00:00", "00:00:00:05", "4294967295:00:00"] {
        check(&[("x-ms-user-quota-resets-after", odd)], None);
    }
    check(&[("x-ms-ratelimit-remaining-subscription-reads", "0")], None);
}

#[test]
fn an_assertion_says_who_signs_in_where_and_until_when() {
    for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff", "-_8")] {
        assert_eq!(jwt::base64url(bytes), text);
    }
    let make = || jwt::message("https://login/t/oauth2/v2.0/token", "app", &[0xff; 32], 1_795_168_800_500);
    let message = make();
    assert_ne!(message, make(), "no two are alike");
    let (head, claims) = message.split_once('.').unwrap();
    let head: Value = serde_json::from_slice(&decoded(head)).unwrap();
    assert_eq!(head, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": format!("{}8", "_".repeat(42)) }));
    let mut claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
    assert_eq!(claims["jti"].take().as_str().map(str::len), Some(32));
    let (now, aud) = (1_795_168_800, "https://login/t/oauth2/v2.0/token");
    let wanted =
        json!({ "aud": aud, "iss": "app", "sub": "app", "jti": null, "iat": now, "nbf": now, "exp": now + 600 });
    assert_eq!(claims, wanted);
}

fn decoded(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = text
        .chars()
        .flat_map(|c| {
            let value = letters.find(c).expect("a letter of Base64");
            (0..6).rev().map(move |place| (value >> place & 1) as u8)
        })
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}
