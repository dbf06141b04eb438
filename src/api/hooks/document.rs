//! A hook as the API shows it: never with its token, and with its signing secret once.

use serde::Serialize;
use utoipa::ToSchema;

use super::signing::{Shown, Signing};
use crate::model::change::href;
use crate::model::{ChangeType, DisableReason, Format, Hook, HookId, HookStatus, Kind, Mode, State, Timestamp, span};
use crate::store::DamagedHook;

/// A hook. A member that was not set is null, and an empty list lets every change through.
// Every hook has the same members. Only the keys are left out where there is nothing to show.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hook)]
pub(crate) struct HookDocument<'a> {
    id: String,
    href: String,
    url: String,
    kinds: &'a [Kind],
    ids: Vec<String>,
    realms: &'a [String],
    types: &'a [ChangeType],
    from: &'a [State],
    to: &'a [State],
    #[schema(value_type = Format)]
    format: &'static str,
    #[schema(value_type = Mode)]
    mode: &'static str,
    #[schema(required)]
    rate_per_second: Option<f64>,
    #[schema(required)]
    retries: Option<Vec<String>>,
    #[schema(required)]
    description: Option<&'a str>,
    /// Whether a token is set.
    token: bool,
    /// Null if the host can no longer open the key.
    #[schema(value_type = Option<Signing>, required)]
    signing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    public_key: Option<String>,
    #[schema(required)]
    track: Option<TrackedDocument<'a>>,
    #[schema(value_type = HookStatus)]
    status: &'static str,
    #[schema(required)]
    disabled: Option<DisabledDocument>,
    #[schema(required)]
    failing_since: Option<Timestamp>,
    created: Timestamp,
    #[schema(required)]
    secret_rotates_until: Option<Timestamp>,
}

/// A hook in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ListedHook<'a> {
    Whole(Box<HookDocument<'a>>),
    Damaged(DamagedHookDocument),
}

/// A hook that the host cannot read from its store. It receives nothing; its owner can delete it, or set it again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DamagedHook)]
pub(crate) struct DamagedHookDocument {
    id: String,
    href: String,
    status: DamagedStatus,
    /// The part that cannot be read, and why.
    reason: String,
}

/// The status of a hook or a token that the host cannot read.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DamagedStatus {
    Damaged,
}

impl DamagedHookDocument {
    pub(super) fn of(damaged: &DamagedHook, public_url: &str) -> DamagedHookDocument {
        DamagedHookDocument {
            id: damaged.id.to_string(),
            href: link(public_url, damaged.id),
            status: DamagedStatus::Damaged,
            reason: damaged.reason.clone(),
        }
    }
}

/// The one resource that a hook was set on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrackedResource)]
struct TrackedDocument<'a> {
    kind: Kind,
    id: &'a str,
    href: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Disabled)]
struct DisabledDocument {
    at: Timestamp,
    #[schema(value_type = DisableReason)]
    reason: &'static str,
}

impl<'a> HookDocument<'a> {
    pub(super) fn of(hook: &'a Hook, key: Option<Shown>, public_url: &str, now: Timestamp) -> HookDocument<'a> {
        let spec = &hook.spec;
        let disabled = match hook.status {
            HookStatus::Active | HookStatus::Paused => None,
            HookStatus::Disabled { at, reason } => Some(DisabledDocument { at, reason: DisableReason::as_str(reason) }),
        };
        let retries = |waits: &Vec<std::time::Duration>| waits.iter().copied().map(span::to_text).collect();
        HookDocument {
            id: hook.id.to_string(),
            href: link(public_url, hook.id),
            url: spec.url.to_string(),
            kinds: &spec.filter.kinds,
            ids: spec.filter.ids.iter().map(ToString::to_string).collect(),
            realms: &spec.filter.realms,
            types: &spec.filter.types,
            from: &spec.filter.from,
            to: &spec.filter.to,
            format: spec.format.as_str(),
            mode: spec.mode.as_str(),
            rate_per_second: spec.rate.map(|rate| rate.as_per_second()),
            retries: spec.retries.as_ref().map(retries),
            description: spec.description.as_deref(),
            token: spec.token.is_some(),
            signing: key.as_ref().map(|key| key.signing.as_str()),
            secret: key.as_ref().and_then(|key| key.secret.clone()),
            public_key: key.and_then(|key| key.public_key),
            track: hook.track.as_ref().map(|(kind, id)| TrackedDocument {
                kind: *kind,
                id: id.as_str(),
                href: href(public_url, *kind, id),
            }),
            status: hook.status.as_str(),
            disabled,
            failing_since: hook.failing_since,
            created: hook.created,
            secret_rotates_until: hook.secrets.previous.as_ref().map(|(_, until)| *until).filter(|until| *until > now),
        }
    }
}

/// Where the API shows a hook.
pub(super) fn link(public_url: &str, hook: HookId) -> String {
    format!("{public_url}/api/hooks/{hook}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::model::{
        AccountId, Filter, HookSecrets, HookSpec, HookUrl, HookVersion, IdPattern, InstanceState, Owner, Rate,
        ResourceId, Sealed,
    };

    #[test]
    fn has_the_members_of_the_contract() {
        let at = Timestamp::from_millis;
        let filter = Filter {
            kinds: vec![Kind::Instance],
            ids: vec![IdPattern::Prefix("web-".into())],
            realms: vec!["us".into()],
            types: vec![ChangeType::InstanceState],
            from: vec![],
            to: vec![State::Instance(InstanceState::Stopped)],
        };
        let hook = Hook {
            id: HookId(7),
            account: AccountId(1),
            owner: Owner::Account,
            track: Some((Kind::Instance, ResourceId::parse("i 1").expect("id"))),
            spec: HookSpec {
                url: HookUrl::parse("https://e.com/cb").expect("url"),
                token: Some(Sealed(b"sealed token".to_vec())),
                filter,
                format: Format::CloudEvents,
                mode: Mode::Latest,
                rate: Rate::per_second(2.5),
                retries: Some(vec![Duration::from_secs(5), Duration::from_secs(36_000)]),
                description: Some("pager".into()),
            },
            secrets: HookSecrets { current: Sealed(vec![]), previous: Some((Sealed(vec![]), at(9000))) },
            status: HookStatus::Disabled { at: at(4000), reason: DisableReason::Failing },
            failing_since: Some(at(3000)),
            created: at(1000),
            version: HookVersion { store: 1, number: 1 },
        };
        let shown = Shown { signing: Signing::Hmac, secret: None, public_key: None };
        let document = HookDocument::of(&hook, Some(shown), "https://tracker.example", at(5000));
        assert_eq!(
            serde_json::to_value(document).expect("json"),
            json!({
                "id": "7",
                "href": "https://tracker.example/api/hooks/7",
                "url": "https://e.com/cb",
                "kinds": ["instance"],
                "ids": ["web-*"],
                "realms": ["us"],
                "types": ["instance.state"],
                "from": [],
                "to": ["STOPPED"],
                "format": "cloudevents",
                "mode": "latest",
                "rate_per_second": 2.5,
                "retries": ["5s", "10h"],
                "description": "pager",
                "token": true,
                "signing": "hmac",
                "track": { "kind": "instance", "id": "i 1", "href": "https://tracker.example/api/instances/i%201" },
                "status": "disabled",
                "disabled": { "at": "1970-01-01T00:00:04.000Z", "reason": "failing" },
                "failing_since": "1970-01-01T00:00:03.000Z",
                "created": "1970-01-01T00:00:01.000Z",
                "secret_rotates_until": "1970-01-01T00:00:09.000Z",
            })
        );
        let later = serde_json::to_value(HookDocument::of(&hook, None, "", at(9000))).expect("json");
        assert_eq!((&later["secret_rotates_until"], &later["signing"]), (&json!(null), &json!(null)));
    }
}
