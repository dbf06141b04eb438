-- Times are milliseconds since 1970; kinds and states are the numbers of sqlite/columns.rs.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    -- AUTOINCREMENT here and below: a number is never given twice, not even after its row is gone.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    driver TEXT NOT NULL,
    provider TEXT NOT NULL,
    user TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('config', 'client')),
    password BLOB NOT NULL,
    -- When it was last enrolled, give or take a minute.
    used INTEGER NOT NULL,
    UNIQUE (driver, provider, user)
) STRICT;

CREATE TABLE polls (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    -- When it can be claimed: for one under lease, when that ends. NULL: not at all.
    due INTEGER,
    -- For one under lease, when it was due before.
    claimed INTEGER,
    -- A single poll that was asked for, which stays due though the account be not watched.
    asked INTEGER,
    lease INTEGER NOT NULL DEFAULT 0,
    last_attempt INTEGER,
    last_complete INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    error_at INTEGER,
    error_code TEXT,
    error_message TEXT,
    partial_reason TEXT,
    last_duration INTEGER,
    requests INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX polls_due ON polls (due) WHERE due IS NOT NULL;

-- What every poll reads of every resource stands apart from what only changes and readers need: a row
-- of some fifty bytes, in the order in which the diff wants them.
CREATE TABLE resources (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    state INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    body INTEGER NOT NULL,
    realm TEXT,
    PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    name TEXT,
    first_seen INTEGER NOT NULL,
    state_since INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

-- The journal.
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    account INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    type TEXT NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL,
    name TEXT,
    realm TEXT,
    old_state INTEGER,
    new_state INTEGER,
    observed_after INTEGER,
    observed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX changes_account ON changes (account);

CREATE TABLE hooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    owner TEXT NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL,
    url TEXT NOT NULL,
    token BLOB,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (account, kind, resource, owner)
) STRICT;

-- What is owed to hooks. Of each resource on each hook only the oldest one that is not dead has a `due`:
-- the others wait behind it, and cost nothing until it is settled.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hook INTEGER NOT NULL,
    change INTEGER NOT NULL,
    account INTEGER NOT NULL,
    owner TEXT NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL,
    -- When it can be claimed: for one under lease, when that ends.
    due INTEGER,
    -- For one under lease, when it was due before.
    claimed INTEGER,
    lease INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    -- When it was given up.
    dead INTEGER
) STRICT;

CREATE INDEX deliveries_line ON deliveries (hook, kind, resource, dead, change);
CREATE INDEX deliveries_due ON deliveries (hook, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_owed ON deliveries (account, owner, change);

-- One row for each hook that has a delivery with a `due`: whose turn it is, whatever the length of the lines.
CREATE TABLE queues (
    hook INTEGER PRIMARY KEY,
    -- The earliest `due` of its deliveries, or when it was last served, if that is later: who was served
    -- goes to the end of the round.
    due INTEGER NOT NULL,
    served INTEGER NOT NULL
) STRICT;

CREATE INDEX queues_due ON queues (due, served);
