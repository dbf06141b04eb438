//! A thousand machines on pages as Azure gives them: each keeps its own state and addresses.

use crate::setup::{account, granted, host, list, ok};
use serde_json::{Value, json};
use tracker_driver_sdk::Address;
use tracker_driver_sdk::testing::Host;

const MACHINES: usize = 1_000;
const PAGE: usize = 200;
const STATES: [&str; 4] = ["running", "stopped", "deallocated", "starting"];

fn id(kind: &str, number: usize) -> String {
    // The group is written in another way in each list.
    let group = match kind {
        "virtualMachines" => "Fleet",
        _ => "FLEET",
    };
    format!("/subscriptions/s/resourceGroups/{group}/providers/x/{kind}/m{number}")
}

fn pages(of: impl Fn(usize) -> Value) -> Vec<String> {
    let page = |page: usize| {
        let entries: Vec<Value> = (page * PAGE..(page + 1) * PAGE).map(&of).collect();
        let next = (page + 1 < MACHINES / PAGE).then(|| format!("https://x/subscriptions/s/page-{page}"));
        json!({ "value": entries, "nextLink": next }).to_string()
    };
    (0..MACHINES / PAGE).map(page).collect()
}

#[test]
fn a_thousand_machines_keep_their_own_values() {
    let machine = |number: usize| {
        json!({
            "id": id("virtualMachines", number), "name": format!("m{number}"), "location": "westeurope",
            "tags": { "number": number.to_string() },
            "properties": { "networkProfile": { "networkInterfaces": [{ "id": id("nics", number) }] } }
        })
    };
    let state = |number: usize| {
        let code = format!("PowerState/{}", STATES[number % STATES.len()]);
        let id = id("virtualMachines", number).to_uppercase();
        json!({ "id": id, "properties": { "instanceView": { "statuses": [{ "code": code }] } } })
    };
    let ip = |number: usize| format!("10.0.{}.{}", number / 200, number % 200 + 1);
    let interface = |number: usize| {
        let configuration = json!({ "properties": { "privateIPAddress": ip(number) } });
        json!({ "id": id("nics", number).to_lowercase(), "properties": { "ipConfigurations": [configuration] } })
    };
    let mut machines = pages(machine).into_iter();
    let mut answers = vec![machines.next().expect("a page")];
    answers.extend(pages(state));
    answers.push(r#"{"value": []}"#.to_owned());
    answers.extend(pages(interface));
    answers.push(r#"{"value": []}"#.to_owned());
    answers.extend(machines);
    let host = answers.into_iter().map(ok).fold(host().answer(granted()), Host::answer);
    let (listed, seen) = host.run(|| list(&account(&[("subscription", "s")])));
    let items = listed.unwrap().items;
    assert_eq!((items.len(), seen.sent.len()), (MACHINES, 1 + 5 + 5 + 1 + 5 + 1));
    for (number, item) in items.iter().enumerate() {
        assert_eq!(item.provider_state, format!("PowerState/{}", STATES[number % STATES.len()]));
        assert_eq!(item.private_addresses, [Address::ipv4(ip(number))]);
        assert_eq!(item.labels[0].1, number.to_string());
    }
}
