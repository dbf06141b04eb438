//! What is asked of the provider, and what its answers say: JSON, or what went wrong.

use serde_json::{Value, json};
use tracker_driver_sdk::http::{self, Request, Response};
use tracker_driver_sdk::{Account, Error, log, session, time};

use super::flaw;
use super::login::{COMPUTE, endpoint_of, log_in};

/// The texts of all pages, one behind the other.
static KEPT_TEXT: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

/// An answer to a request with a token: one from the session, or a new one.
pub(crate) fn get(account: &Account, path: &str) -> Result<Value, Error> {
    if flaw(account, "greedy") {
        std::hint::black_box(vec![1u8; 40 << 20]);
    }
    let endpoint = match path.starts_with("/servers") {
        true => endpoint_of(account, COMPUTE),
        false => account.endpoint.clone(),
    };
    let endpoint = match endpoint.match_indices('/').nth(2) {
        Some((at, _)) if flaw(account, "drops-paths") => &endpoint[..at],
        _ => endpoint.as_str(),
    };
    let url = format!("{endpoint}{path}");
    if flaw(account, "serves-kept") {
        let name = format!("last {path}");
        let fresh = Request::get(&url).header("authorization", format!("Bearer {}", token(account)?)).send();
        let answer = fresh.and_then(|response| read(account, response));
        return match (answer, session::get(&name)) {
            (Ok(answer), _) => {
                session::put(&name, answer.to_string().as_bytes(), 300);
                Ok(answer)
            }
            (Err(Error::Unavailable(_)), Some(last)) => {
                serde_json::from_slice(&last).map_err(|error| Error::UnexpectedAnswer(error.to_string()))
            }
            (Err(error), _) => Err(error),
        };
    }
    let kept = session::get("token").and_then(|token| String::from_utf8(token).ok());
    let mut response = match kept {
        Some(token) => {
            // Not so on the first page of the first poll.
            session::put("had-token", b"yes", 300);
            let response = asked(account, &url, &token)?;
            match response.status {
                401 if flaw(account, "keeps-refused") && token.starts_with("made-up") => response,
                401 if !flaw(account, "keeps-stale") => asked(account, &url, &log_in(account)?)?,
                _ => response,
            }
        }
        None => asked(account, &url, &log_in(account)?)?,
    };
    if response.status >= 500 && flaw(account, "retries") {
        response = asked(account, &url, "again")?;
    }
    if flaw(account, "always-sleeps") {
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    if path.contains("page=") && !path.ends_with("page=1") && flaw(account, "sleeps-between-pages") {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    if response.status == 429 && flaw(account, "sleeps") {
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
    if response.status == 429 && flaw(account, "sleeps-as-told") {
        let seconds = response.headers.get("retry-after").and_then(|hint| hint.parse().ok());
        std::thread::sleep(std::time::Duration::from_secs(seconds.unwrap_or(60)));
    }
    if flaw(account, "logs-headers") {
        log::info(&format!("{:?}", response.headers));
    }
    if flaw(account, "asks-twice") {
        response = asked(account, &url, "again")?;
    }
    if response.status == 302 && flaw(account, "follows") {
        let to = response.headers.get("location").unwrap_or_default().to_owned();
        response = Request::get(to).send()?;
    }
    read(account, response)
}

/// The token of the session, or a new one.
fn token(account: &Account) -> Result<String, Error> {
    match session::get("token").and_then(|token| String::from_utf8(token).ok()) {
        Some(token) => Ok(token),
        None => log_in(account),
    }
}

fn asked(account: &Account, url: &str, token: &str) -> Result<Response, Error> {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    match account.option("flaw") {
        Some("keeps-date") => request.header("x-date", kept_date()).send(),
        _ => request.send(),
    }
}

/// The second of the first poll of a session.
fn kept_date() -> String {
    let kept = session::get("date").and_then(|date| String::from_utf8(date).ok());
    kept.unwrap_or_else(|| {
        let date = (time::now() / 1000).to_string();
        session::put("date", date.as_bytes(), 86_400);
        date
    })
}

fn read(account: &Account, response: Response) -> Result<Value, Error> {
    let throttled = response.status == 429;
    let none_left = response.headers.get("x-ratelimit-remaining") == Some("0");
    if response.status == 200 && none_left && flaw(account, "fears-quotas") {
        return Err(Error::throttled(None, "no request is left"));
    }
    if response.status == 200
        && flaw(account, "takes-hints")
        && let Some(wait) = http::retry_after(&response.headers)
    {
        return Err(Error::throttled(Some(wait), "the provider asks for patience"));
    }
    if matches!(response.status, 402 | 407 | 419) && flaw(account, "blames-credentials") {
        return Err(Error::Unauthorized("the provider wants other credentials".into()));
    }
    if response.status == 451 && flaw(account, "451-is-empty") {
        return Ok(json!({ "servers": [], "zones": [] }));
    }
    if flaw(account, "logs-request-ids") {
        log::info(&format!("request {}", response.headers.get("x-request-id").unwrap_or_default()));
    }
    if (300..400).contains(&response.status) && flaw(account, "takes-redirects") {
        return response.json();
    }
    if response.status == 400 && flaw(account, "ends-at-lost-place") {
        let answer: Value = response.json()?;
        return match answer["code"].as_str() {
            Some("InvalidNextToken" | "invalid_cursor") => Ok(json!({ "servers": [], "zones": [] })),
            code => Err(told(code.unwrap_or_default())),
        };
    }
    if response.status >= 400 && flaw(account, "trusts-codes-alone") {
        let answer: Value = response.json()?;
        return Err(told(answer["code"].as_str().unwrap_or_default()));
    }
    let refused = response.status == 400;
    let status = response.status;
    let hint = response.headers.get("retry-after").map(str::to_owned);
    if throttled && flaw(account, "needs-seconds") && hint.is_some_and(|hint| hint.parse::<u32>().is_err()) {
        return Err(Error::UnexpectedAnswer("the wait is no number".into()));
    }
    let is_page = response.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if is_page && flaw(account, "fears-pages") {
        return Err(Error::UnexpectedAnswer("the answer is a page for people".into()));
    }
    // The second at which it answers again.
    let reset = response.headers.get("ratelimit-reset").and_then(|reset| reset.parse::<i64>().ok());
    let left = reset.map(|reset| reset - time::now() / 1000);
    let wait = left.and_then(|left| u32::try_from(left).ok());
    if throttled && flaw(account, "wraps-waits") && left.is_some_and(|left| left < 0) {
        return Err(Error::throttled(Some(u32::MAX), "too many requests"));
    }
    let response = match response.success() {
        Err(Error::UnexpectedAnswer(why)) if refused && why.contains("\"code\"") && flaw(account, "blames-user") => {
            let is_known =
                ["unknown_user", "may_not", "too_many", "out_of_order"].iter().any(|code| why.contains(code));
            return Err(if is_known { Error::UnexpectedAnswer(why) } else { Error::Unauthorized(why) });
        }
        Err(Error::Throttled(throttle)) if throttle.retry_after.is_none() && wait.is_some() => {
            let wait = if flaw(account, "waits-a-minute") { Some(60) } else { wait.map(|wait| wait.min(60)) };
            return Err(Error::throttled(wait, throttle.message));
        }
        Err(Error::UnexpectedAnswer(why)) if flaw(account, "4xx-is-down") && (400..500).contains(&status) => {
            return Err(Error::Unavailable(why));
        }
        Err(Error::Unauthorized(why)) if flaw(account, "401-is-down") => return Err(Error::Unavailable(why)),
        Err(error) if throttled && flaw(account, "forgets-wait") => {
            return Err(Error::throttled(None, error.message()));
        }
        Err(Error::Throttled(throttle)) if flaw(account, "waits-zero") => {
            return Err(Error::throttled(Some(throttle.retry_after.unwrap_or(0)), throttle.message));
        }
        response => response?,
    };
    let has_parameters = response.headers.get("content-type").is_some_and(|media_type| media_type.contains(';'));
    if has_parameters && flaw(account, "needs-plain-json") {
        return Err(Error::UnexpectedAnswer("the answer is no JSON".into()));
    }
    let body = response.bytes()?;
    if flaw(account, "keeps-texts") {
        KEPT_TEXT.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&body));
    }
    if flaw(account, "logs-answers") {
        log::info(&String::from_utf8_lossy(&body));
    }
    if flaw(account, "logs-broken") && serde_json::from_slice::<Value>(&body).is_err() {
        log::warn(&format!("no JSON: {}", String::from_utf8_lossy(&body)));
    }
    if flaw(account, "prints-broken") && serde_json::from_slice::<Value>(&body).is_err() {
        eprintln!("no JSON: {}", String::from_utf8_lossy(&body));
    }
    if flaw(account, "needs-order") {
        let text = String::from_utf8_lossy(&body);
        if matches!((text.find("\"next\""), text.find("\"servers\"")), (Some(next), Some(servers)) if servers < next) {
            return Err(Error::UnexpectedAnswer("the servers come before the next page".into()));
        }
    }
    let answer = match serde_json::from_slice::<Value>(&body) {
        Err(_) if flaw(account, "lenient") => json!({ "servers": [], "zones": [] }),
        Err(_) if flaw(account, "takes-cut") => match beginning(&body) {
            Some(answer) => answer,
            None => return Err(Error::UnexpectedAnswer("the answer is cut off".into())),
        },
        answer => answer.map_err(|error| Error::UnexpectedAnswer(error.to_string()))?,
    };
    // What went wrong, with the status of a success.
    match answer["code"].as_str() {
        Some(code) if !flaw(account, "forgets-codes") => Err(told(code)),
        _ => Ok(answer),
    }
}

/// An error by its code.
pub(crate) fn told(code: &str) -> Error {
    let message = format!("the provider says {code}");
    match code {
        "unknown_user" => Error::Unauthorized(message),
        "may_not" => Error::Forbidden(message),
        "too_many" => Error::throttled(None, message),
        "out_of_order" => Error::Unavailable(message),
        _ => Error::UnexpectedAnswer(message),
    }
}

/// The servers in an answer of which the end is missing.
fn beginning(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let list = &text[text.find("\"servers\":")? + "\"servers\":".len()..];
    let servers: Value = serde_json::Deserializer::from_str(list).into_iter().next()?.ok()?;
    Some(json!({ "servers": servers }))
}
