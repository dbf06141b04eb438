//! The circuit breaker of destinations on real attempts, and what the store learns of it.

use super::receiver::{OK, Receiver};
use super::*;

#[tokio::test]
async fn a_destination_that_nothing_gets_through_to_is_left_alone_and_tried_again() {
    let receiver = Receiver::start("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    let bench = bench_with(Settings {
        breaker: breaker::Settings { failures: 3, window: Duration::ZERO, ..breaker::Settings::default() },
        ..Settings::default()
    });
    let mut flights = Flights::new(Arc::new(bench.context.clone()));
    let destination: Arc<str> = receiver.url("").into();
    let room =
        |flights: &Flights| flights.admission().destination(&destination, Standing::Unproven, bench.clock.now()).room;
    let holds = |flights: &mut Flights| flights.settling(Vec::new()).holds;
    for hook in 1..=3 {
        flights.launch(vec![delivery(&receiver.url("/"), hook, 1)], START);
        flights.landed().await.unwrap();
    }
    let until = START.after(Duration::from_secs(10));
    assert_eq!(holds(&mut flights), [(Arc::clone(&destination), until)]);
    assert_eq!(room(&flights), 0);
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(room(&flights), 1, "one is let through");

    receiver.answer(OK);
    flights.launch(vec![delivery(&receiver.url("/"), 4, 1)], bench.clock.now());
    assert_eq!(room(&flights), 0, "and no other meanwhile");
    flights.landed().await.unwrap();
    assert_eq!(
        holds(&mut flights),
        [(Arc::clone(&destination), bench.clock.now())],
        "the store may give out what waits"
    );
    assert!(room(&flights) > 1);
}

#[tokio::test]
async fn what_is_learnt_of_destinations_reaches_the_store() {
    let receiver = Receiver::start("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n").await;
    let bench = bench_with(Settings {
        breaker: breaker::Settings { failures: 1, window: Duration::ZERO, ..breaker::Settings::default() },
        ..Settings::default()
    });
    bench.store.owe(delivery(&receiver.url("/"), 1, 1));
    run_once(&bench.context).await.unwrap();
    let holds = bench.store.holds.lock().unwrap().clone();
    assert_eq!(holds, [(Arc::from(receiver.url("")), START.after(Duration::from_secs(10)))]);
}
