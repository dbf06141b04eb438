//! Accounts, and the tokens that they get, keep and replace.

use crate::setup::{account, granted, host, list, none, ok};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Error, SecretKind};

#[test]
fn an_account_is_checked_before_any_request() {
    let check = |account: Account, word: &str| {
        let (listed, seen) = host().run(|| list(&account));
        let Err(Error::InvalidAccount(message)) = listed else { panic!("{account:?}: {listed:?}") };
        assert!(message.contains(word), "{word}: {message}");
        assert!(seen.sent.is_empty());
    };
    let without = |name: &str| {
        let mut account = account(&[]);
        account.options.retain(|(option, _)| option != name);
        account
    };
    check(without("subscription"), "`subscription`");
    check(without("tenant"), "`tenant`");
    check(Account { endpoints: vec![], ..account(&[]) }, "`login`");
    check(Account { secret: SecretKind::PrivateKey, ..account(&[]) }, "`thumbprint`");
    for (name, value) in [
        ("subscription", ""),
        ("subscription", "a/b"),
        ("subscription", ".."),
        ("tenant", "a b"),
        ("tenant", "../x"),
        ("source", "graph"),
        ("addresses", "no"),
        ("scale-sets", ""),
    ] {
        check(account(&[(name, value)]), &format!("`{name}`"));
    }
    for thumbprint in ["", "ab", &"zz".repeat(32), &"ab".repeat(31), &format!("{}a", "ab".repeat(32))] {
        let account = account(&[("thumbprint", thumbprint)]);
        check(Account { secret: SecretKind::PrivateKey, ..account }, "`thumbprint`");
    }
    // With an access token there is no sign-in, and nothing that it needs.
    let mut account = Account { secret: SecretKind::AccessToken, endpoints: vec![], ..account(&[]) };
    account.options.retain(|(option, _)| option == "subscription");
    let (listed, seen) = host().answer(none()).answer(none()).run(|| list(&account));
    assert!(listed.is_ok(), "{listed:?}");
    let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
    assert_eq!(seen.sent[0].header("authorization"), Some(bearer.as_str()));
}

#[test]
fn a_kept_token_is_used_and_replaced_once() {
    let kept = || host().remembering("token", "0ld");
    let (listed, seen) = kept().answer(none()).answer(none()).run(|| list(&account(&[])));
    assert!(listed.is_ok() && seen.sent.len() == 2, "{listed:?}");
    assert_eq!(seen.sent[1].header("authorization"), Some("Bearer 0ld"));
    let refused = || Answer::new(401).body(r#"{"error": {"code": "ExpiredAuthenticationToken", "message": "old"}}"#);
    let (listed, seen) =
        kept().answer(refused()).answer(granted()).answer(none()).answer(none()).run(|| list(&account(&[])));
    assert!(listed.is_ok(), "{listed:?}");
    assert_eq!((seen.sent.len(), seen.sent[3].header("authorization")), (4, Some("Bearer t0ken")));
    let (listed, seen) = kept().answer(refused()).answer(granted()).answer(refused()).run(|| list(&account(&[])));
    assert!(matches!(listed, Err(Error::Unauthorized(_))) && seen.sent.len() == 3, "{listed:?}");
    // A new one that is refused is not asked for again.
    let (listed, seen) = host().answer(granted()).answer(refused()).run(|| list(&account(&[])));
    assert!(matches!(listed, Err(Error::Unauthorized(_))) && seen.sent.len() == 2, "{listed:?}");
    // Numbers are texts in older answers; a token without an end is not kept.
    for (expires, is_kept) in
        [(r#""3599""#, true), ("3599", true), ("null", false), ("10", false), (r#""soon""#, false)]
    {
        let grant = ok(format!(r#"{{"access_token": "t", "expires_in": {expires}}}"#));
        let (_, seen) = host().answer(grant).answer(none()).answer(none()).run(|| list(&account(&[])));
        assert_eq!(seen.session.contains_key("token"), is_kept, "{expires}");
    }
    for grant in
        [r#"{"access_token": ""}"#, r#"{"access_token": "a b"}"#, "{}", r#"{"access_token": null}"#, "<html>", ""]
    {
        let (listed, _) = host().answer(ok(grant)).run(|| list(&account(&[])));
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{grant}: {listed:?}");
    }
}
