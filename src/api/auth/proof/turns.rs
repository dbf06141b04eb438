//! The order of proofs. A proof waits for a slot in the share of its endpoint, for a bounded time. Proofs at hanging
//! endpoints delay only each other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::api::server::peer::network;
use crate::api::settings::ProofSettings;
use crate::clock::Clock;
use crate::model::Share;
use crate::roster::{CallShares, InFlight, Others};

/// How long at least it takes until it is looked again for proofs that take long.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Turns {
    shares: Arc<CallShares>,
    clock: Arc<dyn Clock>,
    /// How long a proof may wait.
    wait: Duration,
    /// How many of one network may be under way in each share, and how many more may wait.
    per_peer: usize,
    waiting_per_peer: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiter>,
    /// Proofs under way by the network that they came from, and by share.
    peers: HashMap<(IpAddr, Share), usize>,
    come: u64,
}

struct Waiter {
    number: u64,
    endpoint: Arc<str>,
    peer: Option<IpAddr>,
    turn: oneshot::Sender<Turn>,
}

/// Why a proof is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// The endpoint's circuit is open for so long.
    Open(Duration),
    /// So many of the same network wait already.
    OfPeer(usize),
    /// Too many others wait for the same endpoint, or for others that give no answer.
    Full,
}

/// The right to make one proof, until it is dropped.
pub(super) struct Turn {
    in_flight: Option<InFlight>,
    peer: Option<(IpAddr, Share)>,
    turns: Arc<Turns>,
}

impl Turns {
    pub(super) fn new(shares: Arc<CallShares>, clock: Arc<dyn Clock>, settings: &ProofSettings) -> Arc<Turns> {
        let ProofSettings { wait, per_peer, waiting_per_peer, .. } = *settings;
        Arc::new(Turns { shares, clock, wait, per_peer, waiting_per_peer, state: Mutex::default() })
    }

    pub(super) async fn turn(self: &Arc<Turns>, endpoint: &Arc<str>, peer: Option<IpAddr>) -> Result<Turn, NoTurn> {
        let now = self.clock.now();
        let open = |now| self.shares.endpoints().view(endpoint).open_until.map(|until| NoTurn::Open(until.since(now)));
        if let Some(open) = open(now) {
            return Err(open);
        }
        let (turn, come) = oneshot::channel();
        let peer = peer.map(network);
        let number = {
            let mut state = self.lock();
            let waiting = state.waiting.iter().filter(|waiter| peer.is_some() && waiter.peer == peer).count();
            if waiting >= self.waiting_per_peer {
                return Err(NoTurn::OfPeer(self.waiting_per_peer));
            }
            state.come += 1;
            let number = state.come;
            state.waiting.push(Waiter { number, endpoint: Arc::clone(endpoint), peer, turn });
            number
        };
        // Taken off the list however this ends.
        let _leave = Leave { turns: self, number };
        self.serve();
        tokio::select! {
            biased;
            turn = come => turn.map_err(|_| NoTurn::Full),
            () = self.clock.sleep(self.wait) => Err(open(self.clock.now()).unwrap_or(NoTurn::Full)),
        }
    }

    /// Gives turns to those that wait, as far as there is room. Of those at endpoints that answer, who came first goes
    /// first. Of the others, who came last: most of these wait for an answer that never comes, and one that would come
    /// at once is not to wait behind them all.
    fn serve(self: &Arc<Turns>) {
        let mut given = Vec::new();
        let mut state = self.lock();
        for share in Share::ALL {
            while self.shares.room(share) > 0 {
                let State { waiting, peers, .. } = &mut *state;
                let under_way =
                    |waiter: &Waiter| waiter.peer.and_then(|peer| peers.get(&(peer, share))).copied().unwrap_or(0);
                let fits = |waiter: &Waiter| {
                    under_way(waiter) < self.per_peer
                        && self.shares.share_of(&waiter.endpoint) == share
                        && !waiter.turn.is_closed()
                        && self.shares.room_at(&waiter.endpoint, share) > 0
                };
                let order = |waiter: &Waiter| {
                    let peer = under_way(waiter);
                    let number = i128::from(waiter.number);
                    (peer, if share == Share::Prompt { number } else { -number })
                };
                let next = waiting.iter().enumerate().filter(|(_, waiter)| fits(waiter));
                let Some((at, _)) = next.min_by_key(|(_, waiter)| order(waiter)) else { break };
                let Waiter { endpoint, peer, turn, .. } = waiting.remove(at);
                let peer = peer.map(|peer| (peer, share));
                if let Some(peer) = peer {
                    *peers.entry(peer).or_default() += 1;
                }
                let in_flight = Some(self.shares.begin(&endpoint, share));
                given.push((turn, Turn { in_flight, peer, turns: Arc::clone(self) }));
            }
        }
        drop(state);
        for (waiter, turn) in given {
            // One that is gone by now gives it back.
            let _ = waiter.send(turn);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Turn {
    pub(super) fn in_flight(&self) -> &InFlight {
        self.in_flight.as_ref().expect("invariant: it is there until it is dropped")
    }

    /// Returns when the proof has to end, because it takes long and others wait.
    pub(super) async fn cut_off(&self) {
        let turns = &self.turns;
        let looking = async {
            loop {
                let others = if turns.lock().waiting.is_empty() { Others::NoneWait } else { Others::Wait };
                let next = turns.shares.look(others);
                if others == Others::Wait {
                    turns.serve();
                }
                match next {
                    // Not at once, however soon that is.
                    Some(after) => turns.clock.sleep(after.max(LOOK_PAUSE)).await,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = self.in_flight().cut_off() => {}
            never = looking => never,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.in_flight = None;
        if let Some(peer) = self.peer {
            let mut state = self.turns.lock();
            if let Some(count) = state.peers.get_mut(&peer) {
                *count -= 1;
                if *count == 0 {
                    state.peers.remove(&peer);
                }
            }
        }
        self.turns.serve();
    }
}

struct Leave<'a> {
    turns: &'a Arc<Turns>,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.turns.lock().waiting.retain(|waiter| waiter.number != self.number);
    }
}
