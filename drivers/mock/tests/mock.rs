//! The driver as the host sees it: who is let in, what is listed, what is said of a wrong option.

use mock::Mock;
use tracker_driver_sdk::testing::Host;
use tracker_driver_sdk::{Account, Driver, Error, Instance, Page, Query, RealmState};

fn account(user: &str, options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("default", "http://mock.invalid", user) }
}

fn list(user: &str, password: &str, options: &[(&str, &str)]) -> Result<Page<Instance>, Error> {
    let host = Host::new().secret("password", password).at(1_795_341_600_000);
    let (page, seen) = host.run(|| Mock::list_instances(&account(user, options), &Query::default()));
    assert!(seen.sent.is_empty(), "the mock makes no request");
    page
}

#[test]
fn the_world_is_the_one_that_deltacloud_had() {
    let page = list("mockuser", "mockpassword", &[]).unwrap();
    let lines: Vec<String> = page
        .items
        .iter()
        .map(|i| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!(
                "{}|{}|{}|{}|{}|{}|{}|{}",
                i.id,
                text(&i.name),
                text(&i.realm),
                text(&i.image),
                text(&i.hardware_profile),
                i.provider_state,
                i.public_addresses[0].value,
                i.private_addresses[0].value
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "inst0|Mock Instance With Profile Change|us|img1|m1-large|RUNNING|img1.inst0.public.com|img1.inst0.private.com",
            "inst1|MockUserInstance|us|img3|m1-small|RUNNING|img1.inst1.public.com|img1.inst1.private.com",
            "inst3||eu|img3|m1-small|RUNNING|img3.inst3.public.com|img3.inst3.private.com",
        ]
    );
    assert_eq!(page.next, None);

    let host = Host::new().secret("password", "mockpassword");
    let (realms, _) = host.run(|| Mock::list_realms(&account("mockuser", &[]), &Query::default()));
    let realms: Vec<_> = realms.unwrap().items.into_iter().map(|r| (r.id, r.name, r.state, r.limit)).collect();
    assert_eq!(
        realms,
        [
            ("us".to_owned(), "United States".to_owned(), RealmState::Available, None),
            ("eu".to_owned(), "Europe".to_owned(), RealmState::Available, None),
        ]
    );
}

#[test]
fn only_mockuser_with_mockpassword_is_let_in() {
    let refused = |user: &str, password: &str| {
        let page = list(user, password, &[]);
        assert!(matches!(page, Err(Error::Unauthorized(_))), "{user} {password}: {page:?}");
    };
    refused("mockuser", "wrong");
    refused("mockuser", "");
    refused("anotheruser", "mockpassword");
    refused("", "mockpassword");
    let (page, _) = Host::new().run(|| Mock::list_instances(&account("mockuser", &[]), &Query::default()));
    assert!(matches!(page, Err(Error::Unauthorized(_))), "no password at all: {page:?}");
}

#[test]
fn a_wrong_option_is_named_with_its_value_and_what_is_accepted() {
    let check = |name: &str, value: &str| {
        let page = list("mockuser", "mockpassword", &[(name, value)]);
        let Err(Error::InvalidAccount(message)) = page else { panic!("{name}={value}: {page:?}") };
        assert!(message.contains(&format!("`{name}` is `{value}`: it has to be a ")), "{message}");
    };
    check("count", "many");
    check("count", "-1");
    check("count", "1000001");
    check("count", "");
    check("churn", "fast");
    check("churn", "-0.1");
    check("churn", "3600.5");
    check("churn", "NaN");
    check("churn", "inf");
    check("seed", "1.5");
}

#[test]
fn count_puts_a_fleet_in_the_worlds_place() {
    let page = list("mockuser", "mockpassword", &[("count", "1500"), ("churn", "0.25"), ("seed", "9")]).unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (1_000, Some("1000")));
    assert!(page.items.iter().all(|instance| instance.id.starts_with("sim-00")));
}

#[test]
fn single_instances_are_listed_by_their_ids() {
    let listed = |user: &str, options: &[(&str, &str)], ids: &[&str]| {
        let query = Query { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Query::default() };
        let host = Host::new().secret("password", "mockpassword").at(1_795_341_600_000);
        let (page, _) = host.run(|| Mock::list_instances(&account(user, options), &query));
        page.unwrap().items.into_iter().map(|instance| instance.id).collect::<Vec<_>>()
    };
    assert_eq!(listed("mockuser", &[], &["inst3", "inst2", "nowhere"]), ["inst3"], "inst2 is another user's");
    let still = [("count", "5000"), ("churn", "0")];
    assert_eq!(listed("mockuser", &still, &["sim-004321", "sim-005000", "inst3"]), ["sim-004321"]);
}
