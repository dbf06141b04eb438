//! Lists of more than one request a page: several regions, and status checks. What is asked where, and what is made of a part
//! that can't be had.

use ec2::Ec2;
use tracker_driver_sdk::testing::{Answer, Host, Seen, Sent};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query, Realm};

/// 2026-11-22T10:00:00Z.
const NOW: i64 = 1_795_341_600_000;

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("us-west-2", "https://ec2.us-west-2.amazonaws.com", "AKIATRACKERTESTS0001") }
}

fn ok(body: String) -> Answer {
    Answer::new(200).body(body)
}

fn fault(status: u16, code: &str) -> Answer {
    let error = format!("<Error><Code>{code}</Code><Message>Because</Message></Error>");
    Answer::new(status).body(format!("<Response><Errors>{error}</Errors></Response>"))
}

fn regions(names: &[&str]) -> Answer {
    let items: String = names.iter().map(|name| format!("<item><regionName>{name}</regionName></item>")).collect();
    ok(format!("<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"))
}

fn instances(ids: &[&str], next: &str) -> Answer {
    let state = "<instanceState><code>16</code><name>running</name></instanceState>";
    let items: String = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId>{state}</item>")).collect();
    ok(format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet>{items}</instancesSet></item></reservationSet>\
         <nextToken>{next}</nextToken></DescribeInstancesResponse>"
    ))
}

fn impaired(ids: &[&str], next: &str) -> Answer {
    let status = "<systemStatus><status>impaired</status></systemStatus>";
    let items: String = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId>{status}</item>")).collect();
    ok(format!(
        "<DescribeInstanceStatusResponse><instanceStatusSet>{items}</instanceStatusSet><nextToken>{next}</nextToken>\
         </DescribeInstanceStatusResponse>"
    ))
}

/// All pages of a list, as one poll asks for them, up to the first error.
fn pages<T>(
    answers: Vec<Answer>,
    query: Query,
    list: impl Fn(&Query) -> Result<Page<T>, Error>,
) -> (Vec<Result<Page<T>, Error>>, Seen) {
    let host = Host::new().secret("password", "a/secret+access/key/of/the/tests").at(NOW);
    answers.into_iter().fold(host, Host::answer).run(|| {
        let (mut query, mut pages) = (query, Vec::new());
        loop {
            let page = list(&query);
            let next = page.as_ref().ok().and_then(|page| page.next.clone());
            pages.push(page);
            if next.is_none() {
                return pages;
            }
            query.cursor = next;
        }
    })
}

fn listed(options: &[(&str, &str)], ids: &[&str], answers: Vec<Answer>) -> (Vec<Result<Page<Instance>, Error>>, Seen) {
    let account = account(options);
    let query = Query { ids: ids.iter().map(|id| id.to_string()).collect(), ..Query::default() };
    pages(answers, query, |query| Ec2::list_instances(&account, query))
}

fn ids(pages: &[Result<Page<Instance>, Error>]) -> Vec<&str> {
    pages.iter().flatten().flat_map(|page| &page.items).map(|item| item.id.as_str()).collect()
}

/// The action and the region of a request; its host and its signature say the same.
fn asked(sent: &Sent) -> (String, String) {
    let region =
        sent.url.strip_prefix("https://ec2.").and_then(|rest| rest.strip_suffix(".amazonaws.com/")).expect("AWS");
    let authorization = sent.header("authorization").expect("it is signed");
    assert!(authorization.contains(&format!("/20261122/{region}/ec2/aws4_request,")), "{authorization}");
    let action =
        sent.text().split('&').next().and_then(|field| field.strip_prefix("Action=")).expect("an action").to_owned();
    (action, region.to_owned())
}

fn all_asked(seen: &Seen) -> Vec<String> {
    seen.sent.iter().map(asked).map(|(action, region)| format!("{action} {region}")).collect()
}

#[test]
fn each_region_is_asked_at_its_own_endpoint_the_accounts_own_first() {
    let answers = vec![
        regions(&["eu-west-1", "us-west-2", "ap-south-2"]),
        instances(&["i-1"], "a;b,c"),
        instances(&["i-2"], ""),
        instances(&[], ""),
        instances(&["i-3"], ""),
    ];
    let (pages, seen) = listed(&[("regions", "opted-in")], &[], answers);
    assert_eq!(ids(&pages), ["i-1", "i-2", "i-3"]);
    assert!(pages.iter().flatten().all(|page| page.coverage == Coverage::Complete));
    let instances = |region: &str| format!("DescribeInstances {region}");
    assert_eq!(
        all_asked(&seen),
        [
            "DescribeRegions us-west-2".to_owned(),
            instances("us-west-2"),
            instances("us-west-2"),
            instances("ap-south-2"),
            instances("eu-west-1")
        ]
    );
    assert_eq!(seen.sent[0].text(), "Action=DescribeRegions&Version=2016-11-15&AllRegions=false");
    assert!(seen.sent[2].text().ends_with("&NextToken=a%3Bb%2Cc"), "{}", seen.sent[2].text());
}

#[test]
fn single_instances_are_asked_for_until_all_are_found() {
    let enabled = || regions(&["eu-west-1", "us-west-2", "ap-south-2"]);
    let (pages, seen) = listed(
        &[("regions", "opted-in")],
        &["i-1", "i-2"],
        vec![enabled(), instances(&["i-2"], ""), instances(&["i-1"], "")],
    );
    assert_eq!(ids(&pages), ["i-2", "i-1"]);
    assert!(
        seen.sent[2].text().ends_with("&Filter.1.Name=instance-id&Filter.1.Value.1=i-1"),
        "{}",
        seen.sent[2].text()
    );
    let (pages, _) = listed(
        &[("regions", "opted-in")],
        &["i-9"],
        vec![enabled(), instances(&[], ""), instances(&[], ""), instances(&[], "")],
    );
    assert_eq!((pages.len(), ids(&pages)), (3, vec![]));
}

#[test]
fn all_pages_of_a_region_are_asked_for_the_same_single_instances() {
    let answers = vec![
        regions(&["eu-west-1", "us-west-2"]),
        instances(&["i-1"], "more"),
        instances(&[], ""),
        instances(&["i-2"], "and-more"),
    ];
    let (pages, seen) = listed(&[("regions", "opted-in")], &["i-1", "i-2"], answers);
    assert_eq!(ids(&pages), ["i-1", "i-2"]);
    let filter = |number: usize| {
        let text = seen.sent[number].text();
        text.split_once("&Filter.1.Name=instance-id").expect("a filter").1.to_owned()
    };
    assert_eq!(filter(1), "&Filter.1.Value.1=i-1&Filter.1.Value.2=i-2");
    assert_eq!(filter(2), "&Filter.1.Value.1=i-1&Filter.1.Value.2=i-2&NextToken=more");
    // All are found: what may follow has none of them.
    assert_eq!((filter(3).as_str(), seen.sent.len()), ("&Filter.1.Value.1=i-2", 4));
}

#[test]
fn one_region_that_fails_makes_the_list_partial() {
    for (status, code) in [(500, "InternalError"), (403, "UnauthorizedOperation"), (403, "OptInRequired")] {
        let answers = vec![
            regions(&["ap-south-2", "eu-west-1", "us-west-2"]),
            instances(&["i-1"], ""),
            fault(status, code),
            instances(&["i-2"], ""),
        ];
        let (pages, _) = listed(&[("regions", "opted-in")], &[], answers);
        assert_eq!(ids(&pages), ["i-1", "i-2"]);
        let partial = pages.iter().flatten().find_map(|page| match &page.coverage {
            Coverage::Partial(why) => Some(why.as_str()),
            _ => None,
        });
        assert!(partial.is_some_and(|why| why.contains("ap-south-2") && why.contains(code)), "{partial:?}");
    }
    // What is the account's, or the driver's, is no one region's.
    for (status, code, class) in
        [(503, "RequestLimitExceeded", "Throttled"), (400, "InvalidNextToken", "UnexpectedAnswer")]
    {
        let answers = vec![regions(&["us-west-2", "eu-west-1"]), instances(&["i-1"], ""), fault(status, code)];
        let (pages, _) = listed(&[("regions", "opted-in")], &[], answers);
        let last = format!("{:?}", pages.last().expect("a page"));
        assert!(last.starts_with(&format!("Err(Error::{class}")) && last.contains("eu-west-1"), "{last}");
    }
    for answers in
        [vec![fault(403, "UnauthorizedOperation")], vec![regions(&["us-west-2"]), fault(500, "InternalError")]]
    {
        let (pages, _) = listed(&[("regions", "opted-in")], &[], answers);
        assert!(matches!(pages[..], [Err(Error::Forbidden(_) | Error::Unavailable(_))]), "{pages:?}");
    }
}

#[test]
fn the_first_region_is_like_the_others_unless_it_is_the_accounts_own() {
    let enabled = || regions(&["ap-south-2", "eu-west-1", "us-west-2"]);
    let others = [("regions", "ap-south-2 eu-west-1")];
    for failure in [fault(500, "InternalError"), fault(403, "UnauthorizedOperation")] {
        let (pages, _) = listed(&others, &[], vec![enabled(), failure, instances(&["i-1"], "")]);
        assert_eq!(ids(&pages), ["i-1"]);
        assert!(
            matches!(&pages[0], Ok(page) if matches!(&page.coverage, Coverage::Partial(why) if why.contains("ap-south-2")))
        );
    }
    // Where none answers, it is the account that has no right.
    for last in [fault(403, "UnauthorizedOperation"), fault(500, "InternalError")] {
        let (pages, seen) = listed(&others, &[], vec![enabled(), fault(403, "UnauthorizedOperation"), last]);
        assert!(matches!(pages[..], [Ok(_), Err(_)]), "{pages:?}");
        assert_eq!(seen.sent.len(), 3);
    }
    // One that answers and has nothing is an answer.
    let (pages, _) = listed(&others, &[], vec![enabled(), instances(&[], ""), fault(403, "UnauthorizedOperation")]);
    assert!(matches!(&pages[..], [Ok(_), Ok(last)] if last.coverage != Coverage::Complete), "{pages:?}");
    // The account's own is the account's, on whichever page.
    let answers = vec![enabled(), instances(&["i-1"], "more"), fault(403, "UnauthorizedOperation")];
    let (pages, seen) = listed(&[("regions", "opted-in")], &[], answers);
    assert!(matches!(pages[..], [Ok(_), Err(Error::Forbidden(_))]), "{pages:?}");
    assert_eq!(seen.sent.len(), 3);
}

#[test]
fn regions_that_can_not_be_listed_are_named() {
    let check = |options: &str, answers: Vec<Answer>, expected: &[&str], words: &[&str]| {
        let (pages, _) = listed(&[("regions", options)], &[], answers);
        assert_eq!(ids(&pages), expected, "{options}");
        let first = format!("{:?}", pages[0]);
        assert!(words.iter().all(|word| first.contains(word)), "{first}");
    };
    let both = || regions(&["us-west-2", "xx-new-1"]);
    check("opted-in", vec![both(), instances(&["i-1"], "")], &["i-1"], &["Partial", "endpoint of the region xx-new-1"]);
    check("us-west-2", vec![both(), instances(&["i-1"], "")], &["i-1"], &["Complete"]);
    check(
        "us-west-2 eu-west-1",
        vec![both(), instances(&["i-1"], "")],
        &["i-1"],
        &["Partial", "can't use", "eu-west-1"],
    );
    check("eu-west-1", vec![both()], &[], &["InvalidAccount", "eu-west-1"]);
    check("opted-in", vec![regions(&[])], &[], &["UnexpectedAnswer"]);
    check("opted-in", vec![regions(&["US West"])], &[], &["UnexpectedAnswer", "US West"]);
    // Before anything is asked.
    check("everywhere!", vec![], &[], &["InvalidAccount", "`regions` is `everywhere!`"]);
}

#[test]
fn zones_of_all_regions_are_realms() {
    let zone = |name: &str| {
        let item = format!("<item><zoneName>{name}</zoneName><zoneState>available</zoneState></item>");
        ok(format!(
            "<DescribeAvailabilityZonesResponse><availabilityZoneInfo>{item}</availabilityZoneInfo>\
             </DescribeAvailabilityZonesResponse>"
        ))
    };
    let account = account(&[("regions", "eu-west-1,us-west-2"), ("status-checks", "on")]);
    let answers = vec![regions(&["eu-west-1", "us-west-2"]), zone("us-west-2a"), zone("eu-west-1a")];
    let (pages, seen) = pages(answers, Query::default(), |query| Ec2::list_realms(&account, query));
    let realms: Vec<Realm> = pages.into_iter().flat_map(|page| page.expect("a page").items).collect();
    assert_eq!(realms.iter().map(|realm| realm.id.as_str()).collect::<Vec<_>>(), ["us-west-2a", "eu-west-1a"]);
    assert_eq!(
        all_asked(&seen),
        ["DescribeRegions us-west-2", "DescribeAvailabilityZones us-west-2", "DescribeAvailabilityZones eu-west-1"]
    );
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    for cursor in ["", "abc==", "US;;;y;", "us-west-2;;;", "cn-north-1;;;y;"] {
        let query = Query { cursor: Some(cursor.to_owned()), ..Query::default() };
        let account = account(&[("regions", "opted-in")]);
        let (pages, seen) = pages(vec![], query, |query| Ec2::list_instances(&account, query));
        assert!(matches!(pages[..], [Err(Error::UnexpectedAnswer(_))]), "{cursor}: {pages:?}");
        assert!(seen.sent.is_empty());
    }
}

#[test]
fn checks_are_asked_for_once_a_region_and_joined_by_id() {
    let answers = vec![
        regions(&["us-west-2", "eu-west-1", "af-south-1"]),
        instances(&["i-1", "i-2"], "two"),
        impaired(&["i-1"], "more"),
        impaired(&["i-3", "i-7"], ""),
        instances(&["i-3"], ""),
        // A region without instances has no checks to ask for.
        instances(&[], ""),
        instances(&["i-1b", "i-7"], ""),
        impaired(&["i-1b"], ""),
    ];
    let (pages, seen) = listed(&[("regions", "opted-in"), ("status-checks", "on")], &[], answers);
    let states: Vec<_> =
        pages.iter().flatten().flat_map(|page| &page.items).map(|i| i.provider_state.as_str()).collect();
    assert_eq!(states, ["running/impaired", "running", "running/impaired", "running/impaired", "running"]);
    assert_eq!(seen.sent[2].text(), "Action=DescribeInstanceStatus&Version=2016-11-15&MaxResults=1000");
    assert_eq!(seen.sent[3].text(), "Action=DescribeInstanceStatus&Version=2016-11-15&MaxResults=1000&NextToken=more");
    assert_eq!(asked(&seen.sent[7]), ("DescribeInstanceStatus".to_owned(), "eu-west-1".to_owned()));
}

#[test]
fn checks_are_asked_for_only_where_an_instance_runs() {
    let stopped = |next: &str| {
        let state = "<instanceState><code>80</code><name>stopped</name></instanceState>";
        ok(format!(
            "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-0</instanceId>{state}</item>\
             </instancesSet></item></reservationSet><nextToken>{next}</nextToken></DescribeInstancesResponse>"
        ))
    };
    let (pages, seen) = listed(&[("status-checks", "on")], &[], vec![stopped("")]);
    assert_eq!((ids(&pages), seen.sent.len()), (vec!["i-0"], 1));
    let answers = vec![stopped("two"), instances(&["i-1"], ""), impaired(&["i-1"], "")];
    let (pages, _) = listed(&[("status-checks", "on")], &[], answers);
    assert!(matches!(&pages[1], Ok(page) if page.items[0].provider_state == "running/impaired"), "{pages:?}");
}

#[test]
fn without_its_checks_there_is_no_list() {
    let list = |answer: Answer| {
        let (pages, _) = listed(&[("status-checks", "on")], &[], vec![instances(&["i-1"], ""), answer]);
        format!("{pages:?}")
    };
    let check = |answer: Answer, class: &str| {
        let result = list(answer);
        assert!(
            result.starts_with(&format!("[Err(Error::{class}")) && result.contains("DescribeInstanceStatus"),
            "{result}"
        );
    };
    check(fault(403, "UnauthorizedOperation"), "Forbidden");
    check(fault(503, "RequestLimitExceeded"), "Throttled");
    check(fault(500, "InternalError"), "Unavailable");
    check(instances(&["i-1"], ""), "UnexpectedAnswer");
    let answers = vec![instances(&["i-1"], ""), impaired(&[], "a"), impaired(&[], "b"), impaired(&[], "a")];
    let (pages, _) = listed(&[("status-checks", "on")], &[], answers);
    assert!(format!("{pages:?}").contains("never ends"), "{pages:?}");

    let (pages, seen) = listed(&[("status-checks", "yes")], &[], vec![]);
    assert!(matches!(pages[..], [Err(Error::InvalidAccount(_))]) && seen.sent.is_empty(), "{pages:?}");
    let (pages, seen) = listed(&[("status-checks", "off")], &[], vec![instances(&["i-1"], "")]);
    assert_eq!((ids(&pages), seen.sent.len()), (vec!["i-1"], 1));
}
