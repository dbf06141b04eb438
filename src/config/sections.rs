//! One section a room: which key sets which of the room's settings, and how its value is written.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use serde::Deserialize;

use super::LogSettings;
use super::log::{LogFilter, LogFormat};
use super::signatures::SignaturesSection;
use super::values::{Part, Period, ProxyUrl, Range, Ranges, Size, Span, Spans};
use crate::driver::{self, Limits};
use crate::metrics::Threshold;
use crate::model::breaker;
use crate::model::flapping::Damping;
use crate::net::ClientSettings;
use crate::store::sqlite::{self, Synchronous};
use crate::{api, deliver, poll, retention};

/// Makes a section of keys that are laid over a room's settings, `key: how it is written => what it sets`; and
/// of others, which `Config` takes up itself. A setting that has no key is named under `apart`: without that,
/// a room's new setting does not compile until it has one.
macro_rules! section {
    (
        $(#[$doc:meta])*
        $name:ident over $settings:path { $($key:ident: $written:ty => $setting:ident,)* }
        $(also { $($other:ident: $type:ty,)* })?
        $(apart { $($apart:ident,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name {
            $($key: Option<$written>,)*
            $($(pub(super) $other: $type,)*)?
        }

        impl $name {
            /// Sets what is written in the file, and leaves the rest as it is.
            pub(super) fn lay_over(&mut self, settings: &mut $settings) {
                let $settings { $($setting,)* $($($apart: _,)*)? } = settings;
                $(if let Some(value) = self.$key.take() {
                    *$setting = value.into();
                })*
            }
        }
    };
}

section! {
    /// `[drivers]`
    DriversSection over driver::Settings {
        directory: PathBuf => directory,
        lock: PathBuf => lock,
        require_tested: bool => require_tested,
    } also {
        fetch: Option<bool>,
        fetch_timeout: Option<Period>,
        limits: LimitsSection,
        compile: CompileSection,
        signatures: SignaturesSection,
    } apart {
        cache,
        signatures,
    }
}

section! {
    /// `[drivers.limits]`: the keys are those that the errors of a passed limit name.
    LimitsSection over Limits {
        memory: Size => memory,
        poll_memory: Size => poll_memory,
        total_memory: Size => total_memory,
        table_elements: NonZeroUsize => table_elements,
        cpu_per_page: Period => cpu_per_page,
        heavy_after: Period => heavy_after,
        request_timeout: Period => request_timeout,
        poll_timeout: Period => poll_timeout,
        pages: NonZeroU32 => pages,
        items: NonZeroUsize => items,
        list_bytes: Size => list_bytes,
        labels: NonZeroUsize => labels,
        field_bytes: Size => field_bytes,
        answer_bytes: Size => answer_bytes,
        answer_header_bytes: Size => answer_header_bytes,
        request_header_bytes: Size => request_header_bytes,
        request_bytes: Size => request_bytes,
        requests: NonZeroU32 => requests,
        requests_at_once: NonZeroU32 => requests_at_once,
        handles: NonZeroUsize => handles,
        log_lines: u32 => log_lines,
        sandboxes: NonZeroU32 => sandboxes,
        driver_bytes: Size => driver_bytes,
    }
}

section! {
    /// `[drivers.compile]`
    CompileSection over driver::compile::Settings {
        memory: Size => memory,
        cpu: Period => cpu,
        time: Period => time,
    } apart {
        executable,
    }
}

section! {
    /// `[polling]`
    PollingSection over poll::Settings {
        instances_every: Period => instances_every,
        realms_every: Period => realms_every,
        fast: Period => fast,
        fast_after_hook: Span => fast_after_hook,
        fast_for: Span => fast_for,
        quiet_after: Period => quiet_after,
        quiet: Period => quiet,
        full_every: Span => full_every,
        delta_overlap: Span => delta_overlap,
        jitter: Part => jitter,
        requests_per_minute: NonZeroU32 => requests_per_minute,
        max_backoff: Period => max_backoff,
        removal_confirmations: NonZeroU32 => removal_confirmations,
        unreachable_after: NonZeroU32 => unreachable_after,
        concurrency: NonZeroUsize => concurrency,
        unproven: NonZeroUsize => unproven,
        slow: NonZeroUsize => slow,
        suspected: NonZeroUsize => suspected,
        slow_after: Period => slow_after,
        per_endpoint: NonZeroUsize => per_endpoint,
        lease: Period => lease,
        grace: Span => grace,
        forget_after: Span => forget_after,
    } also {
        mass_changes: MassChangesSection,
        damping: DampingSection,
        breaker: BreakerSection,
    } apart {
        mass_changes,
        damping,
        breaker,
    }
}

section! {
    /// `[polling.mass_changes]`
    MassChangesSection over poll::mass_change::Settings {
        share: Part => share,
        least: NonZeroUsize => least,
        until: WrittenUntil => until,
    }
}

section! {
    /// `[polling.damping]`
    DampingSection over Damping {
        flips: u32 => flips,
        within: Period => within,
        stable_for: Period => stable_for,
    }
}

/// How long a mass change is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenUntil {
    Confirmed,
    Accepted,
}

impl From<WrittenUntil> for poll::mass_change::Until {
    fn from(written: WrittenUntil) -> poll::mass_change::Until {
        match written {
            WrittenUntil::Confirmed => poll::mass_change::Until::Confirmed,
            WrittenUntil::Accepted => poll::mass_change::Until::Accepted,
        }
    }
}

section! {
    /// `[delivery]`
    DeliverySection over deliver::Settings {
        concurrency: NonZeroUsize => concurrency,
        probation: NonZeroUsize => probation,
        slow_after: Period => slow_after,
        per_hook: NonZeroUsize => per_hook,
        per_destination: NonZeroUsize => per_destination,
        destinations: NonZeroUsize => destinations,
        batch: NonZeroUsize => batch,
        timeout: Period => timeout,
        lease: Period => lease,
        look_every: Period => idle,
        grace: Span => grace,
        disable_after: Period => disable_after,
        answer_bytes: Size => answer_bytes,
        attempts_for: Span => attempts_for,
        attempts_per_hook: NonZeroUsize => attempts_per_hook,
        catch_up: NonZeroUsize => catch_up,
        backlog: NonZeroUsize => backlog,
    } also {
        allow_addresses: Option<Vec<Range>>,
        https_only: Option<bool>,
        consent: Option<WrittenConsent>,
        retries: RetriesSection,
        breaker: BreakerSection,
    } apart {
        retries,
        breaker,
    }
}

section! {
    /// `[delivery.breaker]`
    BreakerSection over breaker::Settings {
        failures: NonZeroU32 => failures,
        timeouts: NonZeroU32 => timeouts,
        window: Span => window,
        open_for: Period => open_for,
        open_at_most: Period => open_at_most,
    }
}

/// Whether a receiver is asked before it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenConsent {
    None,
    Ask,
}

impl From<WrittenConsent> for api::Consent {
    fn from(written: WrittenConsent) -> api::Consent {
        match written {
            WrittenConsent::None => api::Consent::None,
            WrittenConsent::Ask => api::Consent::Ask,
        }
    }
}

section! {
    /// `[delivery.retries]`
    RetriesSection over deliver::Retries {
        waits: Spans => waits,
        jitter: Part => jitter,
        slow_down: Span => slow_down,
        longest_asked: Span => longest_asked,
    }
}

/// Where proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenClientHeader {
    XForwardedFor,
    Forwarded,
}

/// In the order in which they are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct WrittenClientHeaders(Vec<WrittenClientHeader>);

impl From<WrittenClientHeaders> for Vec<api::ClientHeader> {
    fn from(written: WrittenClientHeaders) -> Vec<api::ClientHeader> {
        let header = |written| match written {
            WrittenClientHeader::XForwardedFor => api::ClientHeader::XForwardedFor,
            WrittenClientHeader::Forwarded => api::ClientHeader::Forwarded,
        };
        written.0.into_iter().map(header).collect()
    }
}

section! {
    /// `[api]`
    ApiSection over api::Settings {
        connections: NonZeroUsize => connections,
        connections_per_peer: NonZeroUsize => connections_per_peer,
        unfinished_connections: NonZeroUsize => unfinished_connections,
        unfinished_per_peer: NonZeroUsize => unfinished_per_peer,
        requests_at_once: NonZeroUsize => requests_at_once,
        requests_at_once_per_account: NonZeroUsize => requests_at_once_per_account,
        requests_at_once_per_peer: NonZeroUsize => requests_at_once_per_peer,
        request_memory: Size => request_memory,
        request_memory_per_peer: Size => request_memory_per_peer,
        http2_streams: NonZeroU32 => http2_streams,
        http2_budget: NonZeroU32 => http2_budget,
        http2_budget_per_second: NonZeroU32 => http2_budget_per_second,
        http2_budget_per_peer: NonZeroU32 => http2_budget_per_peer,
        http2_budget_per_peer_per_second: NonZeroU32 => http2_budget_per_peer_per_second,
        operator_routes: bool => operator_routes,
        trusted_proxies: Ranges => trusted_proxies,
        client_ip_headers: WrittenClientHeaders => client_ip_headers,
        header_timeout: Period => header_timeout,
        write_timeout: Period => write_timeout,
        request_timeout: Period => request_timeout,
        grace: Span => grace,
        head_bytes: Size => head_bytes,
        body_bytes: Size => body_bytes,
        body_timeout: Period => body_timeout,
        page_items: NonZeroUsize => page_items,
        owed_changes: NonZeroUsize => owed_changes,
        hooks_per_account: u64 => hooks_per_account,
        tokens_per_account: u64 => tokens_per_account,
        token_bytes: Size => token_bytes,
        filter_items: NonZeroUsize => filter_items,
        rotation_overlap: Span => rotation_overlap,
        redriven: NonZeroUsize => redriven,
        feed_looked_at: NonZeroUsize => feed_looked_at,
        feed_wait: Span => feed_wait,
        feed_streams: NonZeroUsize => feed_streams,
        feed_streams_per_account: NonZeroUsize => feed_streams_per_account,
        feed_streams_per_token: NonZeroUsize => feed_streams_per_token,
        feed_streams_per_peer: NonZeroUsize => feed_streams_per_peer,
        feed_heartbeat: Period => feed_heartbeat,
        feed_stream_for: Period => feed_stream_for,
        feed_stall: Period => feed_stall,
        feed_ring: NonZeroUsize => feed_ring,
        answers_kept: Period => answers_kept,
        consent_timeout: Period => consent_timeout,
        fresh_instances: Span => fresh_instances,
        fresh_realms: Span => fresh_realms,
        refresh_every: Span => refresh_every,
        poll_wait: Span => poll_wait,
        requests_per_minute: NonZeroU32 => requests_per_minute,
    } also {
        credentials: CredentialsSection,
        readiness: ReadinessSection,
    } apart {
        https_only,
        consent,
        proof,
        readiness,
        operator,
    }
}

section! {
    /// `[operator]`
    OperatorSection over api::OperatorSettings {
        listen: SocketAddr => listen,
        connections: NonZeroUsize => connections,
    }
}

section! {
    /// `[api.credentials]`
    CredentialsSection over api::ProofSettings {
        accepted_for: Span => accepted_for,
        refused_for: Span => refused_for,
        failed_for: Span => failed_for,
        refusals: NonZeroUsize => refusals,
        refusals_per_account: NonZeroUsize => refusals_per_account,
        refusals_per_peer: NonZeroUsize => refusals_per_peer,
        window: Period => window,
        remembered: NonZeroUsize => remembered,
        at_once: NonZeroUsize => at_once,
        per_peer: NonZeroUsize => per_peer,
        waiting_per_peer: NonZeroUsize => waiting_per_peer,
        unproven: NonZeroUsize => unproven,
        suspected: NonZeroUsize => suspected,
        slow_after: Period => slow_after,
        wait: Period => wait,
    }
}

section! {
    /// `[api.readiness]`
    ReadinessSection over Threshold {
        failures: NonZeroU32 => failures,
        lasting: Span => lasting,
    }
}

section! {
    /// `[journal]`
    JournalSection over retention::Settings {
        keep_for: Period => keep_for,
        keep_changes: NonZeroU64 => keep_changes,
        every: Period => every,
    }
}

section! {
    /// `[store]`
    StoreSection over sqlite::Settings {
        synchronous: WrittenSynchronous => synchronous,
        readers: NonZeroUsize => readers,
        queue: NonZeroUsize => queue,
        page_cache: Size => page_cache,
        log: Size => log,
        fold_after: Period => fold_after,
        step_rows: NonZeroUsize => step_rows,
        damaged_rows: NonZeroUsize => damaged_rows,
        size: Size => size,
        account_share: Part => account_share,
        warn_at: Part => warn_at,
        busy_timeout: Span => busy_timeout,
    } apart {
        disk,
    }
}

/// What is on disk when a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenSynchronous {
    Full,
    Normal,
}

impl From<WrittenSynchronous> for Synchronous {
    fn from(written: WrittenSynchronous) -> Synchronous {
        match written {
            WrittenSynchronous::Full => Synchronous::Full,
            WrittenSynchronous::Normal => Synchronous::Normal,
        }
    }
}

section! {
    /// `[network]`
    NetworkSection over ClientSettings {
        connect_timeout: Period => connect_timeout,
        idle_connections_per_host: NonZeroUsize => idle_per_host,
        idle_timeout: Period => idle_timeout,
        lookups: NonZeroUsize => lookups,
        clients: NonZeroUsize => clients,
        proxy: ProxyUrl => proxy,
    }
}

section! {
    /// `[log]`
    LogSection over LogSettings {
        format: LogFormat => format,
        filter: LogFilter => filter,
        lines: NonZeroUsize => lines,
        lines_every: Period => lines_every,
    }
}
