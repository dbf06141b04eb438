//! The size of each account in the store. All rows of which an account can have any number are read once, in small
//! steps. Each is weighed by its bytes that vary, and by a constant for the rest of the row with its indexes. The
//! weights are estimates; the sum of all is the size of the store.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::super::super::{AccountSize, Fullness, Result};
use super::super::SqliteStore;
use super::super::fair_pool::Flow;
use crate::model::AccountId;
use crate::store::Accounts as _;

/// How many rows are read in one step, between which others have their turn.
const AT_ONCE: usize = 1000;

/// Measures all accounts, if any could be near its bound, and logs which of them came near it or have left it.
pub(in crate::store::sqlite) async fn measure(store: &SqliteStore) -> Result<()> {
    if !store.bounds.may_be_near() {
        store.bounds.forget_accounts();
        return Ok(());
    }
    for (account, size) in store.bounds.take_in(&weigh(store).await?) {
        let known = store.account(account).await?;
        let shown = known.map_or_else(|| account.to_string(), |account| account.key.to_string());
        tell(&shown, size);
    }
    Ok(())
}

/// What all rows of each account weigh.
pub(in crate::store::sqlite) async fn weigh(store: &SqliteStore) -> Result<HashMap<AccountId, u64>> {
    let mut tally = Tally::default();
    while tally.next.is_some() {
        tally = store.read(Flow::Host, move |reading| tally.step(reading)).await?;
    }
    Ok(tally.weights)
}

fn tell(account: &str, size: AccountSize) {
    let AccountSize { used, limit, fullness } = size;
    let used = used.unwrap_or_default();
    match fullness {
        Fullness::Room => tracing::info!(account, "the account is no longer near its share of the store"),
        Fullness::NearLimit => tracing::warn!(account, used, limit, "the account is near its share of the store"),
        Fullness::AtLimit => tracing::error!(
            account,
            used,
            limit,
            "the account has used up its share of the store: the host records nothing new of it until it shrinks, or \
             store.account_share is raised"
        ),
    }
}

/// The tables, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Changes,
    Versions,
    Resources,
    Deliveries,
}

struct Tally {
    weights: HashMap<AccountId, u64>,
    /// The table to read on, behind the last row that was read.
    next: Option<(Table, Place)>,
}

/// A primary key.
#[derive(Clone, Debug, Default)]
struct Place {
    first: i64,
    second: i64,
    text: String,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { weights: HashMap::new(), next: Some((Table::Changes, Place::default())) }
    }
}

impl Table {
    fn next(self) -> Option<Table> {
        match self {
            Table::Changes => Some(Table::Versions),
            Table::Versions => Some(Table::Resources),
            Table::Resources => Some(Table::Deliveries),
            Table::Deliveries => None,
        }
    }

    /// Gives the account, the weight and the primary key of the rows behind a place.
    fn sql(self) -> &'static str {
        match self {
            Table::Changes => {
                "SELECT account, 200 + 2 * OCTET_LENGTH(resource) + OCTET_LENGTH(COALESCE(name, ''))
                     + OCTET_LENGTH(COALESCE(realm, '')) + OCTET_LENGTH(COALESCE(details, '')), sequence, 0, ''
                 FROM changes WHERE sequence > ?1 AND ?2 = 0 AND ?3 = '' ORDER BY sequence LIMIT ?4"
            }
            Table::Versions => {
                "SELECT v.account, 150 + 2 * OCTET_LENGTH(v.id) + OCTET_LENGTH(COALESCE(b.attributes, ''))
                     + OCTET_LENGTH(COALESCE(b.name, '')) + OCTET_LENGTH(COALESCE(b.realm, '')), v.number, 0, ''
                 FROM versions v LEFT JOIN bodies b ON b.id = v.body
                 WHERE v.number > ?1 AND ?2 = 0 AND ?3 = '' ORDER BY v.number LIMIT ?4"
            }
            Table::Resources => {
                "SELECT r.account, 120 + OCTET_LENGTH(r.id) + OCTET_LENGTH(COALESCE(b.attributes, ''))
                     + OCTET_LENGTH(COALESCE(b.name, '')) + OCTET_LENGTH(COALESCE(b.realm, '')), r.account, r.kind, r.id
                 FROM resources r LEFT JOIN bodies b ON b.id = r.body
                 WHERE (r.account, r.kind, r.id) > (?1, ?2, ?3) ORDER BY r.account, r.kind, r.id LIMIT ?4"
            }
            Table::Deliveries => {
                "SELECT h.account, 120, d.hook, d.change, ''
                 FROM deliveries d CROSS JOIN hooks h ON h.id = d.hook
                 WHERE (d.hook, d.change) > (?1, ?2) AND ?3 = '' ORDER BY d.hook, d.change LIMIT ?4"
            }
        }
    }
}

impl Tally {
    /// Reads on.
    fn step(mut self, reading: &Connection) -> Result<Tally> {
        let Some((table, mut place)) = self.next.take() else { return Ok(self) };
        let mut select = reading.prepare_cached(table.sql())?;
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let behind = place.clone();
        let mut rows = select.query(params![behind.first, behind.second, behind.text, limit])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            // What can't be read is passed over; what stands behind a key that can't be read waits for its repair.
            let Ok(at) = place_of(row) else { break };
            place = at;
            if let (Ok(account), Ok(weight)) = (row.get(0), row.get::<_, i64>(1)) {
                *self.weights.entry(AccountId(account)).or_default() += weight.unsigned_abs();
            }
        }
        self.next = match read == AT_ONCE {
            true => Some((table, place)),
            false => table.next().map(|table| (table, Place::default())),
        };
        Ok(self)
    }
}

fn place_of(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { first: row.get(2)?, second: row.get(3)?, text: row.get(4)? })
}
