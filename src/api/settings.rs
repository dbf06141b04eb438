//! All limits of the API, with their defaults.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use crate::metrics::Threshold;
use crate::roster::ShareLimits;

/// hyper reads no less of a head at once, whatever `head_bytes` says.
pub(super) const LEAST_HEAD_BYTES: usize = 8192;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many connections are open at once. Where all are, one that is idle, or has no whole head yet, gives way to the
    /// next; failing that, one of the network that has the most.
    pub connections: usize,
    /// How many of them one network may have: an address, or of IPv6 a /64. Proxies that are trusted may have all.
    pub connections_per_peer: usize,
    /// How many connections that have not sent a whole head yet are open at once; the oldest gives way to the next.
    pub unfinished_connections: usize,
    /// How many of these one network may have.
    pub unfinished_per_peer: usize,
    /// How many requests are under way at once, until their answers are taken. The last eighth is for networks that have
    /// few. Streams of the feed, and requests that wait for it, are bounded apart.
    pub requests_at_once: usize,
    /// How many of them one account may have, its tokens included.
    pub requests_at_once_per_account: usize,
    /// How many of them one network may have: an address, or of IPv6 a /64. Proxies that are trusted may have all.
    pub requests_at_once_per_peer: usize,
    /// How many bytes of heads and bodies are held for requests, whether they have ended or not; the first 8 KiB of each
    /// do not count.
    pub request_memory: usize,
    /// How many of them one network may have.
    pub request_memory_per_peer: usize,
    /// How many streams one connection over HTTP/2 may have open at once.
    pub http2_streams: u32,
    /// What one connection over HTTP/2 may cost beyond what it asks for, at once: a ping costs 5, a stream that is opened
    /// and reset 22, and answers pay back. One that has spent more is read more slowly, and then closed.
    pub http2_budget: u32,
    /// How much of that comes back in a second.
    pub http2_budget_per_second: u32,
    /// The same for all connections of one network together: an address, or of IPv6 a /64.
    pub http2_budget_per_peer: u32,
    /// How much of that comes back in a second.
    pub http2_budget_per_peer_per_second: u32,
    /// Whether this listener also serves liveness, readiness and metrics.
    pub operator_routes: bool,
    pub operator: OperatorSettings,
    /// Proxies that are believed when they name the client that a request is from.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they name it: the first of these headers that is there.
    pub client_ip_headers: Vec<ClientHeader>,
    /// Whose pages may ask this host, from a browser.
    pub cors_origins: Vec<url::Origin>,
    /// How long a client may take to send a request's headers, and a connection may lie idle without
    /// a request.
    pub header_timeout: Duration,
    /// How long a client may take nothing of what it is sent until its connection is closed.
    pub write_timeout: Duration,
    /// How long a request may take until its answer begins. Longer than `poll_wait`.
    pub request_timeout: Duration,
    /// How long requests under way may still take once the host stops.
    pub grace: Duration,
    /// The size of a request's line and headers together, in bytes; 8 KiB at least, whatever is set.
    pub head_bytes: usize,
    /// The size of a request's body, in bytes.
    pub body_bytes: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How many resources one page of a list has at most; also what it has if the client does not say. A list in XML is
    /// read by pages of so many, and is whole.
    pub page_items: usize,
    /// How many pending changes one request reads at most.
    pub pending_changes: usize,
    pub hooks_per_account: u64,
    pub tokens_per_account: u64,
    /// The size of a hook's token, in bytes.
    pub token_bytes: usize,
    /// How many items a list of a filter may have: kinds, ids, realms, types, states.
    pub filter_items: usize,
    /// How many items the filters of all hooks of an account may have together. The store's writer reads them within one
    /// step, which takes about 3 us an item.
    pub filter_items_per_account: u64,
    /// How long the signing key that was replaced signs beside the new one, if the client does not say.
    pub rotation_overlap: Duration,
    /// How many dead letters one request makes due again at most.
    pub redriven: usize,
    /// How many changes of the journal one request for the feed looks at, at most, whatever its filter lets through.
    pub feed_scan: usize,
    /// How long a request for the feed may wait for something to come. Shorter than `request_timeout`.
    pub feed_wait: Duration,
    /// How many streams of the feed, and requests that wait for it, are open at once. Where all are, the account that has
    /// the most gives one up to an account that has fewer.
    pub feed_streams: usize,
    /// How many of them one account may have, its tokens included.
    pub feed_streams_per_account: usize,
    /// How many items the filters of one account's streams, and requests that wait, may have together; some 200 bytes each.
    pub feed_filter_items_per_account: usize,
    /// How many of them one token may have.
    pub feed_streams_per_token: usize,
    /// How many of them one network may have: an address, or of IPv6 a /64.
    pub feed_streams_per_peer: usize,
    /// For how long a ticket opens a stream.
    pub ticket_for: Duration,
    /// How often a stream says that it is alive, and how far it is.
    pub feed_heartbeat: Duration,
    /// How long a stream may be open before it has to be opened anew.
    pub feed_stream_for: Duration,
    /// How long the reader of a stream may take nothing of what it is sent.
    pub feed_stall: Duration,
    /// How many changes of one account are kept for those that follow it, so that they need not read the store.
    pub feed_ring: usize,
    /// How long the answer to a request with an `Idempotency-Key` is kept.
    pub idempotency_for: Duration,
    /// Whether a hook has to be https.
    pub https_only: bool,
    pub consent: Consent,
    /// How long a receiver that is asked for its consent has to answer. Shorter than `request_timeout`.
    pub consent_timeout: Duration,
    /// How old a list of instances may be for an account that is not polled regularly, before a request
    /// for it has it polled.
    pub fresh_instances: Duration,
    /// The same for realms.
    pub fresh_realms: Duration,
    /// A poll younger than this is as good as another to who asks for one.
    pub refresh_every: Duration,
    /// How long a request waits for such a poll.
    pub poll_wait: Duration,
    /// How many requests one caller may send in a minute.
    pub requests_per_minute: NonZeroU32,
    pub proof: ProofSettings,
    /// When the host is not ready, since its own work with the store keeps failing.
    pub readiness: Threshold,
}

/// A header in which proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// Whether a receiver is asked before it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    #[default]
    None,
    /// By CloudEvents' `OPTIONS` handshake, when a hook is made or gets another URL.
    Ask,
}

/// The operators' own listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSettings {
    /// Its address; none, and there is no such listener.
    pub listen: Option<SocketAddr>,
    /// How many connections it has at once.
    pub connections: usize,
}

/// How credentials are proven, and wrong ones are held off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofSettings {
    /// How long credentials that the provider accepted are taken without asking again.
    pub accepted_for: Duration,
    /// How long credentials that the provider refused are refused without asking again.
    pub refused_for: Duration,
    /// How long credentials are not proven again after the provider gave no answer about them.
    pub failed_for: Duration,
    /// How many different passwords one network may have refused for one account within `window`; then only a
    /// password that was proven before gets in from there. A network is an address, or of IPv6 a /64.
    pub refusals: usize,
    /// The same for one account and all networks together.
    pub refusals_per_account: usize,
    /// How many different credentials one network may have refused within `window`, over all accounts. Beyond that
    /// they are tried one by one, each as a part of the window goes by.
    pub refusals_per_peer: usize,
    pub window: Duration,
    /// How many accounts, and how many addresses, are remembered.
    pub remembered: usize,
    /// How many users may have the same secret at one endpoint: at some providers the user is any name.
    pub users_per_credential: u64,
    /// How many new accounts of one network may become known within `new_accounts_window`.
    pub new_accounts_per_peer: usize,
    pub new_accounts_window: Duration,
    /// How many proofs are under way at once at endpoints that answer soon; more wait.
    pub at_once: usize,
    /// The same at endpoints that were never asked, beside those.
    pub unproven: usize,
    /// The same at endpoints that gave no answer, or take long to give one, beside those.
    pub suspected: usize,
    /// How many proofs of each of these one network may have under way at once.
    pub per_peer: usize,
    /// How many more of one network may wait.
    pub waiting_per_peer: usize,
    /// How long a proof may take until its endpoint is suspected, or it gives way to others that wait.
    pub slow_after: Duration,
    /// How long a proof may wait for its turn.
    pub wait: Duration,
}

impl ProofSettings {
    /// How many proofs may be under way of each share.
    pub fn limits(&self) -> ShareLimits {
        let ProofSettings { at_once, unproven, suspected, slow_after, .. } = *self;
        ShareLimits { prompt: at_once, unproven, slow: suspected, suspected, slow_after }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections: 10_000,
            connections_per_peer: 8_000,
            unfinished_connections: 2_000,
            unfinished_per_peer: 1_000,
            requests_at_once: 10_000,
            requests_at_once_per_account: 1_000,
            requests_at_once_per_peer: 6_000,
            request_memory: 256 << 20,
            request_memory_per_peer: 128 << 20,
            // The least that RFC 9113 (6.5.2) recommends: clients open another connection for more.
            http2_streams: 100,
            // A connection may cancel all of its streams at once, a browser whose tab is closed does, and some ten in a
            // second after that. That is about 20 ms of a core, and 1 % of one.
            http2_budget: 4_000,
            http2_budget_per_second: 200,
            http2_budget_per_peer: 40_000,
            http2_budget_per_peer_per_second: 2_000,
            operator_routes: true,
            operator: OperatorSettings::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            client_ip_headers: vec![ClientHeader::XForwardedFor, ClientHeader::Forwarded],
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            head_bytes: 128 * 1024,
            body_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(20),
            page_items: 1000,
            pending_changes: 10_000,
            hooks_per_account: 10_000,
            tokens_per_account: 100,
            token_bytes: 1024,
            filter_items: 1000,
            filter_items_per_account: 20_000,
            rotation_overlap: Duration::from_secs(24 * 3600),
            redriven: 10_000,
            feed_scan: 20_000,
            feed_wait: Duration::from_secs(30),
            feed_streams: 8_000,
            // Three quarters: as much as one is likely to need, and never all.
            feed_streams_per_account: 6_000,
            // Ten for each stream that it may have.
            feed_filter_items_per_account: 60_000,
            feed_streams_per_token: 2_000,
            feed_streams_per_peer: 6_000,
            ticket_for: Duration::from_secs(60),
            feed_heartbeat: Duration::from_secs(15),
            feed_stream_for: Duration::from_secs(3600),
            feed_stall: Duration::from_secs(30),
            feed_ring: 1024,
            idempotency_for: Duration::from_secs(24 * 3600),
            https_only: false,
            consent: Consent::None,
            consent_timeout: Duration::from_secs(10),
            fresh_instances: Duration::from_secs(60),
            fresh_realms: Duration::from_secs(300),
            refresh_every: Duration::from_secs(5),
            poll_wait: Duration::from_secs(25),
            requests_per_minute: NonZeroU32::new(600_000).expect("invariant: it is more than none"),
            proof: ProofSettings::default(),
            readiness: Threshold::default(),
        }
    }
}

impl Default for OperatorSettings {
    fn default() -> OperatorSettings {
        OperatorSettings { listen: None, connections: 64 }
    }
}

impl Default for ProofSettings {
    fn default() -> ProofSettings {
        ProofSettings {
            accepted_for: Duration::from_secs(600),
            refused_for: Duration::from_secs(60),
            failed_for: Duration::from_secs(5),
            refusals: 5,
            refusals_per_account: 50,
            refusals_per_peer: 1000,
            window: Duration::from_secs(300),
            remembered: 10_000,
            // Several teams of one organization may share a token.
            users_per_credential: 16,
            new_accounts_per_peer: 100,
            new_accounts_window: Duration::from_secs(3600),
            at_once: 24,
            unproven: 24,
            suspected: 16,
            // Half of the larger shares: another network finds a slot at once.
            per_peer: 12,
            waiting_per_peer: 256,
            slow_after: Duration::from_secs(2),
            wait: Duration::from_secs(5),
        }
    }
}
