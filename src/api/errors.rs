//! The one place that turns errors of any kind into problems. A fault of the client is a 4xx, a fault of a provider or
//! its driver is 502 or 503, and only a fault of the host is a 500. A caller that is not authenticated yet gets no
//! details about the provider or the store.

use std::time::Duration;

use super::auth::identify::{Unidentified, Unnamed};
use super::auth::proof::claim::ProofError;
use super::input::json::BodyError;
use super::input::parameters::ParameterError;
use super::problem::{Problem, ProblemType, RETRY_SOON};
use crate::driver::CallError;
use crate::metrics::Unrecorded;
use crate::model::ErrorCode;
use crate::model::resource::InvalidResourceId;
use crate::roster::NotOnRoster;
use crate::store::{PollError, StoreError};
use crate::vault::VaultError;

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Problem {
        let detail = error.to_string();
        match error {
            ParameterError::Encoding(_) => Problem::new(ProblemType::MalformedRequest, detail),
            ParameterError::Unknown { name, known } => {
                Problem::new(ProblemType::UnknownParameter, detail).with("parameter", name).with("known", known)
            }
            ParameterError::Repeated(name) | ParameterError::Contradicted(name) => {
                Problem::new(ProblemType::InvalidParameter, detail).with("parameter", name)
            }
            ParameterError::Invalid { name, .. } => {
                Problem::new(ProblemType::InvalidParameter, detail).with("parameter", name)
            }
        }
    }
}

impl From<InvalidResourceId> for Problem {
    fn from(error: InvalidResourceId) -> Problem {
        Problem::new(ProblemType::InvalidId, error.to_string())
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Problem {
        let detail = error.to_string();
        match error {
            BodyError::Malformed(_) | BodyError::NoObject(_) => Problem::new(ProblemType::MalformedRequest, detail),
            BodyError::Unknown { name, known } => {
                Problem::new(ProblemType::UnknownMember, detail).with("member", name).with("known", known)
            }
            BodyError::Invalid { pointer, .. } => {
                Problem::new(ProblemType::InvalidMember, detail).with("where", pointer)
            }
        }
    }
}

impl From<Unidentified> for Problem {
    fn from(error: Unidentified) -> Problem {
        Problem::new(ProblemType::CredentialsMissing, error.to_string())
    }
}

/// A name in a header is a parameter of the request like any other, so these are 400 and not 404: the
/// resource that the path names may well be there.
impl From<Unnamed> for Problem {
    fn from(error: Unnamed) -> Problem {
        let detail = error.to_string();
        match error {
            Unnamed::Malformed { .. } | Unnamed::Repeated { .. } => Problem::new(ProblemType::MalformedRequest, detail),
            Unnamed::UnknownDriver { known, .. } => {
                Problem::new(ProblemType::UnknownDriver, detail).with("known", known)
            }
            Unnamed::NoDriver { known } | Unnamed::NoProvider { known, .. } => {
                Problem::new(ProblemType::ProviderNotNamed, detail).with("known", known)
            }
        }
    }
}

impl From<NotOnRoster> for Problem {
    fn from(error: NotOnRoster) -> Problem {
        let detail = error.to_string();
        match error {
            NotOnRoster::Driver { known, .. } => Problem::new(ProblemType::UnknownDriver, detail).with("known", known),
            NotOnRoster::Provider { known, .. } => {
                Problem::new(ProblemType::UnknownProvider, detail).with("known", known)
            }
            // How the operator configured it is for the log.
            NotOnRoster::Options(misfit) => {
                let detail = "its driver does not take the options that the operator configured for it";
                Problem::new(ProblemType::AccountUnusable, detail).logging(misfit)
            }
            NotOnRoster::Roles(misfit) => {
                let detail = "its driver does not take the endpoints that the operator configured for its provider";
                Problem::new(ProblemType::AccountUnusable, detail).logging(misfit)
            }
            NotOnRoster::Secret(misfit) => {
                let detail = "its driver does not take a secret of the kind that it has";
                Problem::new(ProblemType::AccountUnusable, detail).logging(misfit)
            }
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Problem {
        match error {
            ProofError::NotOnRoster(error) => error.into(),
            ProofError::Refused => Problem::new(ProblemType::CredentialsRefused, error.to_string()),
            ProofError::TooMany { retry_after } => {
                let detail = "too many different passwords were refused recently; a password that was accepted before \
                              still works";
                Problem::new(ProblemType::TooManyAttempts, detail).retry_after(retry_after)
            }
            ProofError::NoAnswer(error) => not_proven(&error),
            ProofError::CircuitOpen { retry_after } => {
                let detail = "the provider did not answer several times; requests to it pause";
                Problem::new(ProblemType::ProviderFailed, detail).with("code", "circuit-open").retry_after(retry_after)
            }
            ProofError::PeerBusy { retry_after, limit } => Problem::new(ProblemType::RequestLimit, error.to_string())
                .with("of", "address")
                .with("limit", limit)
                .retry_after(retry_after),
            ProofError::Busy { retry_after } => {
                Problem::new(ProblemType::ProofsBusy, error.to_string()).retry_after(retry_after)
            }
            ProofError::TooManyNewcomers { retry_after } => {
                Problem::new(ProblemType::TooManyNewAccounts, error.to_string()).retry_after(retry_after)
            }
            ProofError::Store(error) => match *error {
                StoreError::CredentialAtLimit { limit } => credential_at_limit(limit),
                StoreError::NoAccount(_) => account_deleted(),
                StoreError::Full(_) | StoreError::AtLimit { .. } => store_full(&error),
                _ => store_unavailable(&error),
            },
            ProofError::Vault(error) => Problem::internal(error),
        }
    }
}

/// The provider gave no word about the credentials. Whoever asks may be anyone: what the driver or the
/// provider said in particular is for the log.
fn not_proven(error: &CallError) -> Problem {
    let problem = match error {
        CallError::Unauthorized(_) => {
            Problem::new(ProblemType::CredentialsRefused, "the provider does not accept this user and password")
        }
        CallError::Throttled { retry_after, .. } => {
            let detail = "the provider asks for fewer requests, so that the credentials cannot be checked now";
            Problem::new(ProblemType::ProviderThrottled, detail).retry_after(retry_after.unwrap_or(RETRY_SOON))
        }
        CallError::Budget { retry_after, .. } => {
            let detail =
                "this account's requests to the provider are used up, so that the credentials cannot be checked now";
            Problem::new(ProblemType::ProviderThrottled, detail).retry_after(*retry_after)
        }
        // The driver may name options, which are the operator's.
        CallError::InvalidAccount(_) => {
            let detail = "its driver can't use this user and password, or the options that the operator configured for them; \
                          the host's log says more";
            Problem::new(ProblemType::AccountUnusable, detail)
        }
        CallError::Unavailable(_) => {
            let detail = "the provider can't be reached, so that the credentials cannot be checked now";
            Problem::new(ProblemType::ProviderFailed, detail).retry_after(RETRY_SOON)
        }
        CallError::HostFault => {
            let detail = "the host failed while it checked the credentials; its log says more";
            Problem::new(ProblemType::Internal, detail).retry_after(RETRY_SOON)
        }
        CallError::Forbidden(_)
        | CallError::UnexpectedAnswer(_)
        | CallError::Refused(_)
        | CallError::Limit { .. }
        | CallError::Crashed(_)
        | CallError::Contract(_) => {
            let detail = "no usable answer came from the provider, so that the credentials cannot be checked now";
            Problem::new(ProblemType::ProviderFailed, detail).retry_after(RETRY_SOON)
        }
    };
    problem.with("code", error.code().to_string()).logging(error)
}

/// What a poll failed for, told to the account's owner.
pub(super) fn poll_failed(error: &PollError, retry_after: Duration) -> Problem {
    let problem_type = match &error.code {
        ErrorCode::Forbidden => ProblemType::Forbidden,
        ErrorCode::Throttled | ErrorCode::Budget => ProblemType::ProviderThrottled,
        ErrorCode::InvalidAccount => ProblemType::AccountUnusable,
        ErrorCode::HostFault => ProblemType::Internal,
        _ => ProblemType::ProviderFailed,
    };
    Problem::new(problem_type, &error.message)
        .with("code", error.code.to_string())
        .with("at", error.at.to_string())
        .retry_after(retry_after)
}

/// What a failure of the host's store is told as, by its stable word, and why it failed.
pub(super) fn store_failure(error: &str) -> (ProblemType, &'static str) {
    match error {
        "disk-full" => (ProblemType::StoreFull, "its disk is full"),
        "size-limit" => (ProblemType::StoreFull, "its store has reached store.size"),
        "account-size-limit" => (ProblemType::AccountFull, "the account has reached its share of the store"),
        "disk-failed" => (ProblemType::StoreUnavailable, "its disk failed"),
        _ => (ProblemType::StoreUnavailable, "its store failed"),
    }
}

/// A poll was made, and the host's store did not take what came of it.
pub(super) fn poll_unrecorded(lost: &Unrecorded) -> Problem {
    let (problem_type, why) = store_failure(lost.error);
    let detail = format!("the host could not record the provider's list, because {why}; it polls again");
    Problem::new(problem_type, detail)
        .with("code", lost.error)
        .with("at", lost.last.to_string())
        .retry_after(RETRY_SOON)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Forgotten { oldest } => {
                let detail =
                    "the journal no longer has the changes after this cursor: list again, and follow from there";
                Problem::new(ProblemType::CursorExpired, detail)
                    .with("oldest", oldest.to_string())
                    .with("list", ["/api/instances", "/api/realms"])
            }
            StoreError::PastUnknown { since: Some(since) } => {
                Problem::new(ProblemType::HistoryUnavailable, format!("there is no history before {since}"))
                    .with("since", since.to_string())
            }
            StoreError::PastUnknown { since: None } => {
                Problem::new(ProblemType::HistoryUnavailable, "the account was never listed, so it has no history")
            }
            StoreError::Full(_) | StoreError::AtLimit { .. } => store_full(&error),
            StoreError::AccountAtLimit { used, limit } => Problem::new(
                ProblemType::AccountFull,
                "the account has reached its share of the host's store, so that nothing can be added to it",
            )
            .with("used_bytes", used)
            .with("limit_bytes", limit)
            .retry_after(RETRY_SOON),
            StoreError::CredentialAtLimit { limit } => credential_at_limit(limit),
            StoreError::NoAccount(_) => account_deleted(),
            StoreError::Unusable(_)
            | StoreError::LeaseLost
            | StoreError::AnswerChanged
            | StoreError::Disk(_)
            | StoreError::Damaged { .. }
            | StoreError::Gone { .. }
            | StoreError::Failed(_) => store_unavailable(&error),
        }
    }
}

/// A cursor that is of no use here.
pub(super) fn foreign_cursor() -> Problem {
    Problem::new(
        ProblemType::ForeignCursor,
        "the cursor is not from this store's journal, or from before the store was restored: begin with 0, a time, or a \
         current list",
    )
    .with("list", ["/api/instances", "/api/realms"])
}

fn credential_at_limit(limit: u64) -> Problem {
    let detail = format!(
        "{limit} other users are enrolled with these credentials, which is the maximum: use one of them, or delete one with \
         DELETE /api/account"
    );
    Problem::new(ProblemType::TooManyAccounts, detail).with("limit", limit)
}

fn account_deleted() -> Problem {
    let detail = "the account was deleted while the host handled this request, which changed nothing: send it again, and the host \
                  creates the account again";
    Problem::new(ProblemType::AccountDeleted, detail).retry_after(RETRY_SOON)
}

fn store_unavailable(error: &StoreError) -> Problem {
    Problem::new(ProblemType::StoreUnavailable, "the host's store is not available; try again")
        .retry_after(RETRY_SOON)
        .logging(error)
}

fn store_full(error: &StoreError) -> Problem {
    let detail = match error {
        StoreError::AtLimit { .. } => {
            "the host's store has reached its maximum size, so that nothing can be added; reading and deleting still work"
        }
        _ => "the host's disk is full, so that nothing can be written; reading still works",
    };
    Problem::new(ProblemType::StoreFull, detail).retry_after(RETRY_SOON).logging(error)
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Problem {
        Problem::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::RETRY_AFTER;
    use axum::response::IntoResponse as _;

    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn nothing_that_a_provider_does_is_a_500() {
        let check = |error: CallError, status: u16, retry_after: Option<&str>| {
            let response = Problem::from(ProofError::NoAnswer(error)).into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("text")), retry_after);
        };
        let text = || "10.0.0.1 said no".to_owned();
        check(CallError::Unauthorized(text()), 401, None);
        check(CallError::InvalidAccount(text()), 400, None);
        let wait = Some(Duration::from_secs(30));
        check(CallError::Throttled { retry_after: wait, message: text() }, 503, Some("30"));
        check(CallError::Throttled { retry_after: None, message: text() }, 503, Some("5"));
        check(CallError::Unavailable(text()), 502, Some("5"));
        check(CallError::UnexpectedAnswer(text()), 502, Some("5"));
        check(CallError::Refused(text()), 502, Some("5"));
        check(CallError::Crashed(text()), 502, Some("5"));
        check(CallError::Contract(text()), 502, Some("5"));
        check(CallError::HostFault, 500, Some("5"));
        check(CallError::Limit { limit: "memory", setting: "memory", value: "64 MiB".into() }, 502, Some("5"));
    }

    #[test]
    fn what_a_poll_failed_for_is_told() {
        let check = |code: ErrorCode, want: ProblemType| {
            let error = PollError { at: Timestamp::default(), code, message: "why".into() };
            assert_eq!(poll_failed(&error, RETRY_SOON).problem_type(), want, "{error:?}");
        };
        check(ErrorCode::Forbidden, ProblemType::Forbidden);
        check(ErrorCode::Throttled, ProblemType::ProviderThrottled);
        check(ErrorCode::InvalidAccount, ProblemType::AccountUnusable);
        check(ErrorCode::HostFault, ProblemType::Internal);
        check(ErrorCode::Unavailable, ProblemType::ProviderFailed);
        check(ErrorCode::Unauthorized, ProblemType::ProviderFailed);
        check(ErrorCode::Limit("memory".into()), ProblemType::ProviderFailed);
    }
}
