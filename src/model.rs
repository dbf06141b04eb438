//! The domain as plain data: no I/O, and no imports of other modules.

pub mod account;
pub mod breaker;
pub mod change;
pub mod error_code;
pub mod filter;
pub mod flapping;
pub mod hook;
mod key;
pub mod legible;
pub mod resource;
mod schema;
pub mod secret;
pub mod share;
pub mod span;
pub mod time;
pub mod token;
pub mod word;

pub use account::{Account, AccountId, AccountKey, BudgetMark, Origin, Sealed};
pub use change::{
    Change, ChangeDocument, ChangeId, ChangeType, Cursor, Details, Flapping, Gap, MassChange, NewChange,
    ResourceDocument, Subject,
};
pub use error_code::ErrorCode;
pub use filter::{Filter, FilterList, IdPattern};
pub use hook::{
    DisableReason, Format, Hook, HookId, HookSecrets, HookSpec, HookStatus, HookUrl, HookVersion, Mode, Owner, Rate,
};
pub use key::KeyId;
pub use legible::{legible, legible_json, legible_lines};
pub use resource::{
    Address, AddressKind, Instance, InstanceState, InvalidResourceId, Kind, MOST_IDS, Realm, RealmState, Resource,
    ResourceId, State,
};
pub use secret::{Ed25519Key, InvalidEd25519Key, InvalidSigningKey, InvalidSigningSecret, SigningKey, SigningSecret};
pub use share::Share;
pub use time::{InvalidTimestamp, Timestamp, whole_millis};
pub use token::{Scope, Token, TokenId};
pub use word::Text;
