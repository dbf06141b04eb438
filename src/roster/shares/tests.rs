//! Which calls start, move and end, with a clock that is moved by hand.

use super::*;
use crate::clock::ManualClock;
use crate::model::{Timestamp, breaker};

const LIMITS: ShareLimits =
    ShareLimits { prompt: 4, unproven: 2, slow: 4, suspected: 2, slow_after: Duration::from_secs(2) };

fn house(limits: ShareLimits) -> (Arc<CallShares>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)));
    let dynamic: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let endpoints = Endpoints::new(Arc::clone(&dynamic), breaker::Settings::default(), 24);
    (CallShares::new(Arc::new(endpoints), dynamic, limits), clock)
}

fn name(number: usize) -> Arc<str> {
    format!("endpoint {number}").into()
}

fn is_cut_off(call: &InFlight) -> bool {
    call.cut_off.is_cancelled()
}

fn answers(shares: &Arc<CallShares>, endpoint: &Arc<str>) {
    let share = shares.share_of(endpoint);
    shares.begin(endpoint, share).ended(Found::Answers);
}

#[test]
fn a_new_endpoint_gets_one_call_until_it_answers() {
    let (shares, _) = house(LIMITS);
    let new = name(0);
    assert_eq!((shares.share_of(&new), shares.room_at(&new, Share::Unproven)), (Share::Unproven, 1));
    let call = shares.begin(&new, Share::Unproven);
    assert_eq!(shares.room_at(&new, Share::Unproven), 0);
    call.ended(Found::Answers);
    drop(call);
    assert_eq!(shares.share_of(&new), Share::Prompt);
    assert!(shares.room_at(&new, Share::Prompt) > 1);
    assert_eq!(shares.under_way(Share::Unproven), 0);
}

/// As a shadow's list does: it never takes the place of a poll that is due.
#[test]
fn what_goes_on_slowly_finds_a_slow_slot_or_ends() {
    let (shares, _) = house(LIMITS);
    let endpoint = name(0);
    answers(&shares, &endpoint);
    let calls: Vec<_> = (0..3).map(|_| shares.begin(&endpoint, Share::Prompt)).collect();
    for call in &calls {
        call.ended(Found::Answers);
    }
    let went_on: Vec<bool> = calls.iter().map(InFlight::goes_on_slowly).collect();
    assert_eq!(went_on, [true, true, false]);
    assert_eq!((shares.under_way(Share::Slow), shares.under_way(Share::Prompt)), (2, 1));
    drop(calls);
    assert_eq!((shares.under_way(Share::Slow), shares.under_way(Share::Prompt)), (0, 0));
    let next = shares.begin(&endpoint, Share::Prompt);
    assert!(next.goes_on_slowly(), "there is room again");
}

#[test]
fn endpoints_that_are_slow_leave_room_to_others_however_many_these_are() {
    let (shares, _) = house(ShareLimits { slow: 16, ..LIMITS });
    let mut calls = Vec::new();
    for (number, may_have) in [8, 4, 2, 1].into_iter().enumerate() {
        let endpoint = name(number);
        answers(&shares, &endpoint);
        let mut has = 0;
        while shares.room_at(&endpoint, Share::Slow) > 0 {
            calls.push(shares.begin(&endpoint, Share::Slow));
            has += 1;
        }
        assert_eq!(has, may_have, "endpoint {number}");
        let quick = shares.begin(&endpoint, Share::Prompt);
        assert!(!quick.goes_on_slowly(), "nor may a quick call become one of them");
    }
    assert_eq!((shares.room(Share::Slow), shares.room_at(&name(9), Share::Slow)), (1, 1));
}

/// Neither while the call waits nor when it ends: other accounts at the endpoint are polled as before.
#[test]
fn a_call_that_goes_its_own_way_says_nothing_of_the_endpoint_but_that_it_answers() {
    let (shares, clock) = house(LIMITS);
    let endpoint = name(0);
    answers(&shares, &endpoint);
    for _ in 0..10 {
        for found in [Found::Hangs, Found::Fails] {
            let call = shares.begin(&endpoint, Share::Prompt);
            call.goes_its_own_way();
            let pulse = call.pulse();
            let _asking = pulse.ask();
            clock.advance(LIMITS.slow_after);
            shares.look(Others::Wait);
            assert_eq!((shares.share_of(&endpoint), shares.under_way(Share::Slow)), (Share::Prompt, 1));
            assert!(call.ended(found), "it took long");
        }
        assert_eq!(shares.share_of(&endpoint), Share::Prompt);
        assert_eq!(shares.endpoints().view(endpoint.as_ref()).open_until, None);
    }
    let new = name(1);
    let call = shares.begin(&new, Share::Unproven);
    call.goes_its_own_way();
    call.ended(Found::Answers);
    assert_eq!(shares.share_of(&new), Share::Prompt);
}

#[test]
fn an_endpoint_that_falls_silent_leaves_the_prompt_share_while_its_calls_wait() {
    let (shares, clock) = house(LIMITS);
    let silent = name(0);
    answers(&shares, &silent);
    let calls: Vec<_> = (0..3).map(|_| shares.begin(&silent, Share::Prompt)).collect();
    let pulses: Vec<_> = calls.iter().map(InFlight::pulse).collect();
    let _asking: Vec<_> = pulses.iter().map(Pulse::ask).collect();
    assert_eq!(shares.look(Others::Wait), Some(Duration::from_secs(2)));
    clock.advance(Duration::from_secs(2));
    shares.look(Others::Wait);
    assert_eq!(shares.share_of(&silent), Share::Suspected);
    // Two are counted where they belong. The third has no room there, and hurts nobody in a share that has room.
    assert_eq!((shares.under_way(Share::Suspected), shares.under_way(Share::Prompt)), (2, 1));
    assert!(!calls.iter().any(is_cut_off));
    // It answers after all.
    pulses[0].heard();
    assert_eq!(shares.endpoints().silent_since(&silent), clock.uptime());
    assert_eq!(shares.share_of(&silent), Share::Prompt);
}

#[test]
fn calls_that_hang_give_way_when_their_share_is_full() {
    let (shares, clock) = house(LIMITS);
    let mut calls = Vec::new();
    let hang = |number: usize| {
        let endpoint = name(number);
        answers(&shares, &endpoint);
        let call = shares.begin(&endpoint, Share::Prompt);
        let asking = call.pulse().ask();
        (call, asking)
    };
    calls.extend((0..4).map(hang));
    clock.advance(Duration::from_secs(2));
    shares.look(Others::Wait);
    assert_eq!((shares.under_way(Share::Suspected), shares.room(Share::Prompt)), (2, 2));
    calls.extend((4..6).map(hang));
    assert_eq!(shares.room(Share::Prompt), 0);
    clock.advance(Duration::from_secs(2));
    assert!(shares.look(Others::NoneWait).is_some());
    assert!(!calls.iter().any(|(call, _)| is_cut_off(call)), "nobody wants their slots");
    shares.look(Others::Wait);
    let cut_off = calls.iter().filter(|(call, _)| is_cut_off(call)).count();
    assert_eq!(cut_off, 1, "a quarter of the share is made free");
    assert!(is_cut_off(&calls[2].0), "the one that took longest of those that have not moved");
    calls.retain(|(call, _)| !is_cut_off(call));
    assert_eq!(shares.room(Share::Prompt), 1);
}

#[test]
fn one_account_that_takes_long_taints_no_endpoint_that_answers() {
    let (shares, clock) = house(LIMITS);
    let endpoint = name(0);
    answers(&shares, &endpoint);
    let heavy = shares.begin(&endpoint, Share::Prompt);
    let (pulse, light) = (heavy.pulse(), shares.begin(&endpoint, Share::Prompt));
    let _asking = pulse.ask();
    clock.advance(Duration::from_secs(3));
    light.pulse().heard();
    shares.look(Others::Wait);
    assert_eq!(shares.share_of(&endpoint), Share::Prompt);
    assert_eq!(shares.under_way(Share::Slow), 2);
    assert!(heavy.ended(Found::Answers), "it was slow");
    // What one endpoint's slow calls may have is half of that share.
    assert_eq!(shares.room_at(&endpoint, Share::Slow), 0);
    assert_eq!(shares.room_at(&name(1), Share::Slow), 1);
}

#[test]
fn what_is_recorded_is_not_the_endpoints_doing() {
    let (shares, clock) = house(ShareLimits { prompt: 1, slow: 1, ..LIMITS });
    let endpoint = name(0);
    answers(&shares, &endpoint);
    let call = shares.begin(&endpoint, Share::Prompt);
    assert!(!call.ended(Found::Answers));
    clock.advance(Duration::from_secs(60));
    assert_eq!(shares.look(Others::Wait), None);
    assert_eq!((shares.under_way(Share::Prompt), is_cut_off(&call)), (1, false));
    assert!(call.goes_on_slowly());
    assert_eq!((shares.under_way(Share::Prompt), shares.under_way(Share::Slow)), (0, 1));
}

#[test]
fn timeouts_open_the_circuit_for_all_accounts_and_an_answer_closes_it() {
    let (shares, clock) = house(LIMITS);
    let (endpoints, endpoint) = (shares.endpoints(), name(0));
    answers(&shares, &endpoint);
    endpoints.take_changed();
    for _ in 0..2 {
        endpoints.found(&endpoint, Found::Hangs);
    }
    let view = endpoints.view(&endpoint);
    assert_eq!(view.open_until, Some(clock.now().after(Duration::from_secs(10))));
    assert_eq!(shares.room_at(&endpoint, Share::Suspected), 0);
    assert_eq!(endpoints.take_changed(), [(Arc::clone(&endpoint), view)], "the store is told");
    assert_eq!(endpoints.take_changed(), []);
    clock.advance(Duration::from_secs(10));
    assert_eq!(endpoints.view(&endpoint).open_until, None);
    let probe = shares.begin(&endpoint, Share::Suspected);
    assert_eq!(shares.room_at(&endpoint, Share::Suspected), 0, "one at a time");
    probe.ended(Found::Answers);
    drop(probe);
    assert_eq!(shares.share_of(&endpoint), Share::Prompt);
    assert!(endpoints.was_open_since(&endpoint, clock.now()));
}

#[test]
fn a_host_that_starts_knows_which_endpoints_answered() {
    let (shares, _) = house(LIMITS);
    shares.endpoints().recall([(name(0), Standing::Proven), (name(1), Standing::TimedOut)]);
    assert_eq!(
        [0, 1, 2].map(|number| shares.share_of(&name(number))),
        [Share::Prompt, Share::Suspected, Share::Unproven]
    );
}
