//! Pages of other origins.

use super::*;

const ORIGIN: &str = "https://console.example.com";

fn house() -> House {
    House::with(|settings| settings.cors_origins = vec![url::Url::parse(ORIGIN).expect("a URL").origin()])
}

#[tokio::test]
async fn an_origin_that_is_named_may_ask_on_every_route() {
    let house = house();
    for path in [
        "/api",
        "/api/instances",
        "/api/hooks/1",
        "/api/changes",
        "/openapi.json",
        "/nothing",
        "/api;driver=mock/realms",
    ] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            let asks = [("origin", ORIGIN), ("access-control-request-method", method)];
            let answer = house.send("OPTIONS", path, &asks, "").await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(ORIGIN)), "{path}");
            let allows = |header: &str, words: &[&str]| {
                let allowed = answer.header(header).expect(header).to_lowercase();
                words
                    .iter()
                    .for_each(|word| assert!(allowed.split(',').any(|one| one == *word), "{path} {header}: {allowed}"));
            };
            allows("access-control-allow-methods", &[&method.to_lowercase()]);
            allows("access-control-allow-headers", &["authorization", "last-event-id", "idempotency-key", "if-match"]);
        }
    }
}

#[tokio::test]
async fn a_page_may_read_what_a_client_needs_and_errors_too() {
    let house = house();
    house.poll(Kind::Instance, vec![]).await;
    let right = basic("user", "right");
    for (path, status) in [("/api/instances", 200), ("/api/instances?limit=0", 400), ("/nothing", 404)] {
        let answer = house.send("GET", path, &[("origin", ORIGIN), ("authorization", &right)], "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some(ORIGIN)), "{path}");
        let exposed = answer.header("access-control-expose-headers").expect("told");
        for header in ["link", "tracker-cursor", "etag", "ratelimit", "retry-after", "location"] {
            assert!(exposed.split(',').any(|one| one.trim() == header), "{header}: {exposed}");
        }
        let mut varies = answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok());
        assert!(varies.any(|vary| vary.to_lowercase().contains("origin")), "{path}");
    }
    let answer = house.send("GET", "/api/instances", &[("origin", ORIGIN)], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some(ORIGIN)));
}

#[tokio::test]
async fn another_origin_is_told_nothing() {
    for house in [house(), House::new()] {
        for origin in
            ["https://evil.example", "https://console.example.com.evil.example", "http://console.example.com", "null"]
        {
            let asks = [("origin", origin), ("access-control-request-method", "GET")];
            for method in ["OPTIONS", "GET"] {
                let answer = house.send(method, "/api/instances", &asks, "").await;
                assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {origin}");
            }
        }
    }
    let answer = House::new().send("OPTIONS", "/api/instances", &[("origin", ORIGIN)], "").await;
    assert_eq!(answer.status, 405, "where nobody is named, it is a method like any other");
}
