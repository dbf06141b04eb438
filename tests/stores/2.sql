PRAGMA application_id = 1414679378;
PRAGMA user_version = 2;
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
    -- How often in a row its provider gave no answer; and since when it is held to be out of reach.
    unanswered INTEGER NOT NULL DEFAULT 0,
    unreachable INTEGER,
    -- What its budget of requests had left, and when; at no time that is known, if its host ended without a word.
    budget_left REAL,
    budget_at INTEGER,
    -- A keyed hash of the endpoint and the secret that a client proved: at some providers the user is any name, and one
    -- secret proves them all.
    credential BLOB,
    UNIQUE (driver, provider, user)
) STRICT;
CREATE TABLE attempts (
    hook INTEGER NOT NULL,
    change INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Among those of one millisecond.
    number INTEGER NOT NULL,
    -- NULL where no connection was made.
    duration INTEGER,
    status INTEGER,
    error TEXT,
    answer TEXT,
    PRIMARY KEY (hook, change, at, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    name TEXT,
    realm TEXT,
    first_seen INTEGER NOT NULL,
    state_since INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    account INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    -- The latest `recorded` of all changes up to this one. It never falls, though the clock be set back: so the first
    -- change since a time is found by halving.
    latest INTEGER NOT NULL,
    type TEXT NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL,
    -- The same resource by its number: the changes of one are found by it.
    history INTEGER NOT NULL,
    name TEXT,
    realm TEXT,
    old_state INTEGER,
    new_state INTEGER,
    observed_after INTEGER,
    observed_at INTEGER NOT NULL,
    passed_over INTEGER NOT NULL,
    -- What only changes of this type say, as JSON.
    details TEXT
) STRICT;
CREATE TABLE claimants (
    account INTEGER PRIMARY KEY,
    -- The earliest `turn` of its shares, or `served`, if that is later.
    due INTEGER NOT NULL,
    served INTEGER NOT NULL
) STRICT;
CREATE TABLE counts (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
    hook INTEGER NOT NULL,
    -- The change's number in the journal.
    change INTEGER NOT NULL,
    -- The history that the change is of: those of one history wait in line.
    history INTEGER NOT NULL,
    -- When it can be claimed: for one under lease, when that ends.
    due INTEGER,
    -- For one under lease, when it was due before.
    claimed INTEGER,
    lease INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Whether a replay asked for it during its attempt: it is then sent once more.
    again INTEGER NOT NULL DEFAULT 0,
    -- The lease with which the hook's owner reads it, and until when that holds. What is claimed for sending is lent no more.
    lent INTEGER,
    lent_until INTEGER,
    -- When it was given up, and the id of its change, by which it is made due again.
    dead INTEGER,
    dead_id BLOB,
    -- What can't be read of it or of its change: it is given up, and can't be made due again.
    damaged TEXT,
    PRIMARY KEY (hook, change)
) STRICT, WITHOUT ROWID;
CREATE TABLE destinations (
    name TEXT NOT NULL PRIMARY KEY,
    -- The earliest `due` of its shares, or `served`, `held` or `left_out`, if that is later. NULL: nothing waits.
    due INTEGER,
    served INTEGER NOT NULL,
    -- Nothing is sent there before.
    held INTEGER NOT NULL DEFAULT 0,
    -- Claims pass over it until then, or until attempts at it have ended: it has no room.
    left_out INTEGER NOT NULL DEFAULT 0,
    -- 0 proven, 1 proven before the last start, 2 unproven, 3 slow, 4 timed out.
    standing INTEGER NOT NULL DEFAULT 2 CHECK (standing BETWEEN 0 AND 4)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
    kind INTEGER NOT NULL,
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (kind, account, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE endpoints (
    name TEXT NOT NULL,
    slow INTEGER NOT NULL,
    -- 0 it answers, 1 it answers and these polls are slow, 2 it was never asked, 3 it gave no answer the last time.
    class INTEGER NOT NULL,
    -- The earliest `due` of its polls, or `served` or `held_until`, if that is later.
    due INTEGER,
    served INTEGER NOT NULL DEFAULT 0,
    -- Nothing is polled there before: its circuit breaker is open.
    held_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (name, slow)
) STRICT, WITHOUT ROWID;
CREATE TABLE flaps (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    times TEXT NOT NULL,
    damped INTEGER,
    told INTEGER,
    flips INTEGER NOT NULL,
    PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE histories (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL
) STRICT;
CREATE TABLE hooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    owner TEXT NOT NULL,
    -- The one resource that it was set on; NULL for a hook that its filter alone directs.
    kind INTEGER,
    resource TEXT,
    url TEXT NOT NULL,
    -- Scheme, host and port of the URL.
    destination TEXT NOT NULL,
    token BLOB,
    secret BLOB NOT NULL,
    -- The secret before, and until when it signs too.
    old_secret BLOB,
    old_until INTEGER,
    -- Filter, retries and what else only Rust reads, as JSON: see sqlite/words.rs.
    words TEXT NOT NULL,
    format TEXT NOT NULL,
    mode TEXT NOT NULL,
    -- Callbacks in a second.
    rate REAL,
    status TEXT NOT NULL CHECK (status IN ('active', 'paused', 'disabled', 'damaged')),
    disabled INTEGER,
    -- Why it was disabled; of one that is damaged, what can't be read.
    reason TEXT,
    -- Since when nothing was taken, and when that was last tried.
    failing INTEGER,
    failed INTEGER,
    -- While set, what the journal has behind this number is not owed yet: to one that rests, or that has
    -- not caught up.
    behind INTEGER,
    created INTEGER NOT NULL,
    -- Rises with whatever changes what its owner has said of it: clients make their writes conditional on it.
    version INTEGER NOT NULL DEFAULT 1,
    UNIQUE (account, kind, resource, owner)
) STRICT;
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    is_current INTEGER NOT NULL,
    -- Of an old key with which nothing is sealed any more: until when what was hashed with it is good.
    until INTEGER
) STRICT;
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE polls (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    -- When it can be claimed: for one under lease, when that ends. NULL: not at all.
    due INTEGER,
    -- For one under lease, when it was due before.
    claimed INTEGER,
    -- The ids of the instances that alone are polled at `due`, as JSON, and when everything is to be polled then. While a
    -- poll is under way, those that come after it.
    wanted TEXT,
    list_due INTEGER,
    -- When the last poll of single instances began.
    ids_polled INTEGER,
    -- A single poll that was asked for, which stays due though the account be not watched.
    asked INTEGER,
    -- The interval that was planned before `due`, and the word for why it is that.
    every INTEGER,
    pace TEXT,
    -- When a list last showed something new, and when a hook was set last that waits for this kind.
    changed INTEGER,
    hook_set INTEGER,
    lease INTEGER NOT NULL DEFAULT 0,
    last_attempt INTEGER,
    last_complete INTEGER,
    -- When the first list came, complete or not: of what was before, nothing is known. History, so no step of the clock
    -- moves it.
    first_list INTEGER,
    -- The last of these that listed everything, and whether something was missing from it that is not yet gone.
    last_full INTEGER,
    unconfirmed INTEGER NOT NULL DEFAULT 0,
    -- The lease of that one: what a later one marked as missing, and was not recorded to its end, is not counted.
    recorded INTEGER NOT NULL DEFAULT 0,
    -- Until when a gap is in the journal, though the list that ended it was not recorded to its end.
    gap_told INTEGER,
    -- The SHA-256 of the driver that gave it.
    listed_by TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    error_at INTEGER,
    error_code TEXT,
    error_message TEXT,
    -- When a poll that failed is to be tried again, whether it is due then or not.
    retry INTEGER,
    partial_reason TEXT,
    -- How many lists in a row were not complete.
    partials INTEGER NOT NULL DEFAULT 0,
    -- A mass change that is held: since when, in how many lists, how many resources of how many, and what is to become
    -- of it.
    held INTEGER,
    held_lists INTEGER NOT NULL DEFAULT 0,
    held_affected INTEGER NOT NULL DEFAULT 0,
    held_known INTEGER NOT NULL DEFAULT 0,
    held_decision TEXT CHECK (held_decision IN ('accept', 'accept-silently', 'reject')),
    -- Tells the newest list that showed everything from others.
    held_print INTEGER,
    -- Whether it is in the journal already, though the list that showed it was not recorded to its end.
    held_told INTEGER NOT NULL DEFAULT 0,
    last_duration INTEGER,
    -- To the provider, in all, and for the last list.
    requests INTEGER NOT NULL DEFAULT 0,
    -- Since when it waits for the account's budget of requests.
    put_off INTEGER,
    last_requests INTEGER NOT NULL DEFAULT 0,
    -- Where its requests go, and whether the last list took long: polls take turns by these. Triggers set the endpoint.
    endpoint TEXT NOT NULL DEFAULT '',
    slow INTEGER NOT NULL DEFAULT 0,
    -- What the list does that is held, resource by resource. It may be long, and nothing that comes behind it is read.
    held_effects BLOB,
    PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE providers (
    driver TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    PRIMARY KEY (driver, provider)
) STRICT, WITHOUT ROWID;
CREATE TABLE queues (
    hook INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    destination TEXT NOT NULL,
    -- The earliest `due` of its deliveries; or when it was last served, or when its rate lets it be served
    -- again, if that is later: who was served goes to the end of the round.
    due INTEGER NOT NULL,
    served INTEGER NOT NULL,
    -- In microseconds: before this the hook has been sent all that its rate allows.
    paced INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE requests (
    account INTEGER NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    begun INTEGER NOT NULL,
    -- NULL while work in steps goes on; empty where the answer is lost.
    answer BLOB,
    -- Of work in steps: how much was done, and the last change that it took.
    done INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE resources (
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    state INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    body INTEGER NOT NULL,
    -- Since when it was known to be as its body says: a page of the past needs no body that is younger than it.
    since INTEGER NOT NULL,
    -- The lease of the poll that it was last missing from.
    marked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    account INTEGER NOT NULL,
    -- The SHA-256 of the driver's file.
    digest TEXT NOT NULL,
    -- When the last of it runs out, by the driver's clock, which is never moved.
    until INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE shares (
    destination TEXT NOT NULL,
    account INTEGER NOT NULL,
    -- The earliest `due` of its queues, or `served`, if that is later.
    due INTEGER NOT NULL,
    served INTEGER NOT NULL,
    -- Whose turn it is within the account: `due`, or until when the account passes over the destination, which had no
    -- room or is held, if that is later.
    turn INTEGER NOT NULL,
    PRIMARY KEY (destination, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('read', 'track')),
    hash BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER,
    used INTEGER
) STRICT;
CREATE TABLE trimmed (
    account INTEGER PRIMARY KEY,
    -- The number up to which only what is still owed of its changes is kept, and since when its past is known.
    change INTEGER NOT NULL,
    past INTEGER NOT NULL
) STRICT;
CREATE TABLE versions (
    -- They are forgotten in the order in which they ended, which is that of these numbers.
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    until INTEGER NOT NULL,
    state INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    body INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
DELETE FROM accounts;
INSERT INTO accounts VALUES (1, 'mock', 'default', 'ann', 'client', X'616E6E', 1795341600000, 0, NULL, NULL, NULL, NULL);
INSERT INTO accounts VALUES (2, 'mock', 'default', 'bob', 'client', X'626F62', 1795341600003, 0, NULL, NULL, NULL, NULL);
DELETE FROM attempts;
INSERT INTO attempts VALUES (1, 1, 1795341600003, 0, 5, 500, 'refused', NULL);
INSERT INTO attempts VALUES (1, 2, 1795341600003, 0, 5, 500, 'refused', NULL);
INSERT INTO attempts VALUES (1, 3, 1795341600006, 0, 5, 500, 'refused', NULL);
INSERT INTO attempts VALUES (4, 5, 1795341600006, 0, 5, 500, 'refused', NULL);
DELETE FROM bodies;
INSERT INTO bodies VALUES (1, 'name of i-1', 'us', 1795341600000, 1795341600000, '{"s":"as it is"}');
INSERT INTO bodies VALUES (2, 'name of i-2', 'us', 1795341600000, 1795341600000, '{"s":"as it is"}');
INSERT INTO bodies VALUES (3, 'name of i-1', 'us', 1795341600000, 1795341600001, '{"s":"as it is"}');
INSERT INTO bodies VALUES (4, 'name of i-1', 'us', 1795341600000, 1795341600002, '{"s":"as it is"}');
INSERT INTO bodies VALUES (5, 'name of i-1', 'us', 1795341600003, 1795341600003, '{"s":"as it is"}');
INSERT INTO bodies VALUES (6, 'name of i-2', 'us', 1795341600003, 1795341600003, '{"s":"as it is"}');
INSERT INTO bodies VALUES (7, 'name of i-1', 'us', 1795341600003, 1795341600004, '{"s":"as it is"}');
INSERT INTO bodies VALUES (8, 'name of i-1', 'us', 1795341600003, 1795341600005, '{"s":"as it is"}');
DELETE FROM changes;
INSERT INTO changes VALUES (1, X'01A202B2C50044CAC6348A07C395517F', 1, 1795341600000, 1795341600000, 'instance.created', 0, 'i-1', 1, 'name of i-1', 'us', NULL, 0, NULL, 1795341600000, 0, NULL);
INSERT INTO changes VALUES (2, X'01A202B2C50044CAC6348A07C3955180', 1, 1795341600000, 1795341600000, 'instance.created', 0, 'i-2', 2, 'name of i-2', 'us', NULL, 1, NULL, 1795341600000, 0, NULL);
INSERT INTO changes VALUES (3, X'01A202B2C5014F0BC214FDB092026912', 1, 1795341600001, 1795341600001, 'instance.state', 0, 'i-1', 1, 'name of i-1', 'us', 0, 1, 1795341540001, 1795341600001, 0, NULL);
INSERT INTO changes VALUES (4, X'01A202B2C50274A08053CFA1ABA99676', 1, 1795341600002, 1795341600002, 'instance.state', 0, 'i-1', 1, 'name of i-1', 'us', 1, 3, 1795341540002, 1795341600002, 0, NULL);
INSERT INTO changes VALUES (5, X'01A202B2C503679F4B75C9C19D76C523', 2, 1795341600003, 1795341600003, 'instance.created', 0, 'i-1', 3, 'name of i-1', 'us', NULL, 0, NULL, 1795341600003, 0, NULL);
INSERT INTO changes VALUES (6, X'01A202B2C503679F4B75C9C19D76C524', 2, 1795341600003, 1795341600003, 'instance.created', 0, 'i-2', 4, 'name of i-2', 'us', NULL, 1, NULL, 1795341600003, 0, NULL);
INSERT INTO changes VALUES (7, X'01A202B2C5043101BE4EBBB8E73C7EE0', 2, 1795341600004, 1795341600004, 'instance.state', 0, 'i-1', 3, 'name of i-1', 'us', 0, 1, 1795341540004, 1795341600004, 0, NULL);
INSERT INTO changes VALUES (8, X'01A202B2C5057A11C51A40F7D953BC43', 2, 1795341600005, 1795341600005, 'instance.state', 0, 'i-1', 3, 'name of i-1', 'us', 1, 3, 1795341540005, 1795341600005, 0, NULL);
DELETE FROM claimants;
INSERT INTO claimants VALUES (1, 1795341600006, 1795341600006);
INSERT INTO claimants VALUES (2, 1795341600006, 1795341600006);
DELETE FROM counts;
INSERT INTO counts VALUES ('accounts', 2);
INSERT INTO counts VALUES ('active', 6);
INSERT INTO counts VALUES ('damaged', 0);
INSERT INTO counts VALUES ('disabled', 0);
INSERT INTO counts VALUES ('paused', 0);
INSERT INTO counts VALUES ('waiting', 19);
DELETE FROM deliveries;
INSERT INTO deliveries VALUES (1, 2, 2, NULL, NULL, 1, 1, 0, NULL, NULL, 1795341600003, X'01A202B2C50044CAC6348A07C3955180', NULL);
INSERT INTO deliveries VALUES (1, 4, 1, 1795341600006, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (2, 1, 1, 1795341660003, 1795341600000, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (2, 2, 2, 1795341660003, 1795341600000, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (2, 3, 1, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (2, 4, 1, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (3, 1, 1, 1795341660003, 1795341600000, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (3, 3, 1, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (3, 4, 1, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (4, 5, 3, NULL, NULL, 1, 1, 0, NULL, NULL, 1795341600006, X'01A202B2C503679F4B75C9C19D76C523', NULL);
INSERT INTO deliveries VALUES (4, 6, 4, 1795341660006, 1795341600003, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (4, 7, 3, 1795341600006, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (4, 8, 3, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (5, 5, 3, 1795341660006, 1795341600003, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (5, 6, 4, 1795341660006, 1795341600003, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (5, 7, 3, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (5, 8, 3, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (6, 5, 3, 1795341660006, 1795341600003, 1, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (6, 7, 3, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (6, 8, 3, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (90, 1, 1, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL);
DELETE FROM destinations;
INSERT INTO destinations VALUES ('https://ann.example', 1795341600006, 1795341600006, 0, 0, 2);
INSERT INTO destinations VALUES ('https://bob.example', 1795341600006, 1795341600006, 0, 0, 2);
INSERT INTO destinations VALUES ('https://example.com', 1795341660003, 1795341600006, 0, 0, 2);
DELETE FROM dropped;
INSERT INTO dropped VALUES (0, 0, 90);
INSERT INTO dropped VALUES (1, 91, 92);
INSERT INTO dropped VALUES (2, 93, 0);
DELETE FROM endpoints;
INSERT INTO endpoints VALUES ('mock default', 0, 2, 1795341660002, 1795341600006, 0);
DELETE FROM flaps;
INSERT INTO flaps VALUES (1, 1, 'us', '[1]', 1, 32, 4);
INSERT INTO flaps VALUES (2, 1, 'us', '[1]', 1, 32, 4);
DELETE FROM histories;
INSERT INTO histories VALUES (1, 1, 0, 'i-1');
INSERT INTO histories VALUES (2, 1, 0, 'i-2');
INSERT INTO histories VALUES (3, 2, 0, 'i-1');
INSERT INTO histories VALUES (4, 2, 0, 'i-2');
DELETE FROM hooks;
INSERT INTO hooks VALUES (1, 1, 'account', NULL, NULL, 'https://ann.example/all', 'https://ann.example', NULL, X'010203', NULL, NULL, '{}', 'json', 'every', NULL, 'active', NULL, NULL, NULL, NULL, NULL, 1795341600000, 1);
INSERT INTO hooks VALUES (2, 1, 'account', NULL, NULL, 'https://ann.example/some', 'https://ann.example', NULL, X'010203', NULL, NULL, '{"ids":["i-*"],"retries":[5000]}', 'json', 'every', NULL, 'active', NULL, NULL, NULL, NULL, NULL, 1795341600000, 1);
INSERT INTO hooks VALUES (3, 1, 'account', 0, 'i-1', 'https://example.com/i-1', 'https://example.com', X'746F6B656E206F6620692D31', X'010203', NULL, NULL, '{}', 'json', 'every', NULL, 'active', NULL, NULL, NULL, NULL, NULL, 1795341600000, 1);
INSERT INTO hooks VALUES (4, 2, 'account', NULL, NULL, 'https://bob.example/all', 'https://bob.example', NULL, X'010203', NULL, NULL, '{}', 'json', 'every', NULL, 'active', NULL, NULL, 1795341600006, 1795341600006, NULL, 1795341600003, 1);
INSERT INTO hooks VALUES (5, 2, 'account', NULL, NULL, 'https://bob.example/some', 'https://bob.example', NULL, X'010203', NULL, NULL, '{"ids":["i-*"],"retries":[5000]}', 'json', 'every', NULL, 'active', NULL, NULL, NULL, NULL, NULL, 1795341600003, 1);
INSERT INTO hooks VALUES (6, 2, 'account', 0, 'i-1', 'https://example.com/i-1', 'https://example.com', X'746F6B656E206F6620692D31', X'010203', NULL, NULL, '{}', 'json', 'every', NULL, 'active', NULL, NULL, NULL, NULL, NULL, 1795341600003, 1);
DELETE FROM keys;
INSERT INTO keys VALUES (7, 1, NULL);
INSERT INTO keys VALUES (8, 0, 5);
DELETE FROM meta;
INSERT INTO meta VALUES ('run', 5728398384316686496);
INSERT INTO meta VALUES ('store', 3907155464);
DELETE FROM polls;
INSERT INTO polls VALUES (1, 0, 1795341660002, NULL, NULL, NULL, NULL, NULL, 60000, 'usual', 1795341600002, 1795341600000, 4, 1795341600002, 1795341600002, 1795341600000, 1795341600002, 0, 4, NULL, 'digest', 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0, 0, NULL, NULL, 0, 250, 8, NULL, 2, 'mock default', 0, NULL);
INSERT INTO polls VALUES (1, 1, 1795341660003, NULL, NULL, NULL, NULL, NULL, 60000, 'usual', 1795341600003, NULL, 2, 1795341600003, 1795341600003, 1795341600003, 1795341600003, 0, 2, NULL, 'digest', 0, 1795341600001, 'throttled', 'too many requests', 1795428000001, NULL, 0, NULL, 0, 0, 0, NULL, NULL, 0, 250, 3, NULL, 2, 'mock default', 0, NULL);
INSERT INTO polls VALUES (2, 0, 1795341660005, NULL, NULL, NULL, NULL, NULL, 60000, 'usual', 1795341600005, 1795341600003, 4, 1795341600005, 1795341600005, 1795341600003, 1795341600005, 0, 4, NULL, 'digest', 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0, 0, NULL, NULL, 0, 250, 8, NULL, 2, 'mock default', 0, NULL);
INSERT INTO polls VALUES (2, 1, 1795341660006, NULL, NULL, NULL, NULL, NULL, 60000, 'usual', 1795341600006, NULL, 2, 1795341600006, 1795341600006, 1795341600006, 1795341600006, 0, 2, NULL, 'digest', 0, 1795341600004, 'throttled', 'too many requests', 1795428000004, NULL, 0, NULL, 0, 0, 0, NULL, NULL, 0, 250, 3, NULL, 2, 'mock default', 0, NULL);
DELETE FROM providers;
DELETE FROM queues;
INSERT INTO queues VALUES (1, 1, 'https://ann.example', 1795341600006, 1795341600006, 0);
INSERT INTO queues VALUES (2, 1, 'https://ann.example', 1795341660003, 1795341600003, 0);
INSERT INTO queues VALUES (3, 1, 'https://example.com', 1795341660003, 1795341600003, 0);
INSERT INTO queues VALUES (4, 2, 'https://bob.example', 1795341600006, 1795341600006, 0);
INSERT INTO queues VALUES (5, 2, 'https://bob.example', 1795341660006, 1795341600006, 0);
INSERT INTO queues VALUES (6, 2, 'https://example.com', 1795341660006, 1795341600006, 0);
DELETE FROM requests;
INSERT INTO requests VALUES (1, 'account', 'k', X'0707070707070707070707070707070707070707070707070707070707070707', 1795341600003, X'01', 0, 0);
INSERT INTO requests VALUES (2, 'account', 'k', X'0707070707070707070707070707070707070707070707070707070707070707', 1795341600006, X'01', 0, 0);
DELETE FROM resources;
INSERT INTO resources VALUES (1, 0, 'i-1', 3, 3, 0, 1795341600002, 4, 1795341600002, 0);
INSERT INTO resources VALUES (1, 0, 'i-2', 1, 1, 0, 1795341600000, 2, 1795341600000, 0);
INSERT INTO resources VALUES (2, 0, 'i-1', 3, 3, 0, 1795341600005, 8, 1795341600005, 0);
INSERT INTO resources VALUES (2, 0, 'i-2', 1, 1, 0, 1795341600003, 6, 1795341600003, 0);
INSERT INTO resources VALUES (93, 0, 'i-1', 1, 1, 0, 1, 900, 1, 0);
DELETE FROM sessions;
INSERT INTO sessions VALUES (1, 'digest', 1795345200003, X'01');
INSERT INTO sessions VALUES (2, 'digest', 1795345200006, X'01');
DELETE FROM shares;
INSERT INTO shares VALUES ('https://ann.example', 1, 1795341600006, 1795341600006, 1795341600006);
INSERT INTO shares VALUES ('https://bob.example', 2, 1795341600006, 1795341600006, 1795341600006);
INSERT INTO shares VALUES ('https://example.com', 1, 1795341660003, 1795341600003, 1795341660003);
INSERT INTO shares VALUES ('https://example.com', 2, 1795341660006, 1795341600006, 1795341660006);
DELETE FROM tokens;
INSERT INTO tokens VALUES (1, 1, 'ci', 'track', X'0101010101010101010101010101010101010101010101010101010101010101', 1795341600003, NULL, NULL);
INSERT INTO tokens VALUES (2, 2, 'ci', 'track', X'0202020202020202020202020202020202020202020202020202020202020202', 1795341600006, NULL, NULL);
DELETE FROM trimmed;
INSERT INTO trimmed VALUES (1, 1, 5);
INSERT INTO trimmed VALUES (2, 0, 5);
DELETE FROM versions;
INSERT INTO versions VALUES (1, 1, 0, 'i-1', 1795341600001, 0, 1795341600000, 1, 1795341600000);
INSERT INTO versions VALUES (2, 1, 0, 'i-1', 1795341600002, 1, 1795341600001, 3, 1795341600001);
INSERT INTO versions VALUES (3, 2, 0, 'i-1', 1795341600004, 0, 1795341600003, 5, 1795341600003);
INSERT INTO versions VALUES (4, 2, 0, 'i-1', 1795341600005, 1, 1795341600004, 7, 1795341600004);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('accounts', 2);
INSERT INTO sqlite_sequence VALUES ('hooks', 6);
INSERT INTO sqlite_sequence VALUES ('histories', 4);
INSERT INTO sqlite_sequence VALUES ('changes', 8);
INSERT INTO sqlite_sequence VALUES ('tokens', 2);
CREATE TRIGGER accounts_added AFTER INSERT ON accounts BEGIN
    UPDATE counts SET number = number + 1 WHERE name = 'accounts';
END;
CREATE INDEX accounts_credential ON accounts (credential, user) WHERE credential IS NOT NULL;
CREATE TRIGGER accounts_removed AFTER DELETE ON accounts BEGIN
    UPDATE counts SET number = number - 1 WHERE name = 'accounts';
END;
CREATE INDEX changes_account ON changes (account);
CREATE INDEX changes_history ON changes (history);
CREATE INDEX claimants_due ON claimants (due, served);
CREATE TRIGGER deliveries_added AFTER INSERT ON deliveries WHEN NEW.dead IS NULL BEGIN
    UPDATE counts SET number = number + 1 WHERE name = 'waiting';
END;
CREATE INDEX deliveries_damaged ON deliveries (hook, change) WHERE damaged IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (hook, change) WHERE dead IS NOT NULL;
CREATE INDEX deliveries_dead_id ON deliveries (hook, dead_id) WHERE dead IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (hook, due, change, claimed) WHERE due IS NOT NULL;
CREATE INDEX deliveries_lent ON deliveries (lent, change) WHERE lent IS NOT NULL;
CREATE INDEX deliveries_line ON deliveries (hook, history, change) WHERE dead IS NULL;
CREATE TRIGGER deliveries_moved AFTER UPDATE OF dead ON deliveries WHEN (OLD.dead IS NULL) <> (NEW.dead IS NULL) BEGIN
    UPDATE counts SET number = number + CASE WHEN NEW.dead IS NULL THEN 1 ELSE -1 END WHERE name = 'waiting';
END;
CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries WHEN OLD.dead IS NULL BEGIN
    UPDATE counts SET number = number - 1 WHERE name = 'waiting';
END;
CREATE INDEX destinations_due ON destinations (due) WHERE due IS NOT NULL;
CREATE INDEX destinations_turn ON destinations (standing, due, served) WHERE due IS NOT NULL;
CREATE INDEX endpoints_due ON endpoints (class, due, served) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX histories_resource ON histories (account, kind, resource);
CREATE TRIGGER hooks_added AFTER INSERT ON hooks BEGIN
    UPDATE counts SET number = number + 1 WHERE name = NEW.status;
END;
CREATE INDEX hooks_behind ON hooks (id) WHERE behind IS NOT NULL AND status = 'active';
CREATE INDEX hooks_destination ON hooks (destination);
CREATE TRIGGER hooks_moved AFTER UPDATE OF status ON hooks WHEN OLD.status <> NEW.status BEGIN
    UPDATE counts SET number = number - 1 WHERE name = OLD.status;
    UPDATE counts SET number = number + 1 WHERE name = NEW.status;
END;
CREATE INDEX hooks_owner ON hooks (account, owner);
CREATE TRIGGER hooks_removed AFTER DELETE ON hooks BEGIN
    UPDATE counts SET number = number - 1 WHERE name = OLD.status;
END;
CREATE TRIGGER hooks_versioned AFTER UPDATE OF url, token, words, format, mode, rate, secret, old_secret, old_until, status,
    disabled, reason ON hooks
WHEN NEW.url IS NOT OLD.url OR NEW.token IS NOT OLD.token OR NEW.words IS NOT OLD.words OR NEW.format IS NOT OLD.format
    OR NEW.mode IS NOT OLD.mode OR NEW.rate IS NOT OLD.rate OR NEW.secret IS NOT OLD.secret
    OR NEW.old_secret IS NOT OLD.old_secret OR NEW.old_until IS NOT OLD.old_until OR NEW.status IS NOT OLD.status
    OR NEW.disabled IS NOT OLD.disabled OR NEW.reason IS NOT OLD.reason BEGIN
    UPDATE hooks SET version = CASE WHEN version < 1 << 62 THEN version + 1 ELSE 1 END WHERE id = NEW.id;
END;
CREATE TRIGGER polls_dropped AFTER DELETE ON polls BEGIN
    UPDATE endpoints SET due = (
        SELECT MAX(p.due, served, held_until) FROM polls p
        WHERE p.endpoint = OLD.endpoint AND p.slow = OLD.slow AND p.due IS NOT NULL ORDER BY p.due LIMIT 1)
    WHERE name = OLD.endpoint AND slow = OLD.slow;
END;
CREATE INDEX polls_held ON polls (account) WHERE held IS NOT NULL;
CREATE TRIGGER polls_moved AFTER UPDATE OF due, endpoint, slow ON polls
WHEN NEW.due IS NOT OLD.due OR NEW.endpoint <> OLD.endpoint OR NEW.slow <> OLD.slow BEGIN
    INSERT INTO endpoints (name, slow, class, held_until)
    SELECT NEW.endpoint, NEW.slow,
        COALESCE((SELECT CASE WHEN class >= 2 THEN class ELSE NEW.slow END FROM endpoints
                  WHERE name = NEW.endpoint AND slow <> NEW.slow), 2),
        COALESCE((SELECT held_until FROM endpoints WHERE name = NEW.endpoint AND slow <> NEW.slow), 0)
    WHERE NOT EXISTS (SELECT 1 FROM endpoints WHERE name = NEW.endpoint AND slow = NEW.slow);
    UPDATE endpoints SET due = (
        SELECT MAX(p.due, served, held_until) FROM polls p
        WHERE p.endpoint = NEW.endpoint AND p.slow = NEW.slow AND p.due IS NOT NULL ORDER BY p.due LIMIT 1)
    WHERE name = NEW.endpoint AND slow = NEW.slow;
    UPDATE endpoints SET due = (
        SELECT MAX(p.due, served, held_until) FROM polls p
        WHERE p.endpoint = OLD.endpoint AND p.slow = OLD.slow AND p.due IS NOT NULL ORDER BY p.due LIMIT 1)
    WHERE name = OLD.endpoint AND slow = OLD.slow AND (NEW.endpoint <> OLD.endpoint OR NEW.slow <> OLD.slow);
END;
CREATE TRIGGER polls_placed AFTER INSERT ON polls BEGIN
    UPDATE polls SET endpoint = COALESCE((
        SELECT COALESCE(p.endpoint, a.driver || ' ' || a.provider)
        FROM accounts a LEFT JOIN providers p ON p.driver = a.driver AND p.provider = a.provider
        WHERE a.id = NEW.account), '')
    WHERE account = NEW.account AND kind = NEW.kind;
END;
CREATE INDEX polls_turns ON polls (endpoint, slow, due) WHERE due IS NOT NULL;
CREATE INDEX queues_due ON queues (destination, account, due, served);
CREATE INDEX requests_begun ON requests (begun);
CREATE INDEX resources_passing ON resources (account) WHERE kind = 0 AND state IN (0, 2, 4);
CREATE INDEX sessions_until ON sessions (until);
CREATE INDEX shares_due ON shares (destination, due, served);
CREATE INDEX shares_turn ON shares (account, turn, served);
CREATE INDEX tokens_account ON tokens (account);
CREATE INDEX versions_resource ON versions (account, kind, id, until);
