//! The whole driver against a pretend host: what it sends, what it keeps, and what it makes of faults.

#[path = "../fixtures/site.rs"]
mod site;

use site::{account, body, machines, page, remembering};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Query};
use vsphere::Vsphere;

const COOKIE: &str = "vmware_soap_session=\"fake-token-1\"";

fn host() -> Host {
    Host::new().secret("password", "s3cret & more")
}

/// The same, which has answers to a whole login.
fn login(host: Host) -> Host {
    let cookie = format!("{COOKIE}; Path=/; HttpOnly; Secure;");
    host.answer(page("content")).answer(page("login").header("Set-Cookie", &cookie)).answer(page("view"))
}

fn with_option(realms: &str) -> Account {
    Account { options: vec![("realms".to_owned(), realms.to_owned())], ..account() }
}

fn after(cursor: Option<String>) -> Query {
    Query { cursor, ..Query::default() }
}

/// The ids on all pages.
fn list(account: &Account) -> Result<Vec<String>, Error> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = Vsphere::list_instances(account, &after(cursor))?;
        ids.extend(page.items.into_iter().map(|item| item.id));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}

fn calls(seen: &Seen) -> Vec<String> {
    let name = |text: String| {
        let inside = text.split_once("<soapenv:Body><").expect("a body").1;
        inside.split(' ').next().unwrap_or_default().to_owned()
    };
    seen.sent.iter().map(|sent| name(sent.text())).collect()
}

#[test]
fn a_list_begins_with_a_login_and_goes_on_by_its_tokens() {
    let host = ["lookup", "vms-page-1", "vms-page-2", "vms-page-3"]
        .iter()
        .fold(login(host()), |host, name| host.answer(page(name)));
    let (ids, seen) = host.run(|| list(&account()));
    assert_eq!(ids.unwrap(), ["vm-1011", "vm-1012", "vm-1014", "vm-2001", "vm-1015", "vm-1016"]);
    let expected = [
        "RetrieveServiceContent",
        "Login",
        "CreateContainerView",
        "RetrievePropertiesEx",
        "RetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
    ];
    assert_eq!(calls(&seen), expected);
    for (number, sent) in seen.sent.iter().enumerate() {
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://vcenter.example/sdk"));
        assert_eq!(sent.header("content-type"), Some("text/xml; charset=utf-8"));
        assert_eq!(sent.header("soapaction"), Some("\"urn:vim25/6.5\""));
        assert_eq!(sent.header("cookie"), (number > 1).then_some(COOKIE));
    }
    let password = Host::placeholder("password", Encoding::Xml);
    let credentials = format!("<userName>tracker@vsphere.local</userName><password>{password}</password>");
    assert!(seen.sent[1].text().contains(&credentials), "{}", seen.sent[1].text());
    assert!(!format!("{seen:?}").contains("s3cret"));
    assert!(seen.sent[4].text().contains("<options><maxObjects>1000</maxObjects></options>"));
    let third = "<_this type=\"PropertyCollector\">propertyCollector</_this><token>5fd8</token>";
    assert!(seen.sent[5].text().contains(third));
}

#[test]
fn a_kept_session_is_used_without_a_login() {
    let kept = remembering("vmware_soap_session=7").answer(page("lookup")).answer(page("vms"));
    let (listed, seen) = machines(kept, &account());
    assert_eq!(listed.unwrap().items.len(), 2);
    assert_eq!(calls(&seen), ["RetrievePropertiesEx", "RetrievePropertiesEx"]);
    assert!(seen.sent.iter().all(|sent| sent.header("cookie") == Some("vmware_soap_session=7")));
    assert!(seen.sent[1].text().contains("<obj type=\"ContainerView\">session[1]view</obj>"));
    // What was kept by an older version, or is damaged, is no session.
    for damaged in ["", "{}", "x"] {
        let host = login(host().remembering("instances", damaged)).answer(page("lookup")).answer(page("vms"));
        assert!(machines(host, &account()).0.is_ok());
    }
}

#[test]
fn a_session_or_a_view_that_is_gone_is_replaced_once() {
    let gone = [
        Answer::new(500).body(body("fault-session")),
        Answer::new(500).body(body("fault-view")),
        Answer::new(401).body("<html>log in</html>"),
    ];
    for gone in gone {
        let host = login(remembering("vmware_soap_session=7").answer(gone)).answer(page("lookup")).answer(page("vms"));
        let (listed, seen) = machines(host, &account());
        assert_eq!(listed.unwrap().items.len(), 2);
        let calls = calls(&seen);
        let expected = ["RetrievePropertiesEx", "RetrieveServiceContent", "Login", "CreateContainerView"];
        assert_eq!(calls[..4], expected);
        // The refused cookie is not sent with the login.
        assert_eq!((seen.sent[1].header("cookie"), seen.sent[2].header("cookie")), (None, None));
        let kept = String::from_utf8_lossy(&seen.session["instances"]).into_owned();
        assert!(kept.contains("fake-token-1") && !kept.contains("session=7"), "{kept}");
    }
    // Not a second time.
    let refused = || Answer::new(500).body(body("fault-session"));
    let (listed, seen) = machines(login(remembering("a=b").answer(refused())).answer(refused()), &account());
    assert!(matches!(listed, Err(Error::Unauthorized(_))), "{listed:?}");
    assert_eq!(seen.sent.len(), 5);
    // Anything else is no matter of the session.
    let down = Answer::new(503).body("later");
    let (listed, seen) = machines(remembering("a=b").answer(down), &account());
    assert!(matches!(listed, Err(Error::Unavailable(_))) && seen.sent.len() == 1, "{listed:?}");
}

#[test]
fn a_session_that_ends_between_pages_is_no_word_on_the_credentials() {
    let check = |answer: Answer, unauthorized: bool| {
        let host = login(host()).answer(page("lookup")).answer(page("vms-page-1")).answer(answer);
        let error = host.run(|| list(&account())).0.expect_err("no list");
        match error {
            Error::Unauthorized(_) => assert!(unauthorized, "{error:?}"),
            Error::Unavailable(_) => assert!(!unauthorized, "{error:?}"),
            other => panic!("{other:?}"),
        }
    };
    check(Answer::new(500).body(body("fault-session")), false);
    check(Answer::new(401), true);
}

#[test]
fn a_cursor_of_another_poll_leads_nowhere() {
    let (lost, seen) = host().run(|| Vsphere::list_instances(&account(), &after(Some("9".into()))));
    assert!(matches!(lost, Err(Error::UnexpectedAnswer(_))) && seen.sent.is_empty(), "{lost:?}");
}

#[test]
fn a_cookie_may_come_with_the_first_answer_or_with_none() {
    let cookie =
        |name: &str| page(name).header("Set-Cookie", "other=1").header("Set-Cookie", "vmware_soap_session=a; Path=/");
    let rest = |host: Host| ["view", "lookup", "vms"].iter().fold(host, |host, name| host.answer(page(name)));
    let (_, seen) = machines(rest(host().answer(cookie("content")).answer(page("login"))), &account());
    let sent: Vec<_> = seen.sent.iter().map(|sent| sent.header("cookie")).collect();
    assert_eq!(
        sent,
        [
            None,
            Some("vmware_soap_session=a"),
            Some("vmware_soap_session=a"),
            Some("vmware_soap_session=a"),
            Some("vmware_soap_session=a")
        ]
    );
    // What is no cookie of this name is not sent back.
    for odd in [
        "vmware_soap_session=; Path=/",
        "vmware_soap_session",
        "x_vmware_soap_session=1",
        "vmware_soap_session=a b",
        "",
    ] {
        let first = page("content").header("Set-Cookie", odd);
        let (listed, seen) = machines(rest(host().answer(first).answer(page("login"))), &account());
        assert!(listed.is_ok() && seen.sent.iter().all(|sent| sent.header("cookie").is_none()), "{odd}");
    }
}

#[test]
fn single_machines_are_asked_for_by_their_references() {
    let host = remembering("a=b").answer(page("lookup")).answer(page("vms-single"));
    let query = Query { ids: ["vm-1011", "<&'\">"].map(str::to_owned).into(), ..Query::default() };
    let (listed, seen) = host.run(|| Vsphere::list_instances(&account(), &query));
    assert_eq!(listed.unwrap().items.len(), 1);
    let text = seen.sent[1].text();
    let objects = "<objectSet><obj type=\"VirtualMachine\">vm-1011</obj></objectSet>\
                   <objectSet><obj type=\"VirtualMachine\">&lt;&amp;&apos;&quot;&gt;</obj></objectSet>";
    assert!(text.contains(objects) && !text.contains("ContainerView"), "{text}");
    assert!(text.contains("<reportMissingObjectsInResults>true<") && text.contains("<options></options>"), "{text}");
    // Of a view that is gone the server must not make an empty list.
    assert!(seen.sent[0].text().contains("<reportMissingObjectsInResults>false<"));
}

#[test]
fn the_path_may_be_a_part_of_the_endpoint() {
    for (endpoint, url) in [
        ("https://vcenter.example/sdk", "https://vcenter.example/sdk"),
        ("https://vcenter.example:9443", "https://vcenter.example:9443/sdk"),
        ("https://gate.example/vcenter", "https://gate.example/vcenter/sdk"),
    ] {
        let account = Account::new("vcenter", endpoint, "me");
        assert_eq!(machines(host(), &account).1.sent[0].url, url);
    }
}

#[test]
fn lookups_may_have_several_pages_and_no_loop() {
    let token = |text: String, token: &str| {
        Answer::new(200).body(text.replacen("<returnval>", &format!("<returnval><token>{token}</token>"), 1))
    };
    let more = || body("lookup").replace("RetrieveProperties", "ContinueRetrieveProperties");
    let host = || remembering("a=b").answer(token(body("lookup"), "1"));
    let (listed, seen) = machines(
        host().answer(token(more(), "2")).answer(Answer::new(200).body(more())).answer(page("vms")),
        &account(),
    );
    assert!(listed.is_ok() && seen.sent.len() == 4, "{listed:?}");
    let endless = (0..30).fold(host(), |host, _| host.answer(token(more(), "1")));
    let (listed, seen) = machines(endless, &account());
    assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))) && seen.sent.len() == 20, "{listed:?}");
}

#[test]
fn an_option_that_is_wrong_is_named_before_anything_is_asked() {
    let account = with_option("folders");
    let (listed, seen) = machines(host(), &account);
    let Err(Error::InvalidAccount(message)) = listed else { panic!("{listed:?}") };
    assert!(message.contains("`realms` is `folders`") && seen.sent.is_empty(), "{message}");
    let (realms, seen) = host().run(|| Vsphere::list_realms(&account, &Query::default()));
    assert!(matches!(realms, Err(Error::InvalidAccount(_))) && seen.sent.is_empty());
    let (no_password, _) = machines(Host::new().answer(page("content")), &self::account());
    assert!(matches!(no_password, Err(Error::InvalidAccount(_))), "{no_password:?}");
}

#[test]
fn realms_are_clusters_or_hosts() {
    let realms = |account: &Account, names: &[&str]| {
        let host = names.iter().fold(login(host()), |host, name| host.answer(page(name)));
        host.run(|| {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = Vsphere::list_realms(account, &after(cursor))?;
                found.extend(page.items.into_iter().map(|realm| (realm.id, format!("{:?}", realm.state))));
                cursor = page.next;
                if cursor.is_none() {
                    return Ok::<_, Error>(found);
                }
            }
        })
    };
    let found = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(id, state)| (id.to_string(), format!("RealmState::{state}"))).collect::<Vec<_>>()
    };
    let (clusters, seen) = realms(&account(), &["clusters"]);
    assert_eq!(
        clusters.unwrap(),
        found(&[("domain-c8", "Available"), ("domain-c9", "Unavailable"), ("domain-s30", "Available")])
    );
    assert!(seen.session.contains_key("realms") && !seen.session.contains_key("instances"));
    let (hosts, _) = realms(&with_option("hosts"), &["hosts-page-1", "hosts-page-2"]);
    assert_eq!(
        hosts.unwrap(),
        found(&[
            ("host-21", "Available"),
            ("host-22", "Unavailable"),
            ("host-31", "Available"),
            ("host-41", "Unavailable"),
            ("host-42", "Unavailable"),
            ("host-43", "Unavailable"),
        ])
    );
}

#[test]
fn the_description_names_the_option() {
    let description = Vsphere::describe();
    assert_eq!((description.name.as_str(), description.title.as_str()), ("vsphere", "VMware vSphere"));
    assert_eq!(description.options.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["realms"]);
    assert!(description.providers.is_empty() && description.endpoints.is_empty());
}
