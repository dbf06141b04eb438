//! The demo as a client of Tracker: lists instances and sets hooks through the HTTP API, like any client.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, Request};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::board::Instance;
use super::receiver::Secrets;
use super::world::{PASSWORD, USER};
use crate::model::Timestamp;
use crate::net::Client;

/// How often the instances are listed.
const EVERY: Duration = Duration::from_secs(1);

/// What the follower tells the view.
#[derive(Debug)]
pub(super) enum News {
    Instances(Vec<Instance>),
    Hooks(usize),
    Problem(String),
}

/// A client of one tracker.
pub(super) struct Tracker {
    pub(super) client: Client,
    /// Its address, without a slash at the end.
    pub(super) url: String,
    /// Where it shall send callbacks.
    pub(super) hook: String,
}

#[derive(Deserialize)]
struct Listing {
    instances: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    name: Option<String>,
    realm: Option<String>,
    state: String,
    state_since: Option<Timestamp>,
    launched_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Tracked {
    track: Track,
}

#[derive(Deserialize)]
struct Track {
    secret: String,
}

impl Tracker {
    /// Lists the instances again and again, and sets a hook on each that is new, until `token` is cancelled.
    pub(super) async fn follow(
        &self,
        secrets: watch::Sender<Secrets>,
        news: mpsc::Sender<News>,
        token: CancellationToken,
    ) {
        let mut hooked = HashSet::new();
        let follow = async {
            loop {
                if let Err(problem) = self.look(&mut hooked, &secrets, &news).await {
                    let _ = news.send(News::Problem(format!("{problem:#}"))).await;
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        token.run_until_cancelled(follow).await;
    }

    async fn look(
        &self,
        hooked: &mut HashSet<String>,
        secrets: &watch::Sender<Secrets>,
        news: &mpsc::Sender<News>,
    ) -> anyhow::Result<()> {
        let instances = self.instances().await?;
        let new: Vec<_> =
            instances.iter().map(|instance| instance.id.clone()).filter(|id| !hooked.contains(id)).collect();
        news.send(News::Instances(instances)).await?;
        for id in new {
            let secret = self.set_hook(&id).await?;
            secrets.send_modify(|secrets| {
                secrets.insert(id.clone(), secret);
            });
            hooked.insert(id);
            news.send(News::Hooks(hooked.len())).await?;
        }
        Ok(())
    }

    async fn instances(&self) -> anyhow::Result<Vec<Instance>> {
        let url = Url::parse(&format!("{}/api/instances", self.url))?;
        let listing: Listing = self.ask(Request::new(Method::GET, url)).await?;
        let instance = |listed: Listed| Instance {
            id: listed.id,
            name: listed.name.unwrap_or_default(),
            realm: listed.realm.unwrap_or_default(),
            state: listed.state,
            state_since: listed.state_since,
            launched_at: listed.launched_at,
        };
        Ok(listing.instances.into_iter().map(instance).collect())
    }

    /// Sets the hook on an instance, and gives the secret that its callbacks are signed with.
    async fn set_hook(&self, id: &str) -> anyhow::Result<String> {
        let mut url = Url::parse(&self.url)?;
        url.path_segments_mut().ok().context("the tracker's address has a path")?.extend(["api", "instances", id]);
        url.query_pairs_mut().append_pair("track_hook", &self.hook).append_pair("track_token", "demo");
        let tracked: Tracked = self.ask(Request::new(Method::PUT, url)).await?;
        Ok(tracked.track.secret)
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, mut request: Request) -> anyhow::Result<T> {
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        request.headers_mut().insert(http::header::AUTHORIZATION, format!("Basic {credentials}").parse()?);
        let asked = format!("{} {}", request.method(), request.url().path());
        let answer = self.client.send(request).await.with_context(|| asked.clone())?;
        let status = answer.status();
        let body = answer.bytes().await.with_context(|| asked.clone())?;
        if !status.is_success() {
            bail!("{asked}: {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("{asked}: an answer of another form"))
    }
}
