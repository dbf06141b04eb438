//! A poll ticket for tests.

use crate::model::{Account, AccountId, AccountKey, Kind, Origin, Sealed, Share, Timestamp};
use crate::store::PollTicket;

/// A ticket of a watched account that was never polled, due at the epoch.
pub(super) fn ticket() -> PollTicket {
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "ann".into() };
    PollTicket {
        account: Account { id: AccountId(1), key, origin: Origin::Config, password: Sealed(vec![]) },
        kind: Kind::Instance,
        due: Timestamp::from_millis(0),
        every: None,
        changed: None,
        hook_set: None,
        last_complete: None,
        last_full: None,
        gap_told: None,
        unconfirmed: false,
        partials: 0,
        wanted: None,
        listed_by: None,
        failures: 0,
        trouble: None,
        last_requests: 0,
        watched: true,
        held: None,
        endpoint: "".into(),
        share: Share::Prompt,
        slow: false,
        lease: 1,
    }
}
