//! Lists: compartment after compartment, page after page, with signed requests.

use crate::setup::{
    CORE, FINGERPRINT, IDENTITY, KEY, TENANCY, USER, account, bare, fixture, host, ids, instance, list, listed, ok,
    paths, refused,
};
use oci::Oci;
use oci::signature::{http_date, signing_string};
use serde_json::json;
use tracker_driver_sdk::http::Url;
use tracker_driver_sdk::secret::{Output, Scheme, sign};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Query, SecretKind};

#[test]
fn dates_are_those_of_http() {
    assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(http_date(1_709_251_199_999), "Thu, 29 Feb 2024 23:59:59 GMT");
    assert_eq!(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

#[test]
fn the_string_to_sign_has_the_target_and_the_host_as_they_are_sent() {
    let url = Url::parse("https://IAAS.example.com:8443/x/20160918/instances?a=b%20c").unwrap();
    let signed = signing_string(&url, "Thu, 01 Jan 1970 00:00:00 GMT");
    let target = "(request-target): get /x/20160918/instances?a=b%20c";
    assert_eq!(signed, format!("date: Thu, 01 Jan 1970 00:00:00 GMT\n{target}\nhost: iaas.example.com:8443"));
}

#[test]
fn each_request_is_signed_with_the_key() {
    let (page, seen) = host().answer(ok(json!([]))).run(|| list(&bare(), &[]));
    assert_eq!(page.unwrap().items, []);
    let sent = &seen.sent[0];
    let url = format!("{CORE}/20160918/instances?compartmentId=ocid1.compartment.a&limit=1000");
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("GET", url.as_str()));
    assert_eq!(sent.header("date"), Some("Fri, 20 Nov 2026 10:00:00 GMT"));
    let message = signing_string(&Url::parse(&url).unwrap(), "Fri, 20 Nov 2026 10:00:00 GMT");
    let (signature, _) = host().run(|| sign("password", Scheme::Rs256, message.as_bytes(), Output::Base64).unwrap());
    let expected = format!(
        "Signature version=\"1\",keyId=\"{TENANCY}/{USER}/{FINGERPRINT}\",algorithm=\"rsa-sha256\",\
         headers=\"date (request-target) host\",signature=\"{signature}\""
    );
    assert_eq!(sent.header("authorization"), Some(expected.as_str()));
    assert!(!format!("{seen:?}").contains(KEY));
}

#[test]
fn all_compartments_are_listed_and_the_root_first() {
    let answers = vec![
        Answer::new(200).body(fixture("compartments")).header("opc-next-page", "a+b/="),
        // One that was listed already, and the root itself.
        ok(
            json!([{ "id": "ocid1.compartment.oc1..aaaaaaaashop7kq" }, { "id": TENANCY }, { "id": "ocid1.compartment.b" }]),
        ),
        ok(json!([instance("1")])),
        ok(json!([])),
        ok(json!([])),
        ok(json!([instance("2")])),
    ];
    let (page, paths) = listed(&account(&[("addresses", "none")]), answers);
    let page = page.unwrap();
    assert_eq!((ids(&page), &page.coverage), (vec!["1", "2"], &Coverage::Complete));
    let compartments =
        format!("identity/compartments?compartmentId={TENANCY}&compartmentIdInSubtree=true&accessLevel=ANY&limit=1000");
    let of = |id: &str| format!("/instances?compartmentId={id}&limit=1000");
    let expected = [
        compartments.clone(),
        format!("{compartments}&page=a%2Bb%2F%3D"),
        of(TENANCY),
        of("ocid1.compartment.oc1..aaaaaaaashop7kq"),
        of("ocid1.compartment.oc1..aaaaaaaaclosed5m"),
        of("ocid1.compartment.b"),
    ];
    assert_eq!(paths, expected);
}

#[test]
fn pages_are_followed_to_the_last_one_whatever_their_cursors() {
    let odd = ["a b", "x&y=z", "+%2B%", "\"'", "==", &"long".repeat(400)];
    let mut answers: Vec<Answer> = odd
        .iter()
        .zip(0..)
        .map(|(next, number): (_, usize)| {
            // Some pages in the middle are empty.
            let page = if number % 3 == 1 { json!([]) } else { json!([instance(&number.to_string())]) };
            ok(page).header("Opc-Next-Page", next)
        })
        .collect();
    answers.push(ok(json!([instance("last")])).header("opc-next-page", ""));
    let (page, paths) = listed(&bare(), answers);
    assert_eq!(ids(&page.unwrap()), ["0", "2", "3", "5", "last"]);
    assert!(paths[1].ends_with("&limit=1000&page=a%20b") && paths[2].ends_with("&page=x%26y%3Dz"), "{paths:?}");
    assert_eq!(paths.len(), 7);
}

#[test]
fn pages_that_lead_back_are_an_error() {
    // Of empty pages, which are passed over, and of compartments, which are read at once.
    let empty = || ok(json!([])).header("opc-next-page", "a");
    let (page, _) = listed(&bare(), vec![empty(), empty()]);
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
    let (page, _) = listed(&account(&[]), vec![empty(), empty()]);
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
}

#[test]
fn a_cursor_of_another_list_is_an_error() {
    for cursor in ["", "2", "ocid1.compartment.b ", "ocid1.compartment.a"] {
        let query = Query { cursor: Some(cursor.into()), ..Query::default() };
        let (page, seen) = host().run(|| Oci::list_instances(&bare(), &query));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{cursor}: {page:?}");
        assert!(seen.sent.is_empty());
    }
}

#[test]
fn a_compartment_that_refuses_makes_the_list_partial_and_is_named() {
    let chosen = account(&[("compartments", "ocid1.compartment.a,ocid1.compartment.b"), ("addresses", "none")]);
    for answers in [vec![refused(), ok(json!([instance("1")]))], vec![ok(json!([instance("1")])), refused()]] {
        let (page, _) = listed(&chosen, answers);
        let page = page.unwrap();
        assert_eq!(ids(&page), ["1"]);
        let Coverage::Partial(why) = page.coverage else { panic!("{:?}", page.coverage) };
        assert!(why.contains("ocid1.compartment.") && why.contains("NotAuthorizedOrNotFound"), "{why}");
    }
    // Without anything to list it is the account that lacks a right.
    for answers in [vec![refused(), refused()], vec![ok(json!([])), refused()], vec![refused(), ok(json!([]))]] {
        let (page, _) = listed(&chosen, answers);
        assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
    }
    // A second page is not refused where the first one was given.
    let (page, _) = listed(&chosen, vec![ok(json!([instance("1")])).header("opc-next-page", "a"), refused()]);
    assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
    // A proxy's word is not Oracle's.
    for status in [403, 404] {
        let (page, _) = listed(&chosen, vec![ok(json!([instance("1")])), Answer::new(status).body("<html>")]);
        assert!(page.is_err(), "{status}");
    }
    let (page, _) = listed(&account(&[]), vec![refused()]);
    assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
}

#[test]
fn of_many_refusals_some_are_named_and_the_others_counted() {
    let names: Vec<String> = (0..9).map(|number| format!("ocid1.compartment.{number}")).collect();
    let mut answers = vec![ok(json!([instance("1")]))];
    answers.extend((1..9).map(|_| refused()));
    let (page, _) = listed(&account(&[("compartments", &names.join(" ")), ("addresses", "none")]), answers);
    let Coverage::Partial(why) = page.unwrap().coverage else { panic!("it is partial") };
    assert!(why.contains("ocid1.compartment.3") && !why.contains("ocid1.compartment.4"), "{why}");
    assert!(why.ends_with("; and 5 more"), "{why}");
}

#[test]
fn availability_domains_are_asked_for_with_the_tenancy_or_a_chosen_compartment() {
    for (account, compartment) in [(account(&[]), TENANCY), (bare(), "ocid1.compartment.a")] {
        let host = host().answer(Answer::new(200).body(fixture("availability-domains")));
        let (page, seen) = host.run(|| Oci::list_realms(&account, &Query::default()));
        assert_eq!(page.unwrap().items.len(), 3);
        assert_eq!(paths(&seen), [format!("identity/availabilityDomains?compartmentId={compartment}")]);
    }
}

#[test]
fn an_account_is_checked_before_any_request() {
    let check = |account: Account, word: &str| {
        for realms in [false, true] {
            let (error, seen) = host().run(|| match realms {
                false => Oci::list_instances(&account, &Query::default()).err(),
                true => Oci::list_realms(&account, &Query::default()).err(),
            });
            let Some(Error::InvalidAccount(message)) = error else { panic!("{word}: {error:?}") };
            assert!(message.contains(word), "{word}: {message}");
            assert!(seen.sent.is_empty());
        }
    };
    check(account(&[("tenancy", "example")]), "`tenancy`");
    check(account(&[("tenancy", "")]), "`tenancy`");
    check(account(&[("fingerprint", "20:3b")]), "`fingerprint`");
    check(account(&[("fingerprint", &FINGERPRINT.replace('b', "g"))]), "`fingerprint`");
    check(account(&[("compartments", "shop")]), "`compartments`");
    check(account(&[("compartments", " , ")]), "`compartments`");
    check(account(&[("addresses", "some")]), "`addresses`");
    check(Account { options: Vec::new(), ..account(&[]) }, "`tenancy`");
    check(Account { endpoints: Vec::new(), ..account(&[]) }, "`identity`");
    check(Account { secret: SecretKind::Password, ..account(&[]) }, "private key");
    check(Account { user: "a\" b".into(), ..account(&[]) }, "user");
    check(Account { user: String::new(), ..account(&[]) }, "user");
    let (page, _) = Host::new().run(|| list(&bare(), &[]));
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "without a key: {page:?}");
}

#[test]
fn the_oldest_tenancies_have_ids_with_colons() {
    let tenancy = "ocidv1:tenancy:oc1:phx:1400000000000:aaaa2b";
    let old = account(&[("tenancy", tenancy), ("addresses", "none")]);
    let mut own = instance("1");
    own["compartmentId"] = json!(tenancy);
    let (page, seen) = host().answer(ok(json!([]))).answer(ok(json!([own]))).run(|| list(&old, &[]));
    assert_eq!(page.unwrap().items[0].owner.as_deref(), Some(tenancy));
    let encoded = "ocidv1%3Atenancy%3Aoc1%3Aphx%3A1400000000000%3Aaaaa2b";
    assert!(paths(&seen)[1].contains(encoded), "{:?}", paths(&seen));
    assert!(format!("{:?}", seen.sent[0]).contains(&format!("{tenancy}/{USER}/{FINGERPRINT}")));
}

#[test]
fn every_region_has_both_endpoints() {
    let description = Oci::describe();
    for provider in &description.providers {
        let region = &provider.name;
        let (role, identity) = &provider.endpoints[0];
        assert_eq!(role, "identity");
        let domain = provider.endpoint.strip_prefix(&format!("https://iaas.{region}.")).expect("its name");
        assert_eq!(*identity, format!("https://identity.{region}.oci.{domain}"));
        assert!(description.endpoints.contains(&format!("https://iaas.*.{domain}")));
    }
    let ashburn = description.providers.iter().find(|provider| provider.name == "us-ashburn-1").expect("Ashburn");
    assert_eq!((ashburn.endpoint.as_str(), ashburn.endpoints[0].1.as_str()), (CORE, IDENTITY));
}
