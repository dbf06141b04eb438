//! `tracker watch`: shows changes in a terminal as they happen. It is a client of the host's HTTP API: it follows the
//! feed, and continues from its last cursor when the host or the network comes back.

mod events;
mod line;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use super::output::{self, OutputError};
use super::process::{environment, runtime};
use super::table::printable;
use super::terminal;
use super::usage::UsageError;
use crate::config::SecretSource;
use crate::mask::Mask;
use crate::net::{AddressPolicy, Client, ClientSettings, Clients};
use events::{Event, Events};
use line::Colour;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Three heartbeats of a host with the default settings: after so long without a word the connection is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// How long to wait before the next try, at first and at most.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How much of an error's body is read.
const PROBLEM_BYTES: usize = 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "\
The command reconnects after an interruption and misses no change. Ctrl-C ends it.

Examples:
  tracker watch --user mockuser --password-env PASSWORD
  tracker watch https://tracker.example --token-file ~/.tracker-token --kind instance --to STOPPED,ERROR
  tracker watch --token-env TOKEN --snapshot --id 'web-*'
  tracker watch --token-env TOKEN --since 0 --output json | jq .resource.id")]
pub(super) struct Watch {
    /// The URL of the host
    #[arg(default_value = "http://127.0.0.1:3001", env = "TRACKER_URL", value_parser = address)]
    url: Url,
    /// The cloud account's user
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The file that holds the account's password
    #[arg(long, value_name = "FILE", group = "password", requires = "user")]
    password_file: Option<PathBuf>,
    /// The environment variable that holds the account's password
    #[arg(long, value_name = "NAME", group = "password", requires = "user")]
    password_env: Option<String>,
    /// The file that holds a token, instead of user and password
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "token_env"])]
    token_file: Option<PathBuf>,
    /// The environment variable that holds a token
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    token_env: Option<String>,
    /// The account's driver, if it is not the host's default
    #[arg(long)]
    driver: Option<String>,
    /// The account's provider, if it is not the host's default
    #[arg(long)]
    provider: Option<String>,
    /// Only these kinds: instance, realm
    #[arg(long, value_name = "LIST")]
    kind: Option<String>,
    /// Only these ids, or ids with this beginning: web-*
    #[arg(long, value_name = "LIST")]
    id: Option<String>,
    /// Only in these realms
    #[arg(long, value_name = "LIST")]
    realm: Option<String>,
    /// Only these types, such as instance.state,instance.removed
    #[arg(long = "type", value_name = "LIST")]
    types: Option<String>,
    /// Only from these states
    #[arg(long, value_name = "LIST")]
    from: Option<String>,
    /// Only to these states
    #[arg(long, value_name = "LIST")]
    to: Option<String>,
    /// Begin after this cursor; 0 is the beginning of the journal. If absent, begin now
    #[arg(long, value_name = "CURSOR", conflicts_with = "snapshot")]
    since: Option<String>,
    /// Show the current state first
    #[arg(long)]
    snapshot: bool,
    /// The format of the output: lines, or the JSON of each change
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// When to use colours; `auto` uses them on a terminal unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = When::Auto)]
    color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// Who watches.
struct Login {
    value: HeaderValue,
    /// A host may send it back.
    mask: Mask,
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}: it is written http://host:port"))?;
    match matches!(url.scheme(), "http" | "https") && url.has_host() {
        true => Ok(url),
        false => Err("it is an http or https address".into()),
    }
}

impl Watch {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let client = self.client()?;
        let login = self.login()?;
        let colour = match self.color {
            When::Always => Colour::On,
            When::Never => Colour::Off,
            When::Auto if terminal::has_colours(std::io::stdout().is_terminal()) => Colour::On,
            When::Auto => Colour::Off,
        };
        runtime()?.block_on(async {
            tokio::select! {
                ended = self.follow(&client, &login, colour) => ended,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }

    /// A person says where the host is: any address is good.
    fn client(&self) -> anyhow::Result<Client> {
        let everywhere = ["0.0.0.0/0", "::/0"].map(|range| range.parse().expect("invariant: these are ranges"));
        Ok(Clients::new(ClientSettings::default())?.under(&AddressPolicy::opening(everywhere.to_vec()))?)
    }

    fn login(&self) -> anyhow::Result<Login> {
        let read = |file: &Option<PathBuf>, variable: &Option<String>| -> anyhow::Result<Option<SecretString>> {
            let source = match (file, variable) {
                (Some(file), _) => SecretSource::File(file.clone()),
                (None, Some(variable)) => SecretSource::Environment(variable.clone()),
                (None, None) => return Ok(None),
            };
            let found = source.read(&environment).map_err(|error| UsageError(error.to_string()))?;
            Ok(Some(found.secret))
        };
        let (text, mask) = if let Some(token) = read(&self.token_file, &self.token_env)? {
            let token = token.expose_secret().trim();
            (format!("Bearer {token}"), Mask::of([token.as_bytes()]))
        } else if let (Some(user), Some(password)) = (&self.user, read(&self.password_file, &self.password_env)?) {
            use base64::Engine as _;
            let password = password.expose_secret();
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            (format!("Basic {pair}"), Mask::of([password.as_bytes(), pair.as_bytes()]))
        } else {
            let how = "credentials are missing: give --user with --password-file or --password-env, or --token-file or --token-env";
            return Err(UsageError(how.into()).into());
        };
        let mut value =
            HeaderValue::try_from(text).map_err(|_| UsageError("the token has invalid characters".into()))?;
        value.set_sensitive(true);
        Ok(Login { value, mask })
    }

    fn request(&self, login: &Login, cursor: Option<&str>) -> Result<Request, UsageError> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/api/changes", url.path().trim_end_matches('/')));
        let filters = [
            ("kind", &self.kind),
            ("id", &self.id),
            ("realm_id", &self.realm),
            ("type", &self.types),
            ("from", &self.from),
            ("to", &self.to),
            ("since", &self.since),
        ];
        for (name, value) in filters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        if self.snapshot {
            url.query_pairs_mut().append_pair("snapshot", "true");
        }
        let mut request = Request::new(Method::GET, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(AUTHORIZATION, login.value.clone());
        let named = [("x-deltacloud-driver", &self.driver), ("x-deltacloud-provider", &self.provider)];
        for (name, value) in named {
            if let Some(value) = value {
                let value =
                    HeaderValue::try_from(value).map_err(|_| UsageError(format!("{value:?} is not a valid name")))?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(cursor) = cursor.and_then(|cursor| HeaderValue::try_from(cursor).ok()) {
            headers.insert(LAST_EVENT_ID, cursor);
        }
        Ok(request)
    }

    async fn follow(&self, client: &Client, login: &Login, colour: Colour) -> anyhow::Result<()> {
        let (mut cursor, mut wait) = (None::<String>, WAIT);
        loop {
            let request = self.request(login, cursor.as_deref())?;
            let trouble = match client.send(request).await {
                Ok(response) if response.status() == StatusCode::OK => {
                    let ended = self.show(response, (&mut cursor, &mut wait), &login.mask, colour).await?;
                    if ended.is_renewal {
                        continue;
                    }
                    ended.why
                }
                Ok(response) => refused(response, &login.mask).await?,
                Err(error) => error.to_string(),
            };
            output::stderr_line!("{}: trying again in {} s", printable(&trouble), wait.as_secs());
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Shows what comes until nothing more does.
    async fn show(
        &self,
        mut response: Response,
        (cursor, wait): (&mut Option<String>, &mut Duration),
        mask: &Mask,
        colour: Colour,
    ) -> Result<Ended, OutputError> {
        let mut events = Events::default();
        loop {
            let bytes = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => return Ok(Ended::trouble("the connection was closed")),
                Ok(Err(error)) => return Ok(Ended::trouble(&crate::net::SendError::from(error).to_string())),
                Err(_) => return Ok(Ended::trouble("the host sent nothing for a while")),
            };
            *wait = WAIT;
            let Ok(found) = events.take(&bytes) else { return Ok(Ended::trouble("the host sent no events")) };
            for Event { name, id, data } in found {
                *cursor = id.or(cursor.take());
                let (name, data) = (mask.text(name), mask.text(data));
                match (name.as_str(), self.output) {
                    ("heartbeat" | "snapshot-end", _) => {}
                    ("end", _) => {
                        let why = serde_json::from_str::<Value>(&data).unwrap_or_default();
                        let why = why["reason"].as_str().unwrap_or("ended").to_owned();
                        let is_renewal = why == "expired";
                        return Ok(Ended { why: format!("the host ended the stream ({why})"), is_renewal });
                    }
                    (_, Output::Json) => match in_one_line(&data) {
                        Some(json) => output::json_line(&json)?,
                        None => output::stderr_line!("the host sent an event that is not JSON: it is skipped"),
                    },
                    (name, Output::Text) => output::styled_line(&line::of(name, &data, colour))?,
                }
            }
        }
    }
}

/// JSON in one line; none where it is no JSON.
fn in_one_line(data: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(data).ok()?;
    // In JSON, line breaks stand between values alone.
    Some(data.trim().replace(['\r', '\n', '\t'], " "))
}

/// Why a stream is over.
struct Ended {
    why: String,
    /// Whether it is only to be opened anew.
    is_renewal: bool,
}

impl Ended {
    fn trouble(why: &str) -> Ended {
        Ended { why: why.to_owned(), is_renewal: false }
    }
}

/// What a host that gives no stream says. What trying again would not change is an error.
async fn refused(mut response: Response, mask: &Mask) -> anyhow::Result<String> {
    let status = response.status();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > PROBLEM_BYTES {
            break;
        }
    }
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("the answer is not from a Tracker host: is the address right?");
    let passes = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || response.headers().contains_key(RETRY_AFTER);
    let said = format!("the host answered {status}: {}", printable(&mask.text(detail.to_owned())));
    match (passes, status) {
        (true, _) => Ok(said),
        (false, StatusCode::GONE) => Err(anyhow::anyhow!("{said}. With --snapshot it begins with the current state")),
        (false, _) => Err(anyhow::anyhow!(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_left_out() {
        let check = |data: &str, want: Option<&str>| assert_eq!(in_one_line(data).as_deref(), want, "{data:?}");
        check("{\"a\": \"b\"}", Some("{\"a\": \"b\"}"));
        check("{\n\t\"a\": 1\r\n}\n", Some("{  \"a\": 1  }"));
        check("{\"a\": \"\x1b[31m\"}", None);
        check("{\"a\": \"b\nc\"}", None);
        check("\x1b[31m", None);
        check("", None);
        check("1 2", None);
    }
}
