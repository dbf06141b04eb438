//! A client of the Deltacloud API, as the gem `deltacloud-client` is one (by the Apache project's sources of versions
//! 1.1 and 0.5): the requests that it makes to read instances, realms, drivers and the entry point, and what it reads
//! in the answers, element by element.

use roxmltree::{Document, Node};

use crate::support::{Client, Host, Setup};

/// What the gem sends with every request, whoever it is for.
fn gem(host: &Host) -> Client {
    host.client().accepting("application/xml").as_user("mockuser", "mockpassword")
}

async fn world() -> Host {
    Setup::new(&["mock", "ec2"]).default_provider("mock", "default").start().await
}

/// The body of an answer, which has to be XML.
async fn read<T>(client: &Client, path: &str, status: u16, read: impl FnOnce(Node<'_, '_>) -> T) -> T {
    let answer = client.get(path).await;
    assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/xml; charset=utf-8", "{path}");
    assert!(
        answer.headers.get_all("vary").iter().any(|value| value.to_str().is_ok_and(|value| value.contains("accept")))
    );
    let document = Document::parse(&answer.text).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text));
    read(document.root_element())
}

/// `body.at('state')`: the first of that name, however deep it stands.
fn at<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.descendants().skip(1).find(|inner| inner.has_tag_name(name))
}

/// `body.text_at('state')`.
fn text_at<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    at(node, name).map(|found| found.text().unwrap_or("").trim())
}

/// `body.attr_at('realm', :id)`.
fn attr_at<'a>(node: Node<'a, '_>, name: &str, attribute: &str) -> Option<&'a str> {
    at(node, name).and_then(|found| found.attribute(attribute))
}

/// `xpath('/*/*')`, of which each becomes a model, by its id.
fn ids(root: Node<'_, '_>) -> Vec<String> {
    let models = root.children().filter(Node::is_element);
    models.map(|model| model.attribute("id").expect("the gem refuses one without an id").to_owned()).collect()
}

#[tokio::test]
async fn the_entry_point_is_read() {
    let host = world().await;
    let client = gem(&host);
    read(&client, "/api", 200, |api| {
        assert_eq!(
            (api.tag_name().name(), api.attribute("driver"), api.attribute("provider")),
            ("api", Some("mock"), None)
        );
        assert_eq!(api.attribute("version"), Some("1.1.1"));
        let links: Vec<Node<'_, '_>> = api.children().filter(|child| child.has_tag_name("link")).collect();
        for collection in ["drivers", "instances", "realms"] {
            let link = links.iter().find(|link| link.attribute("rel") == Some(collection)).expect(collection);
            assert!(link.attribute("href").is_some_and(|href| href.ends_with(&format!("/api/{collection}"))));
            let features: Vec<_> = link.children().filter_map(|feature| feature.attribute("name")).collect();
            assert_eq!(features, if collection == "drivers" { &[][..] } else { &["state_tracking"] });
        }
    })
    .await;
    // `client.use(:ec2, user, password, 'eu-west-1')`, whose credentials nobody has looked at yet.
    let named =
        |api: Node<'_, '_>| (api.attribute("driver") == Some("ec2"), api.attribute("provider") == Some("eu-west-1"));
    assert_eq!(read(&client.at("ec2", "eu-west-1"), "/api", 200, named).await, (true, true));
    assert_eq!(read(&client, "/api;driver=ec2;provider=eu-west-1", 200, named).await, (true, true));
    // `client.use(:ec2, user, password)`: the driver is the current one before any of its regions is.
    let mut ec2 = client.clone();
    for path in ["/api;driver=ec2", "/api"] {
        assert_eq!(read(&ec2, path, 200, named).await, (true, false), "{path}");
        ec2 = client.at("ec2", "");
    }
    // Version 0.5 goes by the links, which lead on for who came with driver and provider in the path.
    let links = |api: Node<'_, '_>| {
        let links = api.children().filter_map(|link| Some((link.attribute("rel")?, link.attribute("href")?)));
        let realms = links.filter(|(rel, _)| *rel == "realms").map(|(_, href)| href.to_owned()).next();
        realms.expect("a link to the realms")
    };
    let realms = read(&client, "/api;driver=mock;provider=default", 200, links).await;
    assert!(realms.ends_with("/api;driver=mock;provider=default/realms"), "{realms}");
    let path = &realms[realms.find("/api").expect("a path")..];
    assert_eq!(read(&client.at("ec2", "eu-west-1"), path, 200, ids).await, ["eu", "us"]);
    // And it finds the entry point from the host alone.
    let host_alone = client.get("/").await;
    assert_eq!(host_alone.status.as_u16(), 307);
    let location = host_alone.headers["location"].to_str().expect("text");
    assert!(location.starts_with("http://127.0.0.1:") && location.ends_with("/api"), "{location}");

    // `valid_credentials?`
    read(&client, "/api?force_auth=true", 200, |_| ()).await;
    let wrong = client.as_user("mockuser", "wrong");
    read(&wrong, "/api?force_auth=true", 401, |error| assert_eq!(error.tag_name().name(), "error")).await;
    read(&wrong, "/api", 200, |_| ()).await;
}

#[tokio::test]
async fn instances_are_read() {
    let host = world().await;
    let client = gem(&host);
    assert_eq!(read(&client, "/api/instances", 200, ids).await, ["inst0", "inst1", "inst3"]);
    let check = async |query: &str, want: &[&str]| {
        assert_eq!(read(&client, &format!("/api/instances?{query}"), 200, ids).await, want, "{query}");
    };
    check("id=inst1", &["inst1"]).await;
    check("id=unknown", &[]).await;
    check("state=RUNNING", &["inst0", "inst1", "inst3"]).await;
    check("state=STOPPED", &[]).await;
    check("state=unknown", &[]).await;
    check("realm_id=eu", &["inst3"]).await;
    check("realm_id=unknown", &[]).await;

    read(&client, "/api/instances/inst1", 200, |instance| {
        assert_eq!((instance.tag_name().name(), instance.attribute("id")), ("instance", Some("inst1")));
        assert!(instance.attribute("href").is_some_and(|href| href.ends_with("/api/instances/inst1")));
        assert_eq!(text_at(instance, "name"), Some("MockUserInstance"));
        assert_eq!(text_at(instance, "state"), Some("RUNNING"));
        assert_eq!(text_at(instance, "owner_id"), Some("mockuser"));
        assert_eq!(attr_at(instance, "realm", "id"), Some("us"));
        assert_eq!(attr_at(instance, "image", "id"), Some("img3"));
        assert_eq!(attr_at(instance, "hardware_profile", "id"), Some("m1-small"));
        assert!(text_at(instance, "actions").is_some());
        assert_eq!(instance.descendants().filter(|inner| inner.has_tag_name("state")).count(), 1);
        for member in ["provider_state", "first_seen", "last_seen", "state_since"] {
            assert!(text_at(instance, member).is_some_and(|text| !text.is_empty()), "{member}");
        }
        for (element, host_name) in
            [("public_addresses", "img1.inst1.public.com"), ("private_addresses", "img1.inst1.private.com")]
        {
            let addresses = instance.children().find(|child| child.has_tag_name(element)).expect(element);
            let addresses: Vec<_> =
                addresses.children().map(|address| (address.attribute("type"), address.text())).collect();
            assert_eq!(addresses, [(Some("hostname"), Some(host_name))]);
        }
    })
    .await;
    // `client.instance(nil)` asks for no id at all.
    for path in ["/api/instances/foo", "/api/instances/"] {
        read(&client, path, 404, |error| {
            assert_eq!((error.tag_name().name(), error.attribute("status")), ("error", Some("404")));
            assert_eq!(error.attribute("url"), Some(path));
            assert!(text_at(error, "message").is_some_and(|message| !message.is_empty()));
            assert_eq!(attr_at(error, "backend", "driver"), Some("mock"));
        })
        .await;
    }
    read(&client.as_user("mockuser", "wrong"), "/api/instances", 401, |error| {
        assert!(text_at(error, "message").is_some())
    })
    .await;
    read(&client, "/api/instances?colour=red", 400, |error| assert_eq!(text_at(error, "code"), Some("400"))).await;
    // The words of the path count, and not those of the headers.
    let path = "/api;driver=mock;provider=default/instances";
    assert_eq!(read(&client.at("ec2", "eu-west-1"), path, 200, ids).await, ["inst0", "inst1", "inst3"]);
}

#[tokio::test]
async fn realms_and_drivers_are_read() {
    let host = world().await;
    let client = gem(&host);
    assert_eq!(read(&client, "/api/realms", 200, ids).await, ["eu", "us"]);
    assert_eq!(read(&client, "/api/realms?id=eu", 200, ids).await, ["eu"]);
    assert_eq!(read(&client, "/api/realms?id=unknown", 200, ids).await, Vec::<String>::new());
    read(&client, "/api/realms/eu", 200, |realm| {
        assert_eq!((realm.tag_name().name(), realm.attribute("id")), ("realm", Some("eu")));
        assert_eq!((text_at(realm, "name"), text_at(realm, "state")), (Some("Europe"), Some("AVAILABLE")));
        assert_eq!(text_at(realm, "limit"), Some(""));
    })
    .await;
    assert_eq!(read(&client, "/api/drivers", 200, ids).await, ["ec2", "mock"]);
    assert_eq!(read(&client, "/api/drivers?id=mock", 200, ids).await, ["mock"]);
    assert_eq!(read(&client, "/api/drivers?state=loaded", 200, ids).await, ["ec2", "mock"]);
    assert_eq!(read(&client, "/api/drivers?state=unknown", 200, ids).await, Vec::<String>::new());
    read(&client, "/api/drivers/ec2", 200, |driver| {
        assert_eq!(text_at(driver, "name"), Some("Amazon EC2"));
        assert_eq!(text_at(driver, "health"), Some("loaded"));
        assert!(text_at(driver, "digest").is_some_and(|digest| digest.len() == 64));
        assert!(at(driver, "may_reach").is_some_and(|reached| at(reached, "endpoint").is_some()));
        // `client.driver(:ec2)['eu-west-1']['ec2']`
        let mut providers = driver.children().filter(|child| child.has_tag_name("provider"));
        let ireland = providers.find(|provider| provider.attribute("id") == Some("eu-west-1")).expect("a region");
        let entrypoint = at(ireland, "entrypoint").expect("an entry point");
        let endpoint = "https://ec2.eu-west-1.amazonaws.com";
        assert_eq!((entrypoint.attribute("kind"), entrypoint.text()), (Some("ec2"), Some(endpoint)));
    })
    .await;
    let providers = |driver: Node<'_, '_>| {
        let providers = driver.children().filter(|child| child.has_tag_name("provider"));
        providers.map(|provider| provider.attribute("id").expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert!(read(&client, "/api/drivers/ec2", 200, providers).await.contains(&"eu-west-1".to_owned()));
    assert_eq!(read(&client, "/api/drivers/mock", 200, providers).await, Vec::<String>::new());
    for path in ["/api/realms/foo", "/api/realms/", "/api/drivers/foo", "/api/drivers/"] {
        read(&client, path, 404, |error| assert_eq!(error.tag_name().name(), "error")).await;
    }
}

#[tokio::test]
async fn a_long_list_is_whole() {
    let setup = Setup::new(&["mock"]).provider("mock", "big", "http://mock.invalid", "count = \"2500\"");
    let host = setup.default_provider("mock", "big").start().await;
    let client = gem(&host);
    let instances = read(&client, "/api/instances", 200, ids).await;
    assert_eq!(instances.len(), 2500);
    assert!(instances.is_sorted(), "each is there once");
    let answer = client.get("/api/instances?limit=1000").await;
    assert!(answer.next_page().is_some_and(|path| path.contains("format=xml")));
    assert_eq!(read(&client, "/api/instances?limit=1000", 200, ids).await, instances[..1000]);
}

#[tokio::test]
async fn the_form_is_what_the_client_asks_for() {
    let host = world().await;
    let client = host.client().as_user("mockuser", "mockpassword");
    let form = async |client: &Client, path: &str| {
        let answer = client.get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.headers["content-type"].to_str().expect("text").to_owned()
    };
    let (json, xml) = ("application/json", "application/xml; charset=utf-8");
    assert_eq!(form(&client, "/api/instances").await, json);
    assert_eq!(form(&client, "/api/instances?format=xml&id=inst1").await, xml);
    assert_eq!(form(&client.accepting("application/xml"), "/api/instances?format=json").await, json);
    assert_eq!(form(&client.accepting("text/xml, */*;q=0.1"), "/api/realms/us").await, xml);
    // What Deltacloud's clients did not know is JSON.
    assert_eq!(form(&client.accepting("application/xml"), "/api/account").await, json);
    client.get("/api/account?format=xml").await.problem(400);

    // A hook is shown where it is, and not its token.
    let tracked =
        client.put("/api/instances/inst1", &[("track_hook", "http://127.0.0.1:9/"), ("track_token", "s3cret")]);
    tracked.await.ok();
    let answer = client.accepting("application/xml").get("/api/instances/inst1").await;
    let document = Document::parse(&answer.text).expect("XML");
    let track = document.root_element().children().find(|child| child.has_tag_name("track")).expect("a track element");
    assert_eq!((text_at(track, "hook"), text_at(track, "token")), (Some("http://127.0.0.1:9/"), Some("true")));
    assert!(!answer.text.contains("s3cret"));
}
