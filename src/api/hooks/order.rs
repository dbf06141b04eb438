//! The JSON body of a `POST` or a `PUT` of a hook. Pure.

use std::time::Duration;

use secrecy::SecretString;

use super::callback_url::{UrlIn, check_form};
use super::signing::Signing;
use crate::api::input::filter;
use crate::api::input::json::{BodyError, Member, Object};
use crate::api::problem::Problem;
use crate::api::settings::Settings;
use crate::model::{Filter, Format, HookUrl, Mode, Rate, SigningSecret, span};

/// What may be said of any hook.
const SAID: [&str; 13] = [
    "url",
    "kinds",
    "ids",
    "realms",
    "types",
    "from",
    "to",
    "format",
    "mode",
    "rate_per_second",
    "retries",
    "description",
    "token",
];

/// And of a new one.
const OF_NEW: [&str; 2] = ["signing", "secret"];

/// And of one that there is: its representation can be sent back as it was given.
const OF_OLD: [&str; 10] = [
    "id",
    "href",
    "signing",
    "public_key",
    "track",
    "status",
    "disabled",
    "failing_since",
    "created",
    "secret_rotates_until",
];

/// Of these, what stays: a client that says otherwise is refused, lest it believe to have changed it. What comes
/// and goes by itself is passed over.
const FIXED: &[(&str, &str)] = &[
    ("id", "is the hook's, and stays"),
    ("href", "is the hook's, and stays"),
    ("signing", "stays as it was when the hook was made"),
    ("public_key", "stays until POST .../rotate creates a new one"),
    ("track", "stays as it was when the hook was made"),
    ("status", "is changed by POST .../pause and POST .../resume"),
    ("created", "is the hook's, and stays"),
];

/// Waits before retries: more of them, or longer ones, would keep what nobody wants any more.
const MOST_RETRIES: usize = 32;
const LONGEST_RETRY: Duration = Duration::from_secs(7 * 24 * 3600);

const DESCRIPTION_CHARS: usize = 256;

/// What an owner says of a hook.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) url: HookUrl,
    pub(super) token: Token,
    pub(super) filter: Filter,
    pub(super) format: Format,
    pub(super) mode: Mode,
    pub(super) rate: Option<Rate>,
    pub(super) retries: Option<Vec<Duration>>,
    pub(super) description: Option<String>,
}

#[derive(Debug)]
pub(super) enum Token {
    None,
    /// The one that the hook has.
    Kept,
    New(SecretString),
}

/// What callbacks of a new hook are to be signed with.
#[derive(Debug)]
pub(super) struct KeyOrder {
    pub(super) signing: Signing,
    /// One that the client brings; if it brings none, one is made.
    pub(super) secret: Option<SigningSecret>,
}

impl Order {
    /// Reads what a new hook is to be.
    pub(super) fn of_new(mut object: Object, settings: &Settings) -> Result<(Order, KeyOrder), Problem> {
        object.only(&[&SAID[..], &OF_NEW].concat())?;
        let signing = object.take("signing").map(|member| member.word(Signing::parse, Signing::WORDS)).transpose()?;
        let signing = signing.unwrap_or_default();
        let secret = secret_of(&mut object, signing)?;
        let order = Order::read(&mut object, settings)?;
        Ok((order, KeyOrder { signing, secret }))
    }

    /// Reads what is to become of one that there is, shown as `shown`.
    pub(super) fn of_old(mut object: Object, shown: &serde_json::Value, settings: &Settings) -> Result<Order, Problem> {
        object.only(&[&SAID[..], &OF_OLD].concat())?;
        for (name, why) in FIXED {
            if let Some(member) = object.take(name)
                && member.value() != &shown[*name]
            {
                return Err(member.invalid(*why).into());
            }
        }
        Order::read(&mut object, settings)
    }

    fn read(object: &mut Object, settings: &Settings) -> Result<Order, Problem> {
        let url = object.need("url", "the URL to call back")?;
        let url = HookUrl::parse(url.text()?).map_err(|error| UrlIn::Body.invalid(&error))?;
        check_form(&url, UrlIn::Body, settings)?;
        Ok(Order {
            url,
            token: token_of(object, settings)?,
            filter: filter::of_object(object, settings.filter_items)?,
            format: word(object, "format", Format::parse, &Format::ALL.map(Format::as_str))?,
            mode: word(object, "mode", Mode::parse, &Mode::ALL.map(Mode::as_str))?,
            rate: object.take("rate_per_second").as_ref().map(rate_of).transpose()?,
            retries: object.take("retries").as_ref().map(retries_of).transpose()?,
            description: object.take("description").as_ref().map(description_of).transpose()?,
        })
    }
}

/// A signing secret that a client brings, if hooks of this kind may have one from it.
pub(super) fn secret_of(object: &mut Object, signing: Signing) -> Result<Option<SigningSecret>, BodyError> {
    let Some(member) = object.take("secret") else { return Ok(None) };
    match signing {
        Signing::Hmac => {
            let secret = SigningSecret::parse(member.text()?);
            secret.map(Some).map_err(|error| member.invalid(format!("can't be one: {error}")))
        }
        Signing::Ed25519 => {
            Err(member.invalid("cannot be given: the private key of an ed25519 hook never leaves this host"))
        }
    }
}

fn token_of(object: &mut Object, settings: &Settings) -> Result<Token, BodyError> {
    let Some(member) = object.take("token") else { return Ok(Token::None) };
    match member.value() {
        serde_json::Value::Bool(true) => Ok(Token::Kept),
        serde_json::Value::Bool(false) => Ok(Token::None),
        _ => match member.text()? {
            "" => Ok(Token::None),
            token if token.len() <= settings.token_bytes => Ok(Token::New(token.into())),
            _ => Err(member.invalid(format!("has at most {} bytes", settings.token_bytes))),
        },
    }
}

fn word<T: Default>(
    object: &mut Object,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Result<T, BodyError> {
    Ok(object.take(name).map(|member| member.word(parse, known)).transpose()?.unwrap_or_default())
}

fn rate_of(member: &Member) -> Result<Rate, BodyError> {
    let (least, most) = (Rate::LEAST, Rate::MOST);
    Rate::per_second(member.number()?).ok_or_else(|| member.invalid(format!("is a number from {least} to {most}")))
}

fn retries_of(member: &Member) -> Result<Vec<Duration>, BodyError> {
    let wait = |item: Member| match span::parse_kept(item.text()?) {
        Ok(wait) if wait <= LONGEST_RETRY => Ok(wait),
        Ok(_) => Err(item.invalid("is longer than 7 days")),
        Err(error) => Err(item.invalid(format!("is {error}"))),
    };
    member.items(MOST_RETRIES)?.into_iter().map(wait).collect()
}

fn description_of(member: &Member) -> Result<String, BodyError> {
    match member.text()? {
        text if text.chars().count() <= DESCRIPTION_CHARS => Ok(text.to_owned()),
        _ => Err(member.invalid(format!("has at most {DESCRIPTION_CHARS} characters"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn settings() -> Settings {
        Settings { token_bytes: 4, filter_items: 2, ..Settings::default() }
    }

    fn object(body: &serde_json::Value) -> Object {
        Object::parse(body.to_string().as_bytes()).expect("an object")
    }

    /// The type and `where` of the problem.
    fn refusal<T: std::fmt::Debug>(got: Result<T, Problem>) -> (String, String) {
        let problem = got.expect_err("refused").body();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        (text("type").replace("/problems/", ""), text("where"))
    }

    #[test]
    fn a_new_hook_needs_a_url_and_has_defaults() {
        let (order, key) = Order::of_new(object(&json!({ "url": "http://e.com/cb" })), &settings()).expect("an order");
        assert_eq!(order.url.to_string(), "http://e.com/cb");
        assert!(matches!(order.token, Token::None) && order.filter == Filter::default());
        assert_eq!((order.format, order.mode), (Format::Json, Mode::Every));
        assert_eq!((order.rate, order.retries, order.description), (None, None, None));
        assert!(matches!(key, KeyOrder { signing: Signing::Hmac, secret: None }));
    }

    #[test]
    fn all_of_a_new_hook_can_be_said() {
        let body = json!({
            "url": "https://e.com/cb", "kinds": ["instance"], "format": "cloudevents", "mode": "latest", "token": "t",
            "rate_per_second": 2.5, "retries": ["5s", "7 days"], "description": "pager", "secret": SECRET,
        });
        let (order, key) = Order::of_new(object(&body), &settings()).expect("an order");
        assert!(matches!(order.token, Token::New(_)));
        assert_eq!((order.format, order.mode), (Format::CloudEvents, Mode::Latest));
        assert_eq!(order.rate.map(Rate::as_per_second), Some(2.5));
        assert_eq!(order.retries, Some(vec![Duration::from_secs(5), LONGEST_RETRY]));
        assert_eq!(order.description.as_deref(), Some("pager"));
        assert_eq!(key.secret.map(|secret| secret.to_text()).as_deref(), Some(SECRET));
    }

    #[test]
    fn what_a_new_hook_cant_be_is_said_with_its_place() {
        let check = |name: &str, value: serde_json::Value, slug: &str, place: &str| {
            let mut body = json!({ "url": "https://e.com/" });
            body[name] = value;
            let got = refusal(Order::of_new(object(&body), &settings()));
            assert_eq!(got, (slug.to_owned(), place.to_owned()), "{body}");
        };
        check("url", json!(null), "invalid-member", "/url");
        check("url", json!(5), "invalid-member", "/url");
        check("url", json!("/cb"), "invalid-hook", "/url");
        check("url", json!("ftp://e.com/"), "invalid-hook", "/url");
        check("url", json!("https://e.com:0/"), "invalid-hook", "/url");
        check("token", json!("abcde"), "invalid-member", "/token");
        check("token", json!(5), "invalid-member", "/token");
        check("kinds", json!(["pod"]), "invalid-member", "/kinds/0");
        check("ids", json!(["a", "b", "c"]), "invalid-member", "/ids");
        check("format", json!("xml"), "invalid-member", "/format");
        check("mode", json!("some"), "invalid-member", "/mode");
        check("rate_per_second", json!(0), "invalid-member", "/rate_per_second");
        check("rate_per_second", json!("1"), "invalid-member", "/rate_per_second");
        check("retries", json!(["5s", "soon"]), "invalid-member", "/retries/1");
        check("retries", json!(["5s", "1ns"]), "invalid-member", "/retries/1");
        check("retries", json!(["8 days"]), "invalid-member", "/retries/0");
        check("retries", json!(vec!["5s"; 33]), "invalid-member", "/retries");
        check("description", json!("x".repeat(257)), "invalid-member", "/description");
        check("signing", json!("rsa"), "invalid-member", "/signing");
        check("secret", json!("whsec_x"), "invalid-member", "/secret");
        check("status", json!("paused"), "unknown-member", "");
        check("URL", json!("x"), "unknown-member", "");
        let body = json!({ "url": "https://e.com/", "signing": "ed25519", "secret": SECRET });
        assert_eq!(refusal(Order::of_new(object(&body), &settings())).1, "/secret");
        let https = Settings { https_only: true, ..settings() };
        let body = json!({ "url": "http://e.com/" });
        assert_eq!(refusal(Order::of_new(object(&body), &https)), ("invalid-hook".into(), "/url".into()));
    }

    #[test]
    fn what_was_shown_can_be_sent_back_and_what_is_fixed_stays() {
        let shown =
            json!({ "url": "https://e.com/", "token": true, "id": "7", "status": "active", "failing_since": null });
        let check = |name: &str, value: serde_json::Value, want: Result<(), &str>| {
            let mut body = shown.clone();
            body[name] = value;
            let got = Order::of_old(object(&body), &shown, &settings());
            match want {
                Ok(()) => assert!(matches!(got.expect("an order").token, Token::Kept), "{body}"),
                Err(place) => assert_eq!(refusal(got).1, place, "{body}"),
            }
        };
        check("url", json!("https://e.com/other"), Ok(()));
        check("failing_since", json!("2026-11-22T10:00:00Z"), Ok(()));
        check("id", json!("8"), Err("/id"));
        check("status", json!("paused"), Err("/status"));
        check("track", json!({ "id": "i-1" }), Err("/track"));
        check("secret", json!(SECRET), Err(""));
    }
}
