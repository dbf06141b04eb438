//! The feed as a stream: its events, their order, and its end.

use futures_util::StreamExt as _;
use serde_json::json;

use super::*;
use crate::model::InstanceState::{Pending, Running, Stopped};
use crate::model::RealmState::Available;
use crate::store::NoShares;

/// A stream, as its reader gets it.
pub(super) struct Reader {
    body: axum::body::BodyDataStream,
    text: String,
}

/// One event: its name, its id and its data.
pub(super) type Event = (String, String, Value);

impl House {
    pub(super) async fn stream(&self, query: &str, last_id: Option<&str>) -> Reader {
        self.stream_as(&basic("user", "right"), query, last_id).await
    }

    async fn stream_as(&self, authorization: &str, query: &str, last_id: Option<&str>) -> Reader {
        self.stream_by(Some(authorization), query, last_id).await
    }

    /// Without an authorization, by what the query has.
    pub(super) async fn stream_by(&self, authorization: Option<&str>, query: &str, last_id: Option<&str>) -> Reader {
        let mut request = Request::builder()
            .uri(format!("/api/changes?{query}"))
            .header("host", "tracker.example")
            .header("accept", "text/event-stream");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = TowerToHyperService::new(self.router.clone()).call(request).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().expect("a type"))
        );
        Reader { body: response.into_body().into_data_stream(), text: String::new() }
    }
}

impl Reader {
    /// The next event, heartbeats too; `None` at the end.
    pub(super) async fn any(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").to_owned();
                let data = serde_json::from_str(&field("data: ")).expect("JSON");
                let event = (field("event: "), field("id: "), data);
                self.text = rest.to_owned();
                return Some(event);
            }
            let bytes = self.body.next().await?.expect("a body");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    pub(super) async fn next(&mut self) -> Event {
        loop {
            let event = self.any().await.expect("the stream goes on");
            if event.0 != "heartbeat" {
                return event;
            }
        }
    }

    /// The ids of the resources of the next changes.
    pub(super) async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let (name, id, data) = self.next().await;
            assert_eq!((name.as_str(), data["cursor"].as_str()), ("", Some(id.as_str())), "{data}");
            ids.push(data["resource"]["id"].as_str().expect("an id").to_owned());
        }
        ids
    }
}

#[tokio::test]
async fn a_stream_begins_where_it_is_told_and_goes_on() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("a", "us", Pending), instance("b", "us", Pending)]).await;
    let mut now = house.stream("", None).await;
    let mut whole = house.stream("since=0", None).await;
    assert_eq!(whole.ids(2).await, ["a", "b"]);
    house.poll(Kind::Instance, vec![instance("c", "us", Pending)]).await;
    assert_eq!(now.ids(1).await, ["c"]);
    let (_, id, data) = whole.next().await;
    assert_eq!(data["resource"]["id"], "c");
    assert!(data.get("track_token").is_none());

    // From the last id on, whatever `since` says.
    house.poll(Kind::Instance, vec![instance("d", "us", Pending)]).await;
    let mut resumed = house.stream("since=0", Some(&id)).await;
    assert_eq!(resumed.ids(1).await, ["d"]);
    let mut filtered = house.stream("since=0&id=b,d", None).await;
    assert_eq!(filtered.ids(2).await, ["b", "d"]);
}

#[tokio::test]
async fn a_heartbeat_carries_the_newest_cursor() {
    let house = House::with(|settings| settings.feed_heartbeat = Duration::from_millis(50));
    let mut stream = house.stream("type=realm.state", None).await;
    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    let newest = house.context.store.extent(house.account().await).await.expect("read").newest.to_string();
    loop {
        let (name, id, data) = stream.any().await.expect("the stream goes on");
        assert_eq!((name.as_str(), data["cursor"].as_str()), ("heartbeat", Some(id.as_str())));
        if id == newest {
            break;
        }
    }
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_what_changes() {
    let house = House::new();
    house.poll(Kind::Realm, vec![realm("us", Available)]).await;
    let names: Vec<String> = (0..250).map(|number| format!("i{number:03}")).collect();
    house.poll(Kind::Instance, names.iter().map(|name| instance(name, "us", Running)).collect()).await;
    let mut stream = house.stream("snapshot=true", None).await;
    let (mut kinds, mut ids) = (Vec::new(), Vec::new());
    let cursor = loop {
        let (name, id, data) = stream.next().await;
        match name.as_str() {
            "snapshot" => {
                assert_eq!(id, "");
                kinds.push(data["kind"].as_str().expect("a kind").to_owned());
                ids.push(data["resource"]["id"].as_str().expect("an id").to_owned());
            }
            "snapshot-end" => break id,
            other => panic!("{other}"),
        }
    };
    kinds.dedup();
    assert_eq!((kinds, ids.len()), (vec!["instance".to_owned(), "realm".to_owned()], 251));
    assert_eq!(cursor, house.context.store.extent(house.account().await).await.expect("read").newest.to_string());
    house.poll(Kind::Instance, vec![instance("i007", "us", Stopped)]).await;
    assert_eq!(stream.ids(1).await, ["i007"]);

    // Who goes on from somewhere has had it.
    let mut resumed = house.stream("snapshot=true", Some(&cursor)).await;
    assert_eq!(resumed.ids(1).await, ["i007"]);
    let mut one = house.stream("snapshot=true&id=i007&kind=instance", None).await;
    let (name, _, data) = one.next().await;
    assert_eq!((name.as_str(), &data["resource"]["state"]), ("snapshot", &json!("STOPPED")));
    assert_eq!(one.next().await.0, "snapshot-end");
}

#[tokio::test]
async fn who_falls_behind_the_ring_reads_the_store() {
    let house = House::with(|settings| settings.feed_ring = 2);
    let mut stream = house.stream("", None).await;
    let names: Vec<String> = (0..1500).map(|number| format!("i{number:04}")).collect();
    for part in names.chunks(300) {
        house.poll(Kind::Instance, part.iter().map(|name| instance(name, "us", Running)).collect()).await;
    }
    assert_eq!(stream.ids(1500).await, names);
}

#[tokio::test]
async fn a_stream_ends_with_a_cursor_to_go_on_from() {
    let end = async |house: &House, mut stream: Reader, why: &str| {
        let newest = house.context.store.extent(house.account().await).await.expect("read").newest.to_string();
        let (name, id, data) = stream.next().await;
        assert_eq!((name.as_str(), &data["reason"], &id), ("end", &json!(why), &newest));
        assert_eq!(stream.any().await, None);
    };
    let house = House::with(|settings| settings.feed_stream_for = Duration::from_millis(100));
    end(&house, house.stream("", None).await, "expired").await;

    // A reader that takes nothing for longer than it may.
    let house = House::with(|settings| settings.feed_stall = Duration::ZERO);
    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    let mut slow = house.stream("since=0", None).await;
    assert_eq!(slow.ids(1).await, ["a"]);
    end(&house, slow, "slow").await;

    // What it was given of what exists does not count: it has no cursor, so that it is begun anew.
    let mut slow = house.stream("snapshot=true&kind=instance", None).await;
    let (name, _, data) = slow.next().await;
    assert_eq!((name.as_str(), &data["resource"]["id"]), ("snapshot", &json!("a")));
    assert_eq!(slow.next().await, ("end".into(), String::new(), json!({ "reason": "slow" })));
    assert_eq!(slow.any().await, None);

    let stopping = CancellationToken::new();
    let prover: Arc<dyn Prover> = house.provider.clone();
    let running = crate::api::app::Running::new(&house.context, stopping.clone());
    let house = House { router: public_routes(&app_with(house.context.clone(), prover, &running)), ..house };
    let stream = house.stream("", None).await;
    stopping.cancel();
    end(&house, stream, "stopping").await;
}

impl House {
    pub(super) async fn expiring_token(&self, expires: Timestamp) -> String {
        let body = json!({ "name": "ci", "scope": "track", "expires": expires });
        self.post("/api/tokens", &body).await.json()["token"].as_str().expect("a secret").to_owned()
    }
}

/// Whoever found a token must not go on reading what it opened.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    let in_an_hour = house.now().after(Duration::from_secs(3600));
    let (revoked, rotated) = (house.token("read").await, house.token("read").await);
    let expiring = house.expiring_token(in_an_hour).await;
    let mut streams = Vec::new();
    for token in [&revoked.1, &rotated.1, &expiring] {
        let mut stream = house.stream_as(&format!("Bearer {token}"), "since=0", None).await;
        assert_eq!(stream.ids(1).await, ["a"]);
        streams.push(stream);
    }
    let mut own = house.stream("since=now", None).await;
    let end = async |stream: &mut Reader, why: &str| {
        let (name, id, data) = stream.next().await;
        assert_eq!((name.as_str(), &data["reason"], &data["cursor"]), ("end", &json!(why), &json!(id)));
        assert_eq!(stream.any().await, None);
    };
    // A stranger's word ends nothing.
    house.post("/api/tokens/9/rotate", &Value::Null).await.problem(404, "token-not-found");
    house.delete("/api/tokens/9").await.problem(404, "token-not-found");

    // The clock stands still: they end at once, and before anything that comes then.
    assert_eq!(house.delete(&format!("/api/tokens/{}", revoked.0)).await.status, 204);
    assert_eq!(house.post(&format!("/api/tokens/{}/rotate", rotated.0), &Value::Null).await.status, 200);
    house.poll(Kind::Instance, vec![instance("b", "us", Pending)]).await;
    end(&mut streams[0], "token-revoked").await;
    end(&mut streams[1], "token-revoked").await;
    assert_eq!(streams[2].ids(1).await, ["b"]);

    house.clock.set(in_an_hour.before(Duration::from_millis(1)));
    house.poll(Kind::Instance, vec![instance("c", "us", Pending)]).await;
    assert_eq!(streams[2].ids(1).await, ["c"]);
    house.clock.advance(Duration::from_millis(1));
    end(&mut streams[2], "token-expired").await;
    assert_eq!(own.ids(2).await, ["b", "c"], "those of others go on");
}

#[tokio::test]
async fn a_request_that_waits_ends_with_its_token() {
    // For a list that never comes, they would wait beyond every patience.
    let house = Arc::new(House::with(|settings| settings.poll_wait = Duration::from_secs(3600)));
    let in_an_hour = house.now().after(Duration::from_secs(3600));
    for (method, path) in
        [("GET", "/api/changes?since=now&wait=30"), ("GET", "/api/instances"), ("POST", "/api/refresh?kind=realm")]
    {
        for way in ["revoked", "rotated", "expired"] {
            let (id, token) = match way {
                "expired" => (String::new(), house.expiring_token(in_an_hour).await),
                _ => house.token("track").await,
            };
            let signals = house.fresh_signals();
            let asked = {
                let (house, path) = (Arc::clone(&house), path.to_owned());
                tokio::spawn(async move { house.bear(&token, method, &path).await })
            };
            // It has proven itself, and asks for a poll that nobody makes.
            signals.polls.notified().await;
            match way {
                "revoked" => assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204),
                "rotated" => drop(house.post(&format!("/api/tokens/{id}/rotate"), &Value::Null).await.ok()),
                _ => house.clock.set(in_an_hour),
            }
            asked.await.expect("answered").problem(401, "token-refused");
            house.clock.set(NOW);
        }
    }
}

#[tokio::test]
async fn a_list_that_is_sent_in_pieces_ends_with_its_token() {
    let house = House::with(|settings| settings.page_items = 2);
    house.poll(Kind::Instance, (0..6).map(|number| instance(&format!("i-{number}"), "us", Running)).collect()).await;
    let (id, token) = house.token("read").await;
    let request = Request::builder()
        .uri("/api/instances")
        .header("host", "tracker.example")
        .header("accept", "application/xml")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    let Ok(response) = TowerToHyperService::new(house.router.clone()).call(request).await;
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains("i-1") {
        let bytes = body.next().await.expect("it goes on").expect("a piece");
        text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
    assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204);
    while let Some(piece) = body.next().await {
        // It breaks off, which no client takes for its end.
        let Ok(bytes) = piece else { return };
        text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        assert!(!text.contains("i-4"), "{text}");
    }
    panic!("it came to its end: {text}");
}

#[tokio::test]
async fn a_stream_that_cant_be_is_refused() {
    let house = House::with(|settings| settings.feed_streams = 1);
    let check = async |query: &str, last_id: &str, status: u16, slug: &str| {
        let headers =
            [("authorization", &*basic("user", "right")), ("accept", "text/event-stream"), ("last-event-id", last_id)];
        house.send("GET", &format!("/api/changes?{query}"), &headers, "").await.problem(status, slug);
    };
    check("since=yesterday", "", 400, "invalid-parameter").await;
    check("", "yesterday", 400, "invalid-parameter").await;
    check("", "000000000000000000000001", 400, "foreign-cursor").await;
    check("wait=5", "", 400, "unknown-parameter").await;
    check("limit=5", "", 400, "unknown-parameter").await;
    check("snapshot=yes", "", 400, "invalid-parameter").await;
    check("snapshot=true&since=0", "", 400, "invalid-parameter").await;
    let open = house.stream("", None).await;
    check("", "", 503, "too-many-streams").await;
    // A place is free again once the one that has it is gone.
    drop(open);
    house.stream("", None).await;
}

#[tokio::test]
async fn an_account_is_polled_while_somebody_follows_it() {
    let house = House::with(|settings| settings.feed_heartbeat = Duration::from_millis(20));
    house.poll(Kind::Instance, vec![]).await;
    house.poll(Kind::Realm, vec![]).await;
    let stream = house.stream("", None).await;
    let signals = house.fresh_signals();
    house.clock.advance(Duration::from_secs(61));
    let mut reader = stream;
    let asked = signals.polls.notified();
    tokio::select! {
        () = asked => {}
        event = reader.next() => panic!("{event:?}"),
    }
    assert_eq!(
        house.context.store.next_poll_due(house.now(), Arc::new(NoShares)).await.expect("read"),
        Some(house.now())
    );
}

/// What a client knows of the account: the state of each instance.
type Replica = std::collections::BTreeMap<String, String>;

impl House {
    /// Every page of the list, as it is while others write, and the cursor of its first page.
    async fn whole_list(&self) -> (Replica, String) {
        let (mut path, mut cursor, mut replica) = ("/api/instances?limit=7".to_owned(), None, Replica::new());
        loop {
            let answer = self.get(&path).await;
            cursor.get_or_insert(answer.header("tracker-cursor").expect("a cursor").to_owned());
            let link = answer.header("link").map(str::to_owned);
            for instance in answer.ok()["instances"].as_array().expect("a list") {
                let text = |member: &str| instance[member].as_str().expect("text").to_owned();
                replica.insert(text("id"), text("state"));
            }
            match link {
                Some(link) => path = link["<https://tracker.example".len()..].split('>').next().expect("a path").into(),
                None => return (replica, cursor.expect("a page")),
            }
        }
    }
}

fn follow(replica: &mut Replica, change: &Value) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    replica.insert(text(&change["resource"]["id"]), text(&change["new_state"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_and_what_follows_it_have_no_gap() {
    let house = Arc::new(House::new());
    house.poll(Kind::Realm, vec![]).await;
    house.poll(Kind::Instance, vec![instance("i000", "us", Pending)]).await;
    let writes = {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            for round in 0..300_usize {
                let state = [Pending, Running, Stopped][round % 3];
                let some =
                    (0..5).map(|number| instance(&format!("i{:03}", (round * 31 + number * 7) % 60), "us", state));
                house.poll(Kind::Instance, some.collect()).await;
            }
            house.poll(Kind::Instance, vec![instance("the-last", "us", Running)]).await;
        })
    };
    let by_pages = async {
        let (mut replica, cursor) = house.whole_list().await;
        let mut path = format!("/api/changes?since={cursor}&wait=30&limit=11");
        while !replica.contains_key("the-last") {
            let answer = house.get(&path).await;
            let link = answer.header("link").expect("a link").to_owned();
            path = link["<https://tracker.example".len()..].split('>').next().expect("a path").into();
            answer.ok().as_array().expect("a list").iter().for_each(|change| follow(&mut replica, change));
        }
        replica
    };
    let by_list_and_stream = async {
        let (mut replica, cursor) = house.whole_list().await;
        let mut stream = house.stream(&format!("since={cursor}"), None).await;
        while !replica.contains_key("the-last") {
            follow(&mut replica, &stream.next().await.2);
        }
        replica
    };
    let by_snapshot = async {
        let (mut stream, mut replica) = (house.stream("snapshot=true", None).await, Replica::new());
        while !replica.contains_key("the-last") {
            let (name, _, data) = stream.next().await;
            match name.as_str() {
                "" => follow(&mut replica, &data),
                "snapshot" if data["kind"] == "instance" => {
                    let text = |member: &str| data["resource"][member].as_str().expect("text").to_owned();
                    replica.insert(text("id"), text("state"));
                }
                _ => {}
            }
        }
        replica
    };
    let replicas = tokio::join!(by_pages, by_list_and_stream, by_snapshot);
    writes.await.expect("written");
    let (known, _) = house.whole_list().await;
    assert_eq!(replicas, (known.clone(), known.clone(), known));
}
