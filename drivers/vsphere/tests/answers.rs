//! The lists, read from answers that are written by hand: what is in them, and that nothing less is ever taken for them.

#[path = "../fixtures/site.rs"]
mod site;
#[path = "../fixtures/thousand.rs"]
mod thousand;

use site::{account, body, machines, page, remembering};
use thousand::thousand_machines;
use tracker_driver_sdk::testing::Answer;
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, InstanceState, Page, Query, Realm, RealmState};
use vsphere::Vsphere;
use vsphere::answer::state::state;

/// What a list of virtual machines becomes.
fn read(answer: impl Into<Vec<u8>>) -> Result<Page<Instance>, Error> {
    let host = remembering("a=b").answer(page("lookup")).answer(Answer::new(200).body(answer));
    machines(host, &account()).0
}

/// A list of these objects.
fn of(objects: &str) -> String {
    format!(
        "<soapenv:Envelope><soapenv:Body><RetrievePropertiesExResponse><returnval>{objects}</returnval>\
         </RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"
    )
}

fn object(kind: &str, inside: &str) -> String {
    format!("<objects><obj type=\"{kind}\">x-1</obj>{inside}</objects>")
}

fn property(path: &str, value: &str) -> String {
    format!("<propSet><name>{path}</name><val xsi:type=\"xsd:string\">{value}</val></propSet>")
}

/// The one virtual machine of a list, with these properties.
fn machine(inside: &str) -> Instance {
    read(of(&object("VirtualMachine", inside))).expect("a list of one").items.remove(0)
}

fn values(instance: &Instance) -> (Vec<&str>, Vec<&str>) {
    (
        instance.public_addresses.iter().map(|a| a.value.as_str()).collect(),
        instance.private_addresses.iter().map(|a| a.value.as_str()).collect(),
    )
}

#[test]
fn every_state_is_mapped() {
    let check = |power: &str, connection: &str, expected: InstanceState, word: &str| {
        assert_eq!(state(power, connection), (expected, word.to_owned()), "{power} {connection}");
        let runtime = |name: &str, word: &str| property(&format!("summary.runtime.{name}"), word);
        let item = machine(&(runtime("powerState", power) + &runtime("connectionState", connection)));
        assert_eq!((item.state, item.provider_state.as_str()), (expected, word), "{power} {connection}");
    };
    check("poweredOn", "connected", InstanceState::Running, "poweredOn");
    check("poweredOff", "connected", InstanceState::Stopped, "poweredOff");
    check("suspended", "connected", InstanceState::Stopped, "suspended");
    for power in ["poweredOn", "poweredOff", "suspended"] {
        for connection in ["disconnected", "inaccessible", "orphaned", "invalid", "tangled"] {
            check(power, connection, InstanceState::Unknown, &format!("{power}/{connection}"));
        }
        check(power, "", InstanceState::Unknown, power);
    }
    for odd in ["hibernated", "POWEREDON", "poweredon", "poweredOnce", "powered on"] {
        check(odd, "connected", InstanceState::Unknown, odd);
    }
    check("poweredOn", "Connected", InstanceState::Unknown, "poweredOn/Connected");
    check("", "connected", InstanceState::Unknown, "");
    check("", "orphaned", InstanceState::Unknown, "orphaned");
}

#[test]
fn a_machine_is_read_in_all_its_fields() {
    let found = read(body("vms-page-1")).unwrap();
    let [till, cache] = &found.items[..] else { panic!("{found:?}") };
    // The template, and the root folder.
    assert_eq!((found.omitted, found.next.as_deref(), &found.coverage), (2, Some("5fd8"), &Coverage::Complete));
    assert_eq!((till.id.as_str(), till.name.as_deref()), ("vm-1011", Some("till-1")));
    assert_eq!(till.realm.as_deref(), Some("domain-c8"));
    assert_eq!(till.hardware_profile.as_deref(), Some("4 CPU, 8192 MB"));
    // 2026-10-05T06:12:44.120Z.
    assert_eq!(till.launched_at, Some(1_791_180_764_120));
    // The network cards' addresses in their order, each once.
    let (public, private) = values(till);
    assert_eq!(public, ["2001:db8:4::11", "203.0.113.24"]);
    assert_eq!(private, ["10.20.4.11", "fd12:3456::11"]);
    let labels: Vec<_> = till.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("cost center", "4711"), ("team", "shop")]);
    assert_eq!((till.owner.as_deref(), till.image.as_deref()), (None, None));
    assert_eq!(cache.name.as_deref(), Some("cache & queue <north> \"2\""));
    assert_eq!(cache.labels, [("contact".to_owned(), "Ana's & Bo's".to_owned())]);
    assert_eq!(values(cache), (vec![], vec![]));
}

#[test]
fn a_machine_may_lack_nearly_everything() {
    let item = machine("");
    assert_eq!(item, Instance::new("x-1", InstanceState::Unknown, ""));
    // Empty, odd, or not what is meant there.
    let item = machine(
        &[
            property("name", ""),
            property("summary.config.numCpu", "2"),
            property("summary.config.memorySizeMB", ""),
            property("summary.runtime.host", "host-99"),
            property("summary.runtime.bootTime", "yesterday"),
            property("summary.guest.ipAddress", "unset"),
            property("guest.net", ""),
            property("customValue", "x"),
            property("something.new", "x"),
            "<propSet><name>summary.runtime.powerState</name></propSet><propSet/>".to_owned(),
            "<propSet><name>guest.ipStack</name><val xsi:type=\"ArrayOfString\"><string>a</string></val></propSet>"
                .to_owned(),
            "<propSet><val>a</val></propSet>".to_owned(),
            "<extra><name>name</name></extra>".to_owned(),
        ]
        .concat(),
    );
    assert_eq!(item, Instance::new("x-1", InstanceState::Unknown, ""));
    // What is no text is no name.
    let odd = "<propSet><name>name</name><val><string>a</string></val></propSet>";
    assert!(matches!(read(of(&object("VirtualMachine", odd))), Err(Error::UnexpectedAnswer(_))));
    // A time without a zone is no time.
    assert_eq!(machine(&property("summary.runtime.bootTime", "2026-10-05T06:12:44")).launched_at, None);
    let zone = machine(&property("summary.runtime.bootTime", "2026-11-22T12:00:00.5+02:00"));
    assert_eq!(zone.launched_at, Some(1_795_341_600_500));
}

#[test]
fn a_template_is_left_out_and_counted() {
    let check = |word: &str, expected: Option<usize>| {
        let page = read(of(&object("VirtualMachine", &property("summary.config.template", word))));
        match expected {
            Some(count) => {
                let page = page.expect(word);
                assert_eq!((page.items.len(), page.omitted), (count, 1 - count as u64), "{word}");
            }
            None => assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{word}: {page:?}"),
        }
    };
    for (word, expected) in
        [("true", Some(0)), ("1", Some(0)), ("false", Some(1)), ("0", Some(1)), ("", Some(1)), ("yes", None)]
    {
        check(word, expected);
    }
}

#[test]
fn a_property_may_stand_before_its_name_and_an_object_before_its_reference() {
    let item = read(of(
        "<objects><propSet><val xsi:type=\"v:ArrayOfGuestNicInfo\"><GuestNicInfo><ipAddress>10.0.0.1</ipAddress></GuestNicInfo></val>\
         <name>guest.net</name></propSet><obj type=\"VirtualMachine\">vm-1</obj></objects>",
    ))
    .unwrap()
    .items
    .remove(0);
    assert_eq!((item.id.as_str(), values(&item)), ("vm-1", (vec![], vec!["10.0.0.1"])));
}

#[test]
fn an_attribute_without_a_name_goes_by_its_key() {
    let values = "<propSet><name>customValue</name><val xsi:type=\"ArrayOfCustomFieldValue\"><CustomFieldValue><key>7</key>\
                  <value>a</value></CustomFieldValue><CustomFieldValue><key>101</key><value/></CustomFieldValue>\
                  <CustomFieldValue><value>lost</value></CustomFieldValue></val></propSet>";
    let labels = [("7".to_owned(), "a".to_owned()), ("team".to_owned(), String::new())];
    assert_eq!(machine(values).labels, labels);
}

#[test]
fn what_can_not_be_read_is_unknown_gone_or_makes_the_page_partial() {
    // For want of rights: the same in each poll.
    let found = read(body("vms-missing")).unwrap();
    let [hidden, till] = &found.items[..] else { panic!("{found:?}") };
    assert_eq!((hidden.name.as_deref(), hidden.state), (Some("secret-keeper"), InstanceState::Unknown));
    assert_eq!((till.state, found.omitted), (InstanceState::Running, 2));
    assert_eq!(found.coverage, Coverage::Complete);
    let found = read(body("vms-partial")).unwrap();
    let Coverage::Partial(why) = &found.coverage else { panic!("{found:?}") };
    assert_eq!(why, "the server can't tell `guest.net` of vm-1031: HostCommunication");
    assert_eq!(found.items.len(), 2);
}

#[test]
fn an_empty_list_needs_somebody_who_may_see() {
    assert_eq!(read(body("vms-none")).unwrap().coverage, Coverage::Complete);
    let blind = read(body("vms-none-blind")).unwrap();
    assert!(blind.items.is_empty() && matches!(blind.coverage, Coverage::Partial(_)), "{blind:?}");
    let roles = |roles: &str| {
        let roles = format!("<val xsi:type=\"ArrayOfInt\">{roles}</val>");
        let folder = format!(
            "<objects><obj type=\"Folder\">group-d1</obj><propSet><name>effectiveRole</name>{roles}</propSet></objects>"
        );
        matches!(read(of(&folder)).unwrap().coverage, Coverage::Complete)
    };
    for sees in ["<int>-1</int>", "<int>-2</int>", "<int>11</int>", "<int>-3</int><int>-2</int>"] {
        assert!(roles(sees), "{sees}");
    }
    for blind in ["", "<int>-3</int>", "<int>-4</int><int>-5</int>"] {
        assert!(!roles(blind), "{blind}");
    }
    // Nothing at all, where the root folder was asked for, is no list.
    let nothing = of("").replace("<returnval></returnval>", "");
    let Err(Error::UnexpectedAnswer(message)) = read(nothing) else { panic!("no list") };
    assert!(message.contains("no <returnval>"), "{message}");
    // Someone who sees a part of it has a list.
    let part = body("vms").replace("<int>-2</int>", "<int>-3</int>");
    assert_eq!(read(part).unwrap().coverage, Coverage::Complete);
}

#[test]
fn an_object_without_a_reference_is_an_error() {
    for objects in
        ["<objects/>", "<objects><obj type=\"VirtualMachine\"/></objects>", "<objects><obj>vm-1</obj></objects>"]
    {
        assert!(matches!(read(of(objects)), Err(Error::UnexpectedAnswer(_))), "{objects}");
    }
    let unknown = read(of(&object("VirtualMachines", "")));
    assert!(matches!(unknown, Err(Error::UnexpectedAnswer(_))), "{unknown:?}");
    // What is of another kind is counted.
    let page = read(of(&object("VirtualApp", ""))).unwrap();
    assert_eq!((page.items.len(), page.omitted), (0, 1));
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = body("vms-page-1");
    for end in 0..whole.trim_end().len() {
        let cut = read(&whole.as_bytes()[..end]);
        assert!(cut.is_err(), "cut off at {end}: {cut:?}");
    }
    let lookup = body("lookup");
    for end in (0..lookup.trim_end().len()).step_by(7) {
        let host = remembering("a=b").answer(Answer::new(200).body(&lookup.as_bytes()[..end])).answer(page("vms"));
        assert!(machines(host, &account()).0.is_err(), "cut off at {end}");
    }
}

#[test]
fn a_thousand_are_read_in_whatever_pieces_they_come() {
    let whole = thousand_machines();
    assert!(whole.len() > 2_000_000, "{}", whole.len());
    let found = read(whole.as_bytes()).unwrap();
    assert_eq!((found.items.len(), found.next.as_deref()), (1_000, Some("7")));
    let stopped = found.items.iter().filter(|item| item.state == InstanceState::Stopped).count();
    assert_eq!(stopped, 100);
    for (item, number) in found.items.iter().zip(1_000..) {
        assert_eq!((item.id.clone(), item.name.clone()), (format!("vm-{number}"), Some(format!("node-{number}"))));
        assert_eq!(item.public_addresses[0].value, format!("2001:db8::{number}"));
        assert_eq!((item.private_addresses.len(), item.labels.len()), (2, 2));
        assert_eq!(item.labels[0], ("cost center".to_owned(), number.to_string()));
    }
    for piece in [1_000, 16_384] {
        let answer = Answer::new(200).body(whole.as_bytes()).in_pieces_of(piece);
        let again = machines(remembering("a=b").answer(page("lookup")).answer(answer), &account()).0.unwrap();
        assert_eq!(again, found, "pieces of {piece}");
    }
}

/// The one realm of a list, by that option.
fn realm(option: &str, kind: &str, inside: &str) -> Realm {
    let account = Account { options: vec![("realms".to_owned(), option.to_owned())], ..account() };
    let host = ["content", "login", "view"].iter().fold(remembering("a=b"), |host, name| host.answer(page(name)));
    let host = host.answer(Answer::new(200).body(of(&object(kind, inside))));
    let list = || Vsphere::list_realms(&account, &Query::default());
    host.run(list).0.expect("a list of one").items.remove(0)
}

#[test]
fn a_realm_is_available_only_where_the_server_says_so() {
    let host = |connection: &str, maintenance: &str, power: &str| {
        let runtime = |name: &str, word: &str| property(&format!("summary.runtime.{name}"), word);
        let inside = [
            runtime("connectionState", connection),
            runtime("inMaintenanceMode", maintenance),
            runtime("powerState", power),
        ];
        realm("hosts", "HostSystem", &inside.concat()).state
    };
    assert_eq!(host("connected", "false", "poweredOn"), RealmState::Available);
    assert_eq!(host("connected", "0", "poweredOn"), RealmState::Available);
    for (connection, maintenance, power) in [
        ("notResponding", "false", "poweredOn"),
        ("disconnected", "false", "poweredOn"),
        ("lost", "false", "poweredOn"),
        ("", "false", "poweredOn"),
        ("connected", "true", "poweredOn"),
        ("connected", "", "poweredOn"),
        ("connected", "false", "poweredOff"),
        ("connected", "false", "standBy"),
        ("connected", "false", "unknown"),
    ] {
        assert_eq!(host(connection, maintenance, power), RealmState::Unavailable, "{connection} {maintenance} {power}");
    }
    assert_eq!(realm("hosts", "HostSystem", ""), Realm::new("x-1", "x-1", RealmState::Unavailable));
    let cluster = |count: &str| {
        let inside = property("name", "Blue") + &property("summary.numEffectiveHosts", count);
        realm("clusters", "ClusterComputeResource", &inside)
    };
    for (count, expected) in [
        ("1", RealmState::Available),
        ("64", RealmState::Available),
        ("0", RealmState::Unavailable),
        ("-1", RealmState::Unavailable),
        ("many", RealmState::Unavailable),
        ("", RealmState::Unavailable),
    ] {
        assert_eq!(cluster(count), Realm::new("x-1", "Blue", expected), "{count}");
    }
}
