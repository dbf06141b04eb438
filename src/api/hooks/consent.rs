//! Consent of a receiver, as CloudEvents' "HTTP 1.1 Web Hooks" 1.0.2 defines it. `OPTIONS` on the hook's exact URL asks
//! whether this host may call it; headers of the answer grant it. A status alone is no consent, because many servers
//! answer `OPTIONS` to everybody.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use super::callback_url::UrlIn;
use crate::api::app::App;
use crate::api::problem::{Problem, ProblemType};
use crate::model::{HookUrl, Rate};

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Why a receiver did not consent, in words for the hook's owner.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    NotReached(&'static str),
    #[error("it answered OPTIONS with {0}, not with 2xx")]
    Status(u16),
    #[error("its answer has no WebHook-Allowed-Origin")]
    NoOrigin,
    #[error("its WebHook-Allowed-Origin is neither {0:?} nor \"*\"")]
    OtherOrigin(String),
    #[error("its WebHook-Allowed-Rate is neither \"*\" nor at least 1 callback a minute")]
    Rate,
}

/// Asks the receiver, and gives the rate that it allows, which is no higher than `rate`.
pub(crate) async fn ask(app: &App, url: &HookUrl, place: UrlIn, rate: Option<Rate>) -> Result<Option<Rate>, Problem> {
    let context = &app.context;
    let public_url: Url = context.public_url.parse().map_err(Problem::internal)?;
    let origin = public_url.host_str().unwrap_or_default();
    let request = request(url, origin, rate).map_err(Problem::internal)?;
    let sent = tokio::time::timeout(context.settings.consent_timeout, context.hooks_client.send(request));
    let refused = |refusal: &Refusal| {
        let detail = format!(
            "{}: the receiver did not consent to callbacks: {refusal}. It has to answer OPTIONS with \
             WebHook-Allowed-Origin: {origin}",
            place.name()
        );
        place.mark(Problem::new(ProblemType::ConsentRefused, detail))
    };
    match sent.await {
        Ok(Ok(answer)) => allowed(answer.status(), answer.headers(), origin, rate).map_err(|refusal| refused(&refusal)),
        Ok(Err(error)) => Err(refused(&Refusal::NotReached(error.public())).logging(error)),
        Err(_) => Err(refused(&Refusal::NotReached("no answer came in time"))),
    }
}

fn request(url: &HookUrl, origin: &str, rate: Option<Rate>) -> Result<reqwest::Request, http::Error> {
    let mut request = reqwest::Request::new(Method::OPTIONS, url.as_url().clone());
    request.headers_mut().insert(REQUEST_ORIGIN, HeaderValue::from_str(origin)?);
    if let Some(rate) = rate {
        // A minute's number is a whole one, from 1 up.
        let per_minute = (rate.as_per_second() * 60.0).ceil().max(1.0);
        request.headers_mut().insert(REQUEST_RATE, HeaderValue::from_str(&per_minute.to_string())?);
    }
    Ok(request)
}

/// What an answer allows.
fn allowed(status: StatusCode, headers: &HeaderMap, origin: &str, rate: Option<Rate>) -> Result<Option<Rate>, Refusal> {
    if !status.is_success() {
        return Err(Refusal::Status(status.as_u16()));
    }
    let allowed = headers.get(ALLOWED_ORIGIN).ok_or(Refusal::NoOrigin)?;
    let is_ours = |allowed: &str| allowed == "*" || allowed.eq_ignore_ascii_case(origin);
    if !allowed.to_str().is_ok_and(|allowed| is_ours(allowed.trim())) {
        return Err(Refusal::OtherOrigin(origin.to_owned()));
    }
    let Some(most) = headers.get(ALLOWED_RATE) else { return Ok(rate) };
    let most = most.to_str().map_err(|_| Refusal::Rate)?.trim();
    if most == "*" {
        return Ok(rate);
    }
    let per_minute: u32 = most.parse().ok().filter(|number| *number > 0).ok_or(Refusal::Rate)?;
    // More than a hook may have at all is no bound.
    let most = Rate::per_second(f64::from(per_minute) / 60.0);
    Ok(match (rate, most) {
        (Some(rate), Some(most)) if most.as_per_second() < rate.as_per_second() => Some(most),
        (None, most) => most,
        (rate, _) => rate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "tracker.example";

    #[test]
    fn headers_consent_and_nothing_else() {
        let check = |status: u16, headers: &[(&'static str, &str)], want: Result<(), Refusal>| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")))
                .collect();
            let got = allowed(StatusCode::from_u16(status).expect("a status"), &headers, ORIGIN, None);
            assert_eq!(got.map(drop), want, "{status} {headers:?}");
        };
        let origin = "webhook-allowed-origin";
        check(200, &[(origin, ORIGIN)], Ok(()));
        check(204, &[(origin, "*")], Ok(()));
        check(204, &[(origin, " Tracker.Example ")], Ok(()));
        check(200, &[], Err(Refusal::NoOrigin));
        check(200, &[("access-control-allow-origin", "*")], Err(Refusal::NoOrigin));
        check(200, &[(origin, "other.example")], Err(Refusal::OtherOrigin(ORIGIN.into())));
        check(200, &[(origin, "evil-tracker.example")], Err(Refusal::OtherOrigin(ORIGIN.into())));
        check(200, &[(origin, "")], Err(Refusal::OtherOrigin(ORIGIN.into())));
        check(302, &[(origin, ORIGIN)], Err(Refusal::Status(302)));
        check(405, &[(origin, "*")], Err(Refusal::Status(405)));
    }

    #[test]
    fn the_lower_rate_counts() {
        let check = |rate: Option<f64>, allows: &str, want: Result<Option<f64>, Refusal>| {
            let headers: HeaderMap = [(ALLOWED_ORIGIN, "*"), (ALLOWED_RATE, allows)]
                .into_iter()
                .map(|(name, value)| (name, HeaderValue::from_str(value).expect("a value")))
                .collect();
            let rate = rate.and_then(Rate::per_second);
            let got = allowed(StatusCode::OK, &headers, ORIGIN, rate).map(|rate| rate.map(Rate::as_per_second));
            assert_eq!(got, want, "{rate:?} {allows}");
        };
        check(None, "*", Ok(None));
        check(Some(5.0), "*", Ok(Some(5.0)));
        check(None, "120", Ok(Some(2.0)));
        check(Some(5.0), "120", Ok(Some(2.0)));
        check(Some(1.0), "120", Ok(Some(1.0)));
        check(Some(1.0), "4000000000", Ok(Some(1.0)));
        check(None, "4000000000", Ok(None));
        check(None, "0", Err(Refusal::Rate));
        check(None, "-1", Err(Refusal::Rate));
        check(None, "many", Err(Refusal::Rate));
    }

    #[test]
    fn the_question_names_the_origin_and_the_rate() {
        let url = HookUrl::parse("https://e.com/cb?x=1").expect("a URL");
        let check = |rate: Option<f64>, want: Option<&str>| {
            let request = request(&url, ORIGIN, rate.and_then(Rate::per_second)).expect("a request");
            assert_eq!((request.method(), request.url().as_str()), (&Method::OPTIONS, "https://e.com/cb?x=1"));
            assert_eq!(request.headers()[REQUEST_ORIGIN], ORIGIN);
            let rate = request.headers().get(REQUEST_RATE).map(|rate| rate.to_str().expect("text"));
            assert_eq!(rate, want);
        };
        check(None, None);
        check(Some(2.0), Some("120"));
        check(Some(0.001), Some("1"));
        check(Some(10_000.0), Some("600000"));
    }
}
