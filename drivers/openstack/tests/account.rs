//! What is made of an account's options, and of the catalogue.

use openstack::OpenStack;
use openstack::catalogue::{self, Service};
use openstack::settings::{Login, Named, Project, Settings};
use serde_json::json;
use tracker_driver_sdk::testing::Host;
use tracker_driver_sdk::{Account, Driver, Error, Query};

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("lab", "https://cloud.example", "demo") }
}

#[test]
fn options_say_who_logs_in_and_for_what() {
    let check = |options: &[(&str, &str)], user_domain: Named<'_>, project: Project<'_>| {
        let account = account(options);
        assert_eq!(Settings::of(&account).unwrap().login, Login::Password { user_domain, project }, "{options:?}");
    };
    let default = Named::Id("default");
    check(&[("project", "shop")], default, Project::Name("shop", default));
    check(&[("project", "shop"), ("auth", "password")], default, Project::Name("shop", default));
    check(&[("project-id", "5f0c")], default, Project::Id("5f0c"));
    let people = Named::Name("people");
    check(&[("project", "shop"), ("user-domain", "people")], people, Project::Name("shop", people));
    let shops = [("project", "shop"), ("user-domain-id", "5a3c"), ("project-domain", "shops")];
    check(&shops, Named::Id("5a3c"), Project::Name("shop", Named::Name("shops")));
    let by_id = [("project", "shop"), ("project-domain-id", "77")];
    check(&by_id, default, Project::Name("shop", Named::Id("77")));
    let credential = account(&[("auth", "application-credential")]);
    assert_eq!(Settings::of(&credential).unwrap().login, Login::ApplicationCredential);
}

#[test]
fn options_that_cannot_be_used_are_refused_before_anything_is_asked() {
    for (options, word) in [
        (&[][..], "`project-id`"),
        (&[("project", "")], "`project`"),
        (&[("project", "a"), ("project-id", "b")], "only one"),
        (&[("project-id", "b"), ("project-domain", "c")], "needs no domain"),
        (&[("project", "a"), ("user-domain", "b"), ("user-domain-id", "c")], "only one"),
        (&[("auth", "token")], "`auth`"),
        (&[("auth", "application-credential"), ("project", "a")], "`project`"),
        (&[("auth", "application-credential"), ("user-domain-id", "a")], "`user-domain-id`"),
        (&[("project", "a"), ("interface", "publicURL")], "`interface`"),
        (&[("project", "a"), ("region", "")], "`region`"),
        (&[("project", "a"), ("all-projects", "yes")], "`all-projects`"),
        (&[("project", "a"), ("public-networks", "a,,b")], "`public-networks`"),
        (&[("project", "a"), ("public-networks", "ext-*")], "without wildcards"),
    ] {
        let account = account(options);
        let host = || Host::new().secret("password", "s3cret-of-mine");
        let (list, seen) = host().run(|| OpenStack::list_instances(&account, &Query::default()));
        let Err(Error::InvalidAccount(why)) = list else { panic!("{options:?}: {list:?}") };
        assert!(why.contains(word) && seen.sent.is_empty(), "{options:?}: {why}");
        let (realms, seen) = host().run(|| OpenStack::list_realms(&account, &Query::default()));
        assert!(matches!(realms, Err(Error::InvalidAccount(_))) && seen.sent.is_empty());
    }
    let nobody = Account { user: String::new(), ..account(&[("project", "a")]) };
    assert!(matches!(Settings::of(&nobody), Err(Error::InvalidAccount(_))));
}

#[test]
fn keystone_is_at_the_role_or_the_endpoint_with_its_version() {
    let check = |endpoint: &str, role: Option<&str>, expected: Option<&str>| {
        let endpoints = role.map(|role| ("identity".to_owned(), role.to_owned())).into_iter().collect();
        let account = Account { endpoints, ..Account::new("lab", endpoint, "demo") };
        assert_eq!(catalogue::identity(&account).ok().as_deref(), expected, "{endpoint} {role:?}");
    };
    check("https://cloud.example", None, Some("https://cloud.example/v3"));
    check("https://cloud.example/identity", None, Some("https://cloud.example/identity/v3"));
    check("https://cloud.example:5000/v3", None, Some("https://cloud.example:5000/v3"));
    check("https://cloud.example", Some("https://id.example:5000/v3"), Some("https://id.example:5000/v3"));
    check("https://cloud.example:5000/v2.0", None, None);
}

/// Where Nova is, in an account at `https://cloud.example` with this endpoint for the role, and a catalogue of these regions,
/// interfaces and addresses.
fn compute(role: Option<&str>, options: &[(&str, &str)], endpoints: &[(&str, &str, &str)]) -> Result<String, Error> {
    let mut account = account(&[&[("project", "shop")], options].concat());
    account.endpoints = role.map(|role| ("compute".to_owned(), role.to_owned())).into_iter().collect();
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(region, interface, url)| json!({ "region": region, "region_id": region, "interface": interface, "url": url }))
        .collect();
    let other = json!([{ "region": "north", "interface": "public", "url": "https://cloud.example/image" }]);
    let services = json!([{ "type": "image", "endpoints": other }, { "type": "compute", "endpoints": endpoints }]);
    let services: Vec<Service> = serde_json::from_value(services).expect("a catalogue");
    catalogue::compute(&account, &Settings::of(&account)?, Some(&services))
}

#[test]
fn nova_is_where_the_catalogue_says_if_that_is_granted() {
    let at = |url: &str| compute(None, &[], &[("north", "public", url), ("north", "internal", "http://10.0.0.1/v2.1")]);
    for (url, expected) in [
        ("https://cloud.example/compute/v2.1", "https://cloud.example/compute/v2.1"),
        ("https://cloud.example/compute/v2.1/", "https://cloud.example/compute/v2.1"),
        ("https://CLOUD.example:443/v2/5f0c", "https://CLOUD.example:443/v2/5f0c"),
        ("https://cloud.example/compute", "https://cloud.example/compute/v2.1"),
        ("https://cloud.example", "https://cloud.example/v2.1"),
        ("https://cloud.example/v1.1/5f0c", "https://cloud.example/v1.1/5f0c"),
    ] {
        assert_eq!(at(url), Ok(expected.to_owned()));
    }
    for url in [
        "https://cloud.example:8774/v2.1",
        "http://cloud.example/v2.1",
        "https://evil.example/v2.1",
        "https://cloud.example.evil.example/v2.1",
        "https://cloud.example@evil.example/v2.1",
        "https://cloud.example/../v2.1",
        "https://cloud.example/%2e%2e/v2.1",
        "https://cloud.example/v2.1?x=",
        "cloud.example/v2.1",
    ] {
        let Err(Error::InvalidAccount(why)) = at(url) else { panic!("{url}") };
        assert!(why.contains(url) && why.contains("the role `compute`"), "{why}");
    }
}

#[test]
fn the_role_decides_where_nova_is_and_a_catalogue_may_say_it_more_closely() {
    let role = Some("https://nova.example:8774");
    let north = |url| [("north", "public", url)];
    assert_eq!(compute(role, &[], &[]), Ok("https://nova.example:8774/v2.1".into()));
    assert_eq!(
        compute(role, &[], &north("https://elsewhere.example/v2.1")),
        Ok("https://nova.example:8774/v2.1".into())
    );
    let with_project = "https://nova.example:8774/v2.1/5f0c";
    assert_eq!(compute(role, &[], &north(with_project)), Ok(with_project.into()));
    let below = Some("https://nova.example:8774/v2.1/");
    assert_eq!(
        compute(below, &[], &north("https://nova.example:8774/v2.10/5f0c")),
        Ok("https://nova.example:8774/v2.1".into())
    );
}

#[test]
fn a_region_is_the_only_one_or_the_one_that_is_named() {
    let two = [
        ("north", "public", "https://cloud.example/n/v2.1"),
        ("south", "public", "https://cloud.example/s/v2.1"),
        ("south", "internal", "https://cloud.example/i/v2.1"),
    ];
    let of = |options: &[(&str, &str)]| compute(None, options, &two);
    assert_eq!(of(&[("region", "south")]), Ok("https://cloud.example/s/v2.1".into()));
    assert_eq!(of(&[("interface", "internal")]), Ok("https://cloud.example/i/v2.1".into()));
    for (options, words) in [
        (&[][..], "several compute endpoints, in the regions north, south"),
        (&[("region", "east")], "in the region `east`; its regions are: north, south"),
    ] {
        let Err(Error::InvalidAccount(why)) = of(options) else { panic!("{options:?}") };
        assert!(why.contains(words), "{why}");
    }
    // One address in two regions leaves nothing to choose, in whatever order.
    let same = [two[0], ("south", "public", two[0].2), ("east", "public", "https://east.example/v2.1"), two[0]];
    assert_eq!(compute(None, &[], &same), Ok("https://cloud.example/n/v2.1".into()));
    // Where only one of them is granted, there is nothing to choose.
    let granted = [two[0], ("south", "public", "https://south.example/v2.1")];
    assert_eq!(compute(None, &[], &granted), Ok("https://cloud.example/n/v2.1".into()));
    let Err(Error::UnexpectedAnswer(why)) = of(&[("interface", "admin")]) else { panic!("no such interface") };
    assert!(why.contains("`admin`"), "{why}");
    let account = account(&[("project", "shop")]);
    let none = catalogue::compute(&account, &Settings::of(&account).unwrap(), None);
    assert!(matches!(none, Err(Error::UnexpectedAnswer(_))), "{none:?}");
}
