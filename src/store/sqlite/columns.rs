//! The values of the domain as columns. A column is validated when it is read: a row that this version does not
//! understand is an error, never a guess.

use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, FromSqlResult, ValueRef};

use super::super::PaceReason;
use crate::model::{
    Account, AccountId, AccountKey, ChangeId, ChangeType, Details, DisableReason, ErrorCode, Format, HookId,
    HookSecrets, HookUrl, InstanceState, Kind, Mode, Origin, Owner, RealmState, ResourceId, Scope, Sealed, State,
    Subject, Timestamp, TokenId,
};

/// What a column holds, as a value of the domain.
pub(super) fn get<T: Column>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let value = row.get_ref(index)?;
    T::read(value).map_err(|error| {
        let column = row.as_ref().column_name(index).map_or_else(|_| index.to_string(), str::to_owned);
        let error = Box::new(BadColumn { column, source: error });
        rusqlite::Error::FromSqlConversionFailure(index, value.data_type(), error)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("column {column:?} has a value that this version cannot read: {source}")]
struct BadColumn {
    column: String,
    source: FromSqlError,
}

/// Driver, provider and user, in columns that follow one another.
pub(super) fn account_key(row: &Row<'_>, index: usize) -> rusqlite::Result<AccountKey> {
    Ok(AccountKey { driver: row.get(index)?, provider: row.get(index + 1)?, user: row.get(index + 2)? })
}

/// Reads id, key, origin and password, in this order.
pub(super) fn read_account(row: &Row<'_>, index: usize) -> rusqlite::Result<Account> {
    Ok(Account {
        id: get(row, index)?,
        key: account_key(row, index + 1)?,
        origin: get(row, index + 4)?,
        password: get(row, index + 5)?,
    })
}

/// The present secret, the one before, and until when that signs: in columns that follow one another.
pub(super) fn read_secrets(row: &Row<'_>, index: usize) -> rusqlite::Result<HookSecrets> {
    let previous: (Option<Sealed>, Option<Timestamp>) = (get(row, index + 1)?, get(row, index + 2)?);
    Ok(HookSecrets { current: get(row, index)?, previous: previous.0.zip(previous.1) })
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) trait Column: Sized {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Self>;
}

impl<T: Column> Column for Option<T> {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Option<T>> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
}

impl Column for Timestamp {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Timestamp> {
        value.as_i64().map(Timestamp::from_millis)
    }
}

impl Column for AccountId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<AccountId> {
        value.as_i64().map(AccountId)
    }
}

impl Column for HookId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<HookId> {
        value.as_i64().map(HookId)
    }
}

impl Column for ResourceId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<ResourceId> {
        ResourceId::parse(value.as_str()?).map_err(FromSqlError::other)
    }
}

impl Column for Sealed {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Sealed> {
        value.as_blob().map(|bytes| Sealed(bytes.to_vec()))
    }
}

impl Column for HookUrl {
    fn read(value: ValueRef<'_>) -> FromSqlResult<HookUrl> {
        HookUrl::parse(value.as_str()?).map_err(FromSqlError::other)
    }
}

impl Column for ChangeId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<ChangeId> {
        let blob = value.as_blob()?;
        let bytes = blob
            .try_into()
            .map_err(|_| FromSqlError::InvalidBlobSize { expected_size: size_of::<u128>(), blob_size: blob.len() })?;
        Ok(ChangeId(u128::from_be_bytes(bytes)))
    }
}

impl Column for ChangeType {
    fn read(value: ValueRef<'_>) -> FromSqlResult<ChangeType> {
        let text = value.as_str()?;
        ChangeType::parse(text).ok_or_else(|| unknown("type of change", text))
    }
}

impl Column for Details {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Details> {
        serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)
    }
}

/// Points in time, as a list in JSON of milliseconds.
pub(super) struct Times(pub(super) Vec<Timestamp>);

impl Times {
    pub(super) fn write(times: &[Timestamp]) -> String {
        let millis: Vec<String> = times.iter().map(|time| time.as_millis().to_string()).collect();
        format!("[{}]", millis.join(","))
    }
}

impl Column for Times {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Times> {
        let millis: Vec<i64> = serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)?;
        Ok(Times(millis.into_iter().map(Timestamp::from_millis).collect()))
    }
}

impl Column for Owner {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Owner> {
        let text = value.as_str()?;
        Owner::parse(text).ok_or_else(|| unknown("owner", text))
    }
}

impl Column for TokenId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<TokenId> {
        value.as_i64().map(TokenId)
    }
}

impl Column for Scope {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Scope> {
        let text = value.as_str()?;
        Scope::parse(text).ok_or_else(|| unknown("scope", text))
    }
}

impl Column for Format {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Format> {
        let text = value.as_str()?;
        Format::parse(text).ok_or_else(|| unknown("format", text))
    }
}

impl Column for Mode {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Mode> {
        let text = value.as_str()?;
        Mode::parse(text).ok_or_else(|| unknown("mode", text))
    }
}

impl Column for DisableReason {
    fn read(value: ValueRef<'_>) -> FromSqlResult<DisableReason> {
        let text = value.as_str()?;
        DisableReason::parse(text).ok_or_else(|| unknown("reason", text))
    }
}

impl Column for PaceReason {
    fn read(value: ValueRef<'_>) -> FromSqlResult<PaceReason> {
        let text = value.as_str()?;
        PaceReason::parse(text).ok_or_else(|| unknown("reason of a pace", text))
    }
}

impl Column for ErrorCode {
    fn read(value: ValueRef<'_>) -> FromSqlResult<ErrorCode> {
        let text = value.as_str()?;
        ErrorCode::parse(text).ok_or_else(|| unknown("error code", text))
    }
}

const CONFIG: &str = "config";
const CLIENT: &str = "client";

pub(super) fn origin_text(origin: &Origin) -> &'static str {
    match origin {
        Origin::Config => CONFIG,
        Origin::Client => CLIENT,
    }
}

impl Column for Origin {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Origin> {
        match value.as_str()? {
            CONFIG => Ok(Origin::Config),
            CLIENT => Ok(Origin::Client),
            text => Err(unknown("origin of an account", text)),
        }
    }
}

pub(super) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Instance => 0,
        Kind::Realm => 1,
    }
}

impl Column for Kind {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Kind> {
        match value.as_i64()? {
            0 => Ok(Kind::Instance),
            1 => Ok(Kind::Realm),
            number => Err(FromSqlError::OutOfRange(number)),
        }
    }
}

pub(super) fn subject_number(subject: Subject) -> i64 {
    match subject {
        Subject::Instance => kind_number(Kind::Instance),
        Subject::Realm => kind_number(Kind::Realm),
        Subject::Hook => 2,
        Subject::Provider => 3,
        Subject::Account => 4,
    }
}

impl Column for Subject {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Subject> {
        match value.as_i64()? {
            2 => Ok(Subject::Hook),
            3 => Ok(Subject::Provider),
            4 => Ok(Subject::Account),
            _ => Kind::read(value).map(Subject::from),
        }
    }
}

/// A number that fits one byte: it is read for every resource at every poll.
pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Instance(InstanceState::Pending) => 0,
        State::Instance(InstanceState::Running) => 1,
        State::Instance(InstanceState::Stopping) => 2,
        State::Instance(InstanceState::Stopped) => 3,
        State::Instance(InstanceState::ShuttingDown) => 4,
        State::Instance(InstanceState::Finish) => 5,
        State::Instance(InstanceState::Error) => 6,
        State::Instance(InstanceState::Unknown) => 7,
        State::Realm(RealmState::Available) => 32,
        State::Realm(RealmState::Unavailable) => 33,
    }
}

impl Column for State {
    fn read(value: ValueRef<'_>) -> FromSqlResult<State> {
        Ok(match value.as_i64()? {
            0 => State::Instance(InstanceState::Pending),
            1 => State::Instance(InstanceState::Running),
            2 => State::Instance(InstanceState::Stopping),
            3 => State::Instance(InstanceState::Stopped),
            4 => State::Instance(InstanceState::ShuttingDown),
            5 => State::Instance(InstanceState::Finish),
            6 => State::Instance(InstanceState::Error),
            7 => State::Instance(InstanceState::Unknown),
            32 => State::Realm(RealmState::Available),
            33 => State::Realm(RealmState::Unavailable),
            number => return Err(FromSqlError::OutOfRange(number)),
        })
    }
}

fn unknown(what: &'static str, found: &str) -> FromSqlError {
    FromSqlError::other(Unknown { what, found: found.to_owned() })
}

#[derive(Debug, thiserror::Error)]
#[error("{found:?} is not a known {what}")]
struct Unknown {
    what: &'static str,
    found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_kind_is_read_as_it_was_written() {
        for state in State::ALL {
            assert_eq!(State::read(ValueRef::Integer(state_number(state))), Ok(state), "{state}");
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::read(ValueRef::Integer(kind_number(kind))), Ok(kind), "{kind}");
        }
        for subject in Subject::ALL {
            assert_eq!(Subject::read(ValueRef::Integer(subject_number(subject))), Ok(subject), "{subject:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        assert!(State::read(ValueRef::Integer(99)).is_err());
        assert!(State::read(ValueRef::Text(b"RUNNING")).is_err());
        assert!(Kind::read(ValueRef::Integer(-1)).is_err());
        assert!(Subject::read(ValueRef::Integer(5)).is_err());
        assert!(Mode::read(ValueRef::Text(b"sometimes")).is_err());
        assert!(Owner::read(ValueRef::Text(b"somebody")).is_err());
        assert!(Origin::read(ValueRef::Text(b"")).is_err());
        assert!(ChangeType::read(ValueRef::Text(b"instance.exploded")).is_err());
        assert!(ChangeId::read(ValueRef::Blob(&[0; 15])).is_err());
        assert!(ResourceId::read(ValueRef::Text(b"a\0b")).is_err());
        assert!(ResourceId::read(ValueRef::Text(b"\xff")).is_err());
        assert!(HookUrl::read(ValueRef::Text(b"/relative")).is_err());
    }
}
