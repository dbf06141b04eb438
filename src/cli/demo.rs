//! `tracker demo`: a complete Tracker in one process with the mock driver, a receiver that verifies signatures, and a
//! view of both. Host and receiver communicate only by the real HTTP API and real callbacks.

mod board;
mod receiver;
mod screen;
mod tracker;
mod view;
mod world;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::process::{Signals, runtime};
use super::{logging, output};
use crate::clock::{Clock as _, SystemClock};
use crate::metrics::LogLines;
use crate::net::{AddressPolicy, ClientSettings, Clients};
use crate::serve::{Host, ServeError};
use board::{Board, Callback, Counts};
use receiver::{Receiver, Secrets};
use screen::Scene;
use tracker::{News, Tracker};
use view::View;
use world::{PASSWORD, USER, World};

/// Where the host listens, if that is free and no other port was asked for.
const PORT: u16 = 3001;
/// How often the live view is drawn.
const FRAME: Duration = Duration::from_millis(200);
/// How long `--once` waits for a callback.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
#[command(after_help = "\
The demonstration needs no configuration and leaves no files behind. q or Ctrl-C ends it.

Examples:
  tracker demo
  tracker demo --duration 30s | tee demo.txt      plain lines, for 30 seconds")]
pub(super) struct Demo {
    /// The directory of the mock driver
    #[arg(long, value_name = "DIR", default_value = "target/drivers")]
    drivers: PathBuf,
    /// The port of the API on 127.0.0.1; 0 for any free port [default: 3001, or any free port if it is in use]
    #[arg(long)]
    port: Option<u16>,
    /// End after the first verified callback
    #[arg(long, conflicts_with = "duration")]
    once: bool,
    /// End after this time, such as 30s or 5min
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
}

/// When the demo ends, unless it is ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Ended,
    FirstCallback,
    After(Duration),
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s or 5min".to_owned();
    let signed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        runtime()?.block_on(Box::pin(self.show()))
    }

    async fn show(self) -> anyhow::Result<()> {
        let until = match (self.once, self.duration) {
            (true, _) => Until::FirstCallback,
            (false, Some(time)) => Until::After(time),
            (false, None) => Until::Ended,
        };
        let world = World::make(&self.drivers).await?;
        let host = Box::pin(open_host(&world, self.port)).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = AddressPolicy::opening(vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()]);
        let tracker = Tracker {
            client: Clients::new(ClientSettings::default())?.under(&here)?,
            url: host.public_url().to_owned(),
            hook: format!("http://{}/callback", listener.local_addr()?),
        };
        let log = world.log().display().to_string();
        let scene = Scene { tracker: tracker.url.clone(), credentials: format!("{USER}:{PASSWORD}"), log };

        let (secrets, known) = watch::channel(Secrets::default());
        let (callbacks, called) = mpsc::channel(1024);
        let (news, told) = mpsc::channel(64);
        let (ends, ended) = mpsc::channel(1);
        let receiver = Receiver { clock: Arc::new(SystemClock), secrets: known, callbacks };
        let token = CancellationToken::new();
        let view = View::open()?;
        let keyboard = keyboard(view.is_live(), ends, token.clone());
        let stage = Stage { scene, view, board: Board::default(), called, told, ended };
        // Whoever ends first, for whatever reason, ends the others.
        let (shown, ran, received, (), keyed) = tokio::join!(
            ending(&token, stage.play(until, token.clone())),
            ending(&token, host.run(token.clone())),
            ending(&token, receiver::serve(listener, receiver, token.clone())),
            ending(&token, tracker.follow(secrets, news, token.clone())),
            keyboard,
        );
        ran?;
        received?;
        keyed?;
        conclude(until, shown?.counts)
    }
}

/// Says how it went.
fn conclude(until: Until, counts: Counts) -> anyhow::Result<()> {
    let Counts { hooks, callbacks, verified, refused, .. } = counts;
    output::line!("{hooks} hooks set, {callbacks} callbacks received: {verified} verified, {refused} refused.");
    if until == Until::FirstCallback && verified == 0 {
        bail!("no verified callback came within {} s", PATIENCE.as_secs());
    }
    Ok(())
}

/// Opens the host at the port that was asked for; if none was, at the usual one or, where that is taken, at
/// any that is free.
async fn open_host(world: &World, port: Option<u16>) -> anyhow::Result<Host> {
    let at = |port: u16| world.config(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let config = at(port.unwrap_or(PORT))?;
    let lines = LogLines::default();
    logging::to_file(&config.log, &world.log(), &lines)?;
    match Host::open(config, &lines).await {
        Err(ServeError::Listen { source, .. }) if port.is_none() && source.kind() == ErrorKind::AddrInUse => {
            Ok(Host::open(at(0)?, &lines).await?)
        }
        opened => Ok(opened?),
    }
}

/// Runs it, and ends all that the token ends when it is done.
async fn ending<T>(token: &CancellationToken, work: impl Future<Output = T>) -> T {
    let _ending = token.clone().drop_guard();
    work.await
}

/// Watches the keyboard where there is one.
async fn keyboard(is_live: bool, ends: mpsc::Sender<()>, token: CancellationToken) -> anyhow::Result<()> {
    if is_live {
        tokio::task::spawn_blocking(move || view::watch_keyboard(&ends, &token)).await??;
    }
    Ok(())
}

/// The view with all that is told to it.
struct Stage {
    scene: Scene,
    view: View,
    board: Board,
    called: mpsc::Receiver<Callback>,
    told: mpsc::Receiver<News>,
    ended: mpsc::Receiver<()>,
}

impl Stage {
    /// Shows what happens until that is at its end, a key or a signal ends it, or the token is cancelled. The
    /// terminal is given back before this returns.
    async fn play(mut self, until: Until, token: CancellationToken) -> anyhow::Result<Board> {
        let mut frames = tokio::time::interval(FRAME);
        let over = async {
            match until {
                Until::Ended => std::future::pending().await,
                Until::FirstCallback => tokio::time::sleep(PATIENCE).await,
                Until::After(time) => tokio::time::sleep(time).await,
            }
        };
        let mut signals = Signals::listen()?;
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = token.cancelled() => break,
                () = &mut over => break,
                () = signals.next() => break,
                Some(()) = self.ended.recv() => break,
                Some(callback) = self.called.recv() => {
                    self.view.tell(&callback)?;
                    self.board.called(callback);
                    if until == Until::FirstCallback && self.board.counts.verified > 0 {
                        break;
                    }
                }
                Some(news) = self.told.recv() => self.learn(news)?,
                _ = frames.tick() => self.view.draw(&self.scene, &self.board)?,
            }
        }
        Ok(self.board)
    }

    fn learn(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Instances(instances) => {
                let was_empty = self.board.example().is_none();
                self.board.list(instances);
                if was_empty && self.board.example().is_some() {
                    self.view.introduce(&self.scene, &self.board)?;
                }
            }
            News::Hooks(hooks) => self.board.counts.hooks = hooks,
            News::Problem(problem) => {
                self.view.complain(&problem)?;
                self.board.problem = Some((SystemClock.now(), problem));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_time() {
        let check = |text: &str, want: Option<u64>| assert_eq!(duration(text).ok().map(|time| time.as_secs()), want);
        check("30s", Some(30));
        check("5min", Some(300));
        check("30", None);
        check("-30s", None);
    }
}
