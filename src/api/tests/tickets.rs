//! Tickets, which open a stream in a browser.

use serde_json::json;

use super::*;
use crate::model::InstanceState::Pending;

impl House {
    /// A ticket that somebody got.
    async fn stream_ticket(&self, authorization: &str) -> String {
        let made = self.send("POST", "/api/tickets", &[("authorization", authorization)], "").await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Asks for a stream as a browser does, with a ticket that is not accepted.
    async fn is_refused(&self, query: &str, ticket: &str) {
        let path = format!("/api/changes?{query}&ticket={ticket}");
        let answer = self.send("GET", &path, &[("accept", "text/event-stream")], "").await;
        answer.problem(401, "token-refused");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    let ticket = house.stream_ticket(&basic("user", "right")).await;
    let mut stream = house.stream_by(None, &format!("since=0&ticket={ticket}"), None).await;
    assert_eq!(stream.ids(1).await, ["a"]);
    house.is_refused("since=0", &ticket).await;
    house.is_refused("since=0", "tkt_none").await;
    house.is_refused("since=0", "").await;
    house.poll(Kind::Instance, vec![instance("b", "us", Pending)]).await;
    assert_eq!(stream.ids(1).await, ["b"], "it goes on");

    // One that nobody used is good for a while.
    let late = house.stream_ticket(&basic("user", "right")).await;
    house.clock.advance(house.context.settings.ticket_for);
    house.is_refused("since=0", &late).await;
}

#[tokio::test]
async fn setting_the_clock_neither_ends_tickets_nor_keeps_them() {
    let house = House::new();
    let lasts = house.context.settings.ticket_for;
    for to in [NOW.after(1000 * lasts), NOW.before(1000 * lasts)] {
        let (ticket, late) =
            (house.stream_ticket(&basic("user", "right")).await, house.stream_ticket(&basic("user", "right")).await);
        house.clock.set(to);
        house.stream_by(None, &format!("since=0&ticket={ticket}"), None).await;
        house.clock.advance(lasts);
        house.is_refused("since=0", &late).await;
    }
}

#[tokio::test]
async fn a_ticket_opens_nothing_else() {
    let house = House::new();
    house.poll(Kind::Instance, vec![]).await;
    let ticket = house.stream_ticket(&basic("user", "right")).await;
    for (method, path, accept) in [
        ("GET", "/api/changes?since=0", "application/json"),
        ("GET", "/api/changes", "application/json"),
        ("HEAD", "/api/changes?since=0", "text/event-stream"),
        ("GET", "/api/instances?limit=1", "text/event-stream"),
        ("POST", "/api/tickets?", "text/event-stream"),
        ("DELETE", "/api/account?", "text/event-stream"),
    ] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = house.send(method, &format!("{path}{separator}ticket={ticket}"), &[("accept", accept)], "").await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
    }
    // It was used by none of them. What a request says itself of who asks counts before it.
    let wrong = [("authorization", basic("user", "wrong")), ("accept", "text/event-stream".to_owned())];
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = format!("/api/changes?since=0&ticket={ticket}");
    house.send("GET", &path, &wrong, "").await.problem(401, "credentials-refused");
    house.stream_by(None, &format!("since=0&ticket={ticket}"), None).await;
    house.send("POST", "/api/tickets", &[], "").await.problem(401, "credentials-missing");
}

#[tokio::test]
async fn a_ticket_and_its_stream_end_with_the_token_that_they_were_got_with() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    for scope in ["read", "track"] {
        let (id, token) = house.token(scope).await;
        let bearer = format!("Bearer {token}");
        let (used, unused) = (house.stream_ticket(&bearer).await, house.stream_ticket(&bearer).await);
        let mut stream = house.stream_by(None, &format!("since=0&ticket={used}"), None).await;
        assert_eq!(stream.ids(1).await, ["a"]);
        assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204);
        let (name, _, data) = stream.next().await;
        assert_eq!((name.as_str(), &data["reason"]), ("end", &json!("token-revoked")));
        house.is_refused("since=0", &unused).await;
    }
    let ticket = house.stream_ticket(&basic("user", "right")).await;
    assert_eq!(house.delete("/api/account").await.status, 204);
    house.is_refused("since=0", &ticket).await;
}
