//! What the driver makes of faults, and of answers that are none of the server's.

#[path = "../fixtures/site.rs"]
mod site;

use site::{account, body, machines, page, remembering};
use tracker_driver_sdk::Error;
use tracker_driver_sdk::testing::{Answer, Host};

fn host() -> Host {
    Host::new().secret("password", "s3cret & more")
}

/// A fault, as the server words it.
fn fault(name: &str, text: &str) -> String {
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><soapenv:Fault>\
         <faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring><detail>\
         <{name}Fault xsi:type=\"{name}\"></{name}Fault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
}

/// What an answer to the first request becomes.
fn meaning(answer: Answer) -> Error {
    let (listed, seen) = machines(host().answer(answer), &account());
    assert_eq!(seen.sent.len(), 1);
    listed.expect_err("no list")
}

#[test]
fn faults_count_by_their_name_whatever_the_status() {
    let check = |name: &str, kind: &str| {
        for status in [500, 200, 400, 503] {
            let error = format!("{:?}", meaning(Answer::new(status).body(fault(name, "because &amp; so"))));
            let words = format!(
                "RetrieveServiceContent: POST https://vcenter.example/sdk answered {status}: {name}: because & so"
            );
            assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(&words), "{status} {error}");
        }
    };
    for name in ["InvalidLogin", "InvalidClientCertificate", "PasswordExpired", "NotAuthenticated"] {
        check(name, "Unauthorized");
    }
    for name in ["NoPermission", "RestrictedVersion", "RestrictedByAdministrator"] {
        check(name, "Forbidden");
    }
    for name in
        ["SystemError", "HostCommunication", "HostNotConnected", "HostNotReachable", "RequestCanceled", "Timedout"]
    {
        check(name, "Unavailable");
    }
    for name in [
        "InvalidProperty",
        "InvalidArgument",
        "InvalidRequest",
        "InvalidType",
        "ManagedObjectNotFound",
        "MethodNotFound",
        "NotSupported",
        "NotImplemented",
    ] {
        check(name, "UnexpectedAnswer");
    }
    // The name may stand in the element alone, or nowhere. Then the status counts.
    let bare = |detail: &str| fault("X", "because").replace("<XFault xsi:type=\"X\"></XFault>", detail);
    assert!(matches!(meaning(Answer::new(500).body(bare("<InvalidLoginFault/>"))), Error::Unauthorized(_)));
    assert!(matches!(
        meaning(Answer::new(500).body(bare("<v:NoPermissionFault xsi:type='v:NoPermission'/>"))),
        Error::Forbidden(_)
    ));
    for detail in ["", "<TooManyHostsFault xsi:type=\"TooManyHosts\"/>", "<Sorry/>"] {
        assert!(matches!(meaning(Answer::new(500).body(bare(detail))), Error::Unavailable(_)), "{detail}");
        assert!(matches!(meaning(Answer::new(200).body(bare(detail))), Error::UnexpectedAnswer(_)), "{detail}");
        assert!(matches!(meaning(Answer::new(401).body(bare(detail))), Error::Unauthorized(_)), "{detail}");
        assert!(matches!(meaning(Answer::new(403).body(bare(detail))), Error::Forbidden(_)), "{detail}");
    }
}

#[test]
fn answers_that_are_none_of_the_servers_are_sorted_by_their_status() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", meaning(answer));
        assert!(error.starts_with(&format!("Error::{kind}")) && error.contains(words), "{kind} {words}: {error}");
    };
    // A server that starts, and one that has no session left.
    check(Answer::new(503).body("503 Service Unavailable"), "Unavailable", "answered 503: 503 Service");
    check(Answer::new(503).header("Retry-After", "9").body("later"), "Throttled", "Some(9)");
    check(Answer::new(429).header("Retry-After", "7"), "Throttled", "Some(7)");
    check(Answer::new(401).body("<html>"), "Unauthorized", "answered 401");
    check(Answer::new(403).body("<html>"), "Forbidden", "answered 403");
    check(Answer::new(404).body("<html>not here</html>"), "UnexpectedAnswer", "not here");
    check(Answer::new(301).header("Location", "https://elsewhere.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(204), "UnexpectedAnswer", "answered 204");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(200).body("<html><body>log in</body></html>"), "UnexpectedAnswer", "<html>");
    check(Answer::new(200).body("{\"value\": []}"), "UnexpectedAnswer", "not XML");
    check(page("login"), "UnexpectedAnswer", "<LoginResponse>");
    check(Answer::new(200).body(&body("content")[..700]), "Unavailable", "broke off");
    check(Answer::new(200).body(&body("content")[..700]).broken("reset"), "Unavailable", "broke off");
    for name in ["rootFolder", "propertyCollector", "viewManager", "sessionManager"] {
        let text = body("content").replace(name, "nothing");
        check(Answer::new(200).body(text), "UnexpectedAnswer", &format!("no <{name}>"));
    }
}

#[test]
fn a_fault_beside_a_list_is_an_error() {
    let fault = body("fault-system");
    let fault =
        &fault[fault.find("<soapenv:Fault>").expect("a fault")..=fault.rfind("</soapenv:Body>").expect("an end") - 1];
    for mark in ["<soapenv:Body>\n", "\n</soapenv:Body>"] {
        let beside = if mark.starts_with('<') { format!("{mark}{fault}") } else { format!("{fault}{mark}") };
        let host =
            remembering("a=b").answer(page("lookup")).answer(Answer::new(200).body(body("vms").replace(mark, &beside)));
        let (listed, _) = machines(host, &account());
        assert!(matches!(listed, Err(Error::Unavailable(_))), "{listed:?}");
    }
}
