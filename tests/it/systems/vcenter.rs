//! The driver for vSphere on the whole host, with a vCenter Server that has its inventory from govmomi's simulator.

mod simulator;

use serde_json::{Value, json};

use self::simulator::{PASSWORD, Simulator, USER};
use crate::support::lab::step;
use crate::support::{Ended, Setup, Watched};

fn setup(simulator: &Simulator, password: &str) -> Setup {
    let setup = Setup::new(&["vsphere"]).limits("request_timeout = \"2s\"");
    setup.provider("vsphere", "vc", &simulator.endpoint(), "").account("vsphere", "vc", USER, password)
}

async fn watched(setup: Setup) -> Watched {
    Watched::start(setup, 8, |client| client.at("vsphere", "vc").as_user(USER, PASSWORD)).await
}

fn poll(setup: &Setup, arguments: &[&str]) -> Ended {
    tokio::task::block_in_place(|| setup.run(&[&["poll"], arguments].concat()))
}

#[tokio::test]
async fn each_step_of_a_virtual_machine_is_seen_and_called_back() {
    let simulator = Simulator::vcenter().await;
    let mut watched = watched(setup(&simulator, PASSWORD)).await;
    let id = watched.id_of("DC0_H0_VM0").await;
    let launched_at = watched.sees(&id, "RUNNING").await["launched_at"].take();
    assert!(launched_at.is_string(), "{launched_at}");

    let steps = [
        ("PowerOffVM_Task", "RUNNING", "STOPPED", "poweredOff"),
        ("PowerOnVM_Task", "STOPPED", "RUNNING", "poweredOn"),
        ("SuspendVM_Task", "RUNNING", "STOPPED", "suspended"),
        ("PowerOnVM_Task", "STOPPED", "RUNNING", "poweredOn"),
        ("PowerOffVM_Task", "RUNNING", "STOPPED", "poweredOff"),
    ];
    for (method, before, after, word) in steps {
        simulator.machine(&id, method).await;
        let change = watched.called_back(&id).await;
        assert_eq!((&change["type"], step(&change)), (&json!("instance.state"), json!([before, after])), "{change}");
        let instance = watched.sees(&id, after).await;
        assert_eq!(instance["provider_state"], word, "{method}: {instance}");
        let launched_again = instance["launched_at"].as_str() > launched_at.as_str();
        assert_eq!(launched_again, after == "RUNNING", "{method}: {instance}");
    }

    simulator.attribute(&id, "team", "shop").await;
    let change = watched.called_back(&id).await;
    assert_eq!(change["type"], "instance.updated", "{change}");
    assert_eq!(watched.sees(&id, "STOPPED").await["labels"], json!({ "team": "shop" }));

    // A template is no instance, and one again once it is marked as a machine.
    simulator.machine(&id, "MarkAsTemplate").await;
    let change = watched.called_back(&id).await;
    assert_eq!(change["type"], "instance.removed", "{change}");

    let other = watched.id_of("DC0_C0_RP0_VM0").await;
    simulator.machine(&other, "PowerOffVM_Task").await;
    assert_eq!(step(&watched.called_back(&other).await), json!(["RUNNING", "STOPPED"]));
    simulator.machine(&other, "Destroy_Task").await;
    let change = watched.called_back(&other).await;
    assert_eq!((&change["type"], &change["new_state"]), (&json!("instance.removed"), &json!("FINISH")), "{change}");
    assert_eq!(watched.removed().await, [id, other]);
}

#[tokio::test]
async fn a_host_in_maintenance_is_an_unavailable_realm() {
    let simulator = Simulator::vcenter().await;
    let setup = setup(&simulator, PASSWORD).account_options("realms = \"hosts\"");
    let mut watched = watched(setup).await;
    let realms = watched.client.get("/api/realms").await.ok()["realms"].take();
    let realms = realms.as_array().expect("a list");
    assert_eq!(realms.len(), 4, "{realms:#?}");
    let host = realms.iter().find(|realm| realm["name"] == "DC0_C0_H1").expect("a host of the cluster");
    let host = host["id"].as_str().expect("an id");
    let instances = watched.instances().await;
    assert!(instances.iter().all(|instance| realms.iter().any(|realm| realm["id"] == instance["realm"])));
    for (method, before, after) in [
        ("EnterMaintenanceMode_Task", "AVAILABLE", "UNAVAILABLE"),
        ("ExitMaintenanceMode_Task", "UNAVAILABLE", "AVAILABLE"),
    ] {
        simulator.maintenance(host, method).await;
        let change = watched.called_back(host).await;
        assert_eq!((&change["type"], step(&change)), (&json!("realm.state"), json!([before, after])), "{change}");
        let realm = watched.client.get(&format!("/api/realms/{host}")).await.ok();
        assert_eq!(realm["state"], after, "{realm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_in_pages_is_the_list_at_once() {
    let at_once = Simulator::vcenter().await;
    let listed = |ended: Ended| serde_json::from_str::<Vec<Value>>(&ended.succeeded().stdout).expect("a list");
    let mut wanted = listed(poll(&setup(&at_once, PASSWORD), &["--output", "json"]));
    assert_eq!(wanted.len(), 8);
    for (objects, pages) in [(1, "9 pages"), (3, "3 pages"), (8, "2 pages"), (9, "1 page")] {
        let simulator = Simulator::with_pages_of(objects).await;
        let ended = poll(&setup(&simulator, PASSWORD), &["--output", "json"]);
        assert!(ended.stderr.contains(&format!("8 listed, complete; {pages},")), "{ended:#?}");
        let mut found = listed(ended);
        for instance in wanted.iter_mut().chain(&mut found) {
            // Each simulator has powered them on at another time.
            assert!(instance["launched_at"].take().is_string(), "{instance}");
            instance["launched_at"] = json!("some time ago");
        }
        assert_eq!(found, wanted, "in pages of {objects}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_esxi_host_without_a_vcenter_server_is_listed() {
    let simulator = Simulator::esxi().await;
    let setup = setup(&simulator, PASSWORD);
    let instances = poll(&setup, &[]).succeeded();
    assert!(instances.stderr.contains("4 listed, complete"), "{instances:#?}");
    let realms = poll(&setup, &["--kind", "realms"]).succeeded();
    assert!(realms.stderr.contains("1 listed, complete"), "{realms:#?}");
}

#[tokio::test]
async fn a_server_that_hangs_or_starts_anew_loses_nothing() {
    let mut simulator = Simulator::vcenter().await;
    let mut watched = watched(setup(&simulator, PASSWORD)).await;
    let id = watched.id_of("DC0_H0_VM1").await;
    simulator.machine(&id, "PowerOffVM_Task").await;
    assert_eq!(step(&watched.called_back(&id).await), json!(["RUNNING", "STOPPED"]));

    simulator.hangs();
    let error = watched.fails("limit.request_timeout").await;
    assert!(error["message"].as_str().is_some_and(|message| message.contains("2s")), "{error}");
    assert_eq!(watched.instances().await.len(), 8);
    simulator.goes_on();
    watched.lists_again().await;

    simulator.goes_down();
    watched.fails("unavailable").await;
    assert_eq!(watched.instances().await.len(), 8);
    assert_eq!(watched.sees(&id, "STOPPED").await["provider_state"], "poweredOff");

    // With its sessions, the server has forgotten what was done to it.
    simulator.goes_up().await;
    assert_eq!(step(&watched.called_back(&id).await), json!(["STOPPED", "RUNNING"]));
    watched.lists_again().await;
    assert_eq!(watched.removed().await, Vec::<String>::new());

    // It begins anew between two polls: the host logs in again, and no poll fails.
    let errors = watched.client.get("/api/account").await.ok()["polls"].take();
    simulator.goes_down();
    simulator.goes_up().await;
    watched.lists_again().await;
    let account = watched.client.get("/api/account").await.ok();
    for kind in ["instances", "realms"] {
        let error = &account["polls"][kind]["last_error"];
        assert!(
            *error == errors[kind]["last_error"] || error["code"] == "unavailable",
            "sessions that are lost are no error: {error}"
        );
    }
    assert_eq!(watched.instances().await.len(), 8);
    assert_eq!(watched.removed().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused() {
    let simulator = Simulator::vcenter().await;
    let ended = poll(&setup(&simulator, "wrong & more"), &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("does not accept the credentials: Login: "), "{ended:#?}");
    assert!(!ended.stderr.contains("wrong & more"), "{ended:#?}");

    let watched = watched(setup(&simulator, PASSWORD)).await;
    let stranger = watched.client.as_user(USER, "wrong & more");
    stranger.get("/api/instances").await.problem(401);
    stranger.get("/api/account").await.problem(401);
    assert_eq!(watched.instances().await.len(), 8);
}
