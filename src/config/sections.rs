//! One section for each module: which key sets which setting of the module, and the format of its value.

use serde::Deserialize;

use super::LogSettings;
use super::bounds::{
    Bytes, Count, DAY, GIB, HOUR, Interval, KIB, Lasting, MIB, MINUTE, Number, Patience, PerMinute, SECOND, Time, Waits,
};
use super::log::{LogFilter, LogFormat};
use super::signatures::SignaturesSection;
use super::values::{FilePath, Listen, Origins, Part, ProxyUrl, Range, Ranges};
use crate::driver::{self, Limits};
use crate::metrics::Threshold;
use crate::model::breaker;
use crate::model::flapping::Damping;
use crate::net::ClientSettings;
use crate::store::sqlite::{self, Synchronous};
use crate::{api, deliver, poll, retention, supply};

/// Defines a section: keys that override a module's settings, as `key: type of the value => setting`; and other keys, which
/// `Config` handles itself. A setting without a key is listed under `apart`: a new setting of a module does not compile
/// without one of these.
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
    DriversSection over supply::Settings {
        directory: FilePath => directory,
        lock: FilePath => lock,
        require_tested: bool => require_tested,
    } also {
        fetch: Option<bool>,
        fetch_timeout: Option<Patience>,
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
        memory: Bytes<{ 4 * MIB }, { 4 * GIB }> => memory,
        poll_memory: Bytes<{ 16 * MIB }, { 64 * GIB }> => poll_memory,
        total_memory: Bytes<{ 16 * MIB }, { 1024 * GIB }> => total_memory,
        table_elements: Count<1000, 10_000_000> => table_elements,
        cpu_per_page: Time<10, { 10 * MINUTE }> => cpu_per_page,
        heavy_after: Time<1, { 10 * MINUTE }> => heavy_after,
        request_timeout: Patience => request_timeout,
        poll_timeout: Patience => poll_timeout,
        pages: Number => pages,
        empty_pages: Number => empty_pages,
        items: Count<100, 10_000_000> => items,
        list_bytes: Bytes<{ 64 * KIB }, { 64 * GIB }> => list_bytes,
        labels: Count<1, 100_000> => labels,
        field_bytes: Bytes<256, { 16 * MIB }> => field_bytes,
        answer_bytes: Bytes<{ 4 * KIB }, { 4 * GIB }> => answer_bytes,
        answer_header_bytes: Bytes<KIB, { 400 * KIB }> => answer_header_bytes,
        request_header_bytes: Bytes<KIB, MIB> => request_header_bytes,
        request_bytes: Bytes<KIB, { 256 * MIB }> => request_bytes,
        requests: Number => requests,
        requests_at_once: Count<1, 10_000> => requests_at_once,
        handles: Count<64, 1_000_000> => handles,
        log_lines: Count<0, 1_000_000> => log_lines,
        sandboxes: Count<1, 4096> => sandboxes,
        driver_bytes: Bytes<MIB, { 4 * GIB }> => driver_bytes,
    }
}

section! {
    /// `[drivers.compile]`
    CompileSection over driver::compile::Settings {
        memory: Bytes<{ 192 * MIB }, { 64 * GIB }> => memory,
        cpu: Time<SECOND, HOUR> => cpu,
        time: Time<SECOND, DAY> => time,
    } apart {
        executable,
    }
}

section! {
    /// `[polling]`
    PollingSection over poll::Settings {
        instances_every: Interval => instances_every,
        realms_every: Interval => realms_every,
        fast: Interval => fast,
        fast_after_hook: Lasting => fast_after_hook,
        fast_for: Lasting => fast_for,
        quiet_after: Interval => quiet_after,
        quiet: Interval => quiet,
        full_every: Lasting => full_every,
        delta_overlap: Time<0, DAY> => delta_overlap,
        jitter: Part => jitter,
        requests_per_minute: PerMinute => requests_per_minute,
        max_backoff: Interval => max_backoff,
        removal_confirmations: Count<1, 1000> => removal_confirmations,
        unreachable_after: Count<1, 1000> => unreachable_after,
        concurrency: Count<1, 4096> => concurrency,
        unproven: Count<1, 4096> => unproven,
        slow: Count<1, 4096> => slow,
        suspected: Count<1, 4096> => suspected,
        slow_after: Patience => slow_after,
        per_endpoint: Count<1, 4096> => per_endpoint,
        lease: Time<100, { 2 * DAY }> => lease,
        grace: Time<0, HOUR> => grace,
        forget_after: Lasting => forget_after,
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
        least: Number => least,
        until: WrittenUntil => until,
    }
}

section! {
    /// `[polling.damping]`
    DampingSection over Damping {
        flips: Count<0, 1000> => flips,
        within: Interval => within,
        stable_for: Interval => stable_for,
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
        concurrency: Count<1, 1_000_000> => concurrency,
        probation: Count<1, 1_000_000> => probation,
        slow_after: Patience => slow_after,
        per_hook: Count<1, 1_000_000> => per_hook,
        per_destination: Count<1, 1_000_000> => per_destination,
        destinations: Count<1, 1_000_000> => destinations,
        batch: Count<1, 10_000> => batch,
        timeout: Patience => timeout,
        lease: Time<100, { 2 * DAY }> => lease,
        scan_every: Time<10, HOUR> => idle,
        grace: Time<0, HOUR> => grace,
        disable_after: Time<MINUTE, { 3650 * DAY }> => disable_after,
        answer_bytes: Bytes<0, MIB> => answer_bytes,
        attempts_for: Lasting => attempts_for,
        attempts_per_hook: Number => attempts_per_hook,
        catch_up: Count<1, 100_000> => catch_up,
        backlog: Number => backlog,
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
        failures: Count<1, 1_000_000> => failures,
        timeouts: Count<1, 1_000_000> => timeouts,
        window: Time<0, DAY> => window,
        open_for: Interval => open_for,
        open_at_most: Interval => open_at_most,
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
        waits: Waits => waits,
        jitter: Part => jitter,
        slow_down: Time<0, DAY> => slow_down,
        longest_asked: Lasting => longest_asked,
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
        connections: Count<1, 1_000_000> => connections,
        connections_per_peer: Count<1, 1_000_000> => connections_per_peer,
        unfinished_connections: Count<1, 1_000_000> => unfinished_connections,
        unfinished_per_peer: Count<1, 1_000_000> => unfinished_per_peer,
        requests_at_once: Count<1, 1_000_000> => requests_at_once,
        requests_at_once_per_account: Count<1, 1_000_000> => requests_at_once_per_account,
        requests_at_once_per_peer: Count<1, 1_000_000> => requests_at_once_per_peer,
        request_memory: Bytes<{ 64 * KIB }, { 1024 * GIB }> => request_memory,
        request_memory_per_peer: Bytes<{ 64 * KIB }, { 1024 * GIB }> => request_memory_per_peer,
        http2_streams: Count<1, 10_000> => http2_streams,
        http2_budget: Count<100, 10_000_000> => http2_budget,
        http2_budget_per_second: Count<10, 10_000_000> => http2_budget_per_second,
        http2_budget_per_peer: Count<100, 10_000_000> => http2_budget_per_peer,
        http2_budget_per_peer_per_second: Count<10, 10_000_000> => http2_budget_per_peer_per_second,
        operator_routes: bool => operator_routes,
        trusted_proxies: Ranges => trusted_proxies,
        client_ip_headers: WrittenClientHeaders => client_ip_headers,
        cors_origins: Origins => cors_origins,
        header_timeout: Patience => header_timeout,
        write_timeout: Patience => write_timeout,
        request_timeout: Patience => request_timeout,
        grace: Time<0, HOUR> => grace,
        head_bytes: Bytes<{ 8 * KIB }, { 16 * MIB }> => head_bytes,
        body_bytes: Bytes<KIB, { 64 * MIB }> => body_bytes,
        body_timeout: Patience => body_timeout,
        page_items: Count<1, 100_000> => page_items,
        pending_changes: Count<1, 1_000_000> => pending_changes,
        hooks_per_account: Count<0, 1_000_000> => hooks_per_account,
        tokens_per_account: Count<0, 1_000_000> => tokens_per_account,
        token_bytes: Bytes<16, { 64 * KIB }> => token_bytes,
        filter_items: Count<1, 100_000> => filter_items,
        filter_items_per_account: Count<1, 10_000_000> => filter_items_per_account,
        rotation_overlap: Time<0, { 7 * DAY }> => rotation_overlap,
        redrive_limit: Number => redriven,
        feed_scan: Count<100, 10_000_000> => feed_scan,
        feed_wait: Time<SECOND, DAY> => feed_wait,
        feed_streams: Count<1, 1_000_000> => feed_streams,
        feed_streams_per_account: Count<1, 1_000_000> => feed_streams_per_account,
        feed_filter_items_per_account: Count<1, 10_000_000> => feed_filter_items_per_account,
        feed_streams_per_token: Count<1, 1_000_000> => feed_streams_per_token,
        feed_streams_per_peer: Count<1, 1_000_000> => feed_streams_per_peer,
        ticket_for: Time<SECOND, HOUR> => ticket_for,
        feed_heartbeat: Time<100, HOUR> => feed_heartbeat,
        feed_stream_for: Time<SECOND, { 30 * DAY }> => feed_stream_for,
        feed_stall: Time<100, HOUR> => feed_stall,
        feed_ring: Count<1, 1_000_000> => feed_ring,
        idempotency_for: Time<SECOND, { 365 * DAY }> => idempotency_for,
        consent_timeout: Patience => consent_timeout,
        fresh_instances: Lasting => fresh_instances,
        fresh_realms: Lasting => fresh_realms,
        refresh_every: Lasting => refresh_every,
        poll_wait: Time<SECOND, DAY> => poll_wait,
        requests_per_minute: PerMinute => requests_per_minute,
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
        listen: Listen => listen,
        connections: Count<1, 10_000> => connections,
    }
}

section! {
    /// `[api.credentials]`
    CredentialsSection over api::ProofSettings {
        accepted_for: Lasting => accepted_for,
        refused_for: Lasting => refused_for,
        failed_for: Lasting => failed_for,
        refusals: Count<1, 1_000_000> => refusals,
        refusals_per_account: Count<1, 1_000_000> => refusals_per_account,
        refusals_per_peer: Count<1, 1_000_000> => refusals_per_peer,
        window: Interval => window,
        remembered: Count<1, 1_000_000> => remembered,
        users_per_credential: Count<1, 1_000_000> => users_per_credential,
        new_accounts_per_peer: Count<1, 1_000_000> => new_accounts_per_peer,
        new_accounts_window: Interval => new_accounts_window,
        at_once: Count<1, 4096> => at_once,
        per_peer: Count<1, 4096> => per_peer,
        waiting_per_peer: Count<1, 1_000_000> => waiting_per_peer,
        unproven: Count<1, 4096> => unproven,
        suspected: Count<1, 4096> => suspected,
        slow_after: Patience => slow_after,
        wait: Patience => wait,
    }
}

section! {
    /// `[api.readiness]`
    ReadinessSection over Threshold {
        failures: Count<1, 1000> => failures,
        lasting: Time<0, DAY> => lasting,
    }
}

section! {
    /// `[journal]`
    JournalSection over retention::Settings {
        keep_for: Time<MINUTE, { 3650 * DAY }> => keep_for,
        keep_changes: Count<100, { u32::MAX }> => keep_changes,
        every: Time<100, DAY> => every,
    }
}

section! {
    /// `[store]`
    StoreSection over sqlite::Settings {
        synchronous: WrittenSynchronous => synchronous,
        readers: Count<1, 64> => readers,
        queue: Count<4, 1_000_000> => queue,
        page_cache: Bytes<MIB, { 64 * GIB }> => page_cache,
        wal_size: Bytes<{ 64 * KIB }, { 16 * GIB }> => log,
        checkpoint_after: Time<100, HOUR> => checkpoint_after,
        step_rows: Count<1, 100_000> => step_rows,
        damaged_rows: Count<1, 1_000_000> => damaged_rows,
        filters_kept: Count<0, 100_000_000> => filters_kept,
        page_bytes: Bytes<{ 16 * KIB }, { 256 * MIB }> => page_bytes,
        size: Bytes<MIB, { 1024 * 1024 * GIB }> => size,
        account_share: Part => account_share,
        warn_at: Part => warn_at,
        reserve: Part => reserve,
        busy_timeout: Time<0, HOUR> => busy_timeout,
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
        connect_timeout: Patience => connect_timeout,
        idle_connections_per_host: Count<1, 100_000> => idle_per_host,
        idle_timeout: Time<100, DAY> => idle_timeout,
        lookups: Count<2, 1024> => lookups,
        clients: Count<1, 10_000> => clients,
        proxy: ProxyUrl => proxy,
    }
}

section! {
    /// `[log]`
    LogSection over LogSettings {
        format: LogFormat => format,
        filter: LogFilter => filter,
        lines: Count<10, 10_000_000> => lines,
        lines_every: Time<100, HOUR> => lines_every,
    }
}
