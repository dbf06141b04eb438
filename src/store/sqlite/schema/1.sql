-- Times are milliseconds since 1970; kinds and states are the numbers of sqlite/columns.rs.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The keys that what is sealed here opens with, and what is hashed was hashed with.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    is_current INTEGER NOT NULL,
    -- Of an old key with which nothing is sealed any more: until when what was hashed with it is good.
    until INTEGER
) STRICT;

-- How many rows there are of what is read for metrics, kept by the triggers at the end: counting costs what is counted.
CREATE TABLE counts (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counts (name, number) VALUES ('accounts', 0), ('active', 0), ('paused', 0), ('disabled', 0), ('damaged', 0),
    ('waiting', 0);

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

CREATE INDEX accounts_credential ON accounts (credential, user) WHERE credential IS NOT NULL;

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

CREATE INDEX polls_turns ON polls (endpoint, slow, due) WHERE due IS NOT NULL;
CREATE INDEX polls_held ON polls (account) WHERE held IS NOT NULL;

-- Which endpoint the accounts of a provider are polled at, as the host says; without a row it is named after both.
CREATE TABLE providers (
    driver TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    PRIMARY KEY (driver, provider)
) STRICT, WITHOUT ROWID;

-- Whose turn it is to be polled: a row for the quick polls of each endpoint, and one for its slow polls.
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

CREATE INDEX endpoints_due ON endpoints (class, due, served) WHERE due IS NOT NULL;

-- Whatever moves a poll, the turn of its endpoint follows within the same statement.
CREATE TRIGGER polls_placed AFTER INSERT ON polls BEGIN
    UPDATE polls SET endpoint = COALESCE((
        SELECT COALESCE(p.endpoint, a.driver || ' ' || a.provider)
        FROM accounts a LEFT JOIN providers p ON p.driver = a.driver AND p.provider = a.provider
        WHERE a.id = NEW.account), '')
    WHERE account = NEW.account AND kind = NEW.kind;
END;

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

CREATE TRIGGER polls_dropped AFTER DELETE ON polls BEGIN
    UPDATE endpoints SET due = (
        SELECT MAX(p.due, served, held_until) FROM polls p
        WHERE p.endpoint = OLD.endpoint AND p.slow = OLD.slow AND p.due IS NOT NULL ORDER BY p.due LIMIT 1)
    WHERE name = OLD.endpoint AND slow = OLD.slow;
END;

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
    -- Since when it was known to be as its body says: a page of the past needs no body that is younger than it.
    since INTEGER NOT NULL,
    -- The lease of the poll that it was last missing from.
    marked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;

-- Those whose state leads on to another.
CREATE INDEX resources_passing ON resources (account) WHERE kind = 0 AND state IN (0, 2, 4);

-- What a resource is, or was. None is ever changed: what is another gets another, at the end of the table, and
-- the one before it stays where it is, as that of a version. So a change writes no page but those at the end.
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    name TEXT,
    realm TEXT,
    first_seen INTEGER NOT NULL,
    state_since INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

-- What resources were before they changed or went, each until when that was known.
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

CREATE INDEX versions_resource ON versions (account, kind, id, until);

-- Changes of state of late, by which it is judged what flaps: when they came, as JSON; and while it is damped since when,
-- the state that was told last, and how many changes there were.
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

-- The resources that the journal has changes of. What has much of one resource (changes, deliveries) names it by this
-- number: an index with the text in each of its entries would be three times as large, and where it does not fit into
-- memory, each change would cost a page of it that is read and written.
CREATE TABLE histories (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    resource TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX histories_resource ON histories (account, kind, resource);

-- The journal. `forgotten` in `meta` is the number up to which only what is still owed is kept.
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

CREATE INDEX changes_account ON changes (account);
CREATE INDEX changes_history ON changes (history);

-- Accounts that had more of the journal than their share: see sqlite/trim.rs.
CREATE TABLE trimmed (
    account INTEGER PRIMARY KEY,
    -- The number up to which only what is still owed of its changes is kept, and since when its past is known.
    change INTEGER NOT NULL,
    past INTEGER NOT NULL
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

-- By which an owner's hooks are listed in order.
CREATE INDEX hooks_owner ON hooks (account, owner);
CREATE INDEX hooks_destination ON hooks (destination);
CREATE INDEX hooks_behind ON hooks (id) WHERE behind IS NOT NULL AND status = 'active';

-- Whatever writes a hook: how its receiver is doing (`failing`, `failed`, `behind`) is not its owner's, and would have a
-- hook that fails now and then refuse every conditional write.
CREATE TRIGGER hooks_versioned AFTER UPDATE OF url, token, words, format, mode, rate, secret, old_secret, old_until, status,
    disabled, reason ON hooks
WHEN NEW.url IS NOT OLD.url OR NEW.token IS NOT OLD.token OR NEW.words IS NOT OLD.words OR NEW.format IS NOT OLD.format
    OR NEW.mode IS NOT OLD.mode OR NEW.rate IS NOT OLD.rate OR NEW.secret IS NOT OLD.secret
    OR NEW.old_secret IS NOT OLD.old_secret OR NEW.old_until IS NOT OLD.old_until OR NEW.status IS NOT OLD.status
    OR NEW.disabled IS NOT OLD.disabled OR NEW.reason IS NOT OLD.reason BEGIN
    UPDATE hooks SET version = CASE WHEN version < 1 << 62 THEN version + 1 ELSE 1 END WHERE id = NEW.id;
END;

-- What is owed to hooks. Of each resource on each hook only the oldest one that is not dead has a `due`,
-- and none of a hook that rests: the others wait behind it, and cost nothing until it is settled.
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

CREATE INDEX deliveries_line ON deliveries (hook, history, change) WHERE dead IS NULL;
-- With the change, by which it is ordered, and the claim, so that a start need not look at each of a million rows.
CREATE INDEX deliveries_due ON deliveries (hook, due, change, claimed) WHERE due IS NOT NULL;
CREATE INDEX deliveries_lent ON deliveries (lent, change) WHERE lent IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (hook, change) WHERE dead IS NOT NULL;
CREATE INDEX deliveries_dead_id ON deliveries (hook, dead_id) WHERE dead IS NOT NULL;
CREATE INDEX deliveries_damaged ON deliveries (hook, change) WHERE damaged IS NOT NULL;

-- One row for each hook that has a delivery with a `due`: whose turn it is within its account at its destination,
-- whatever the length of the lines.
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

CREATE INDEX queues_due ON queues (destination, account, due, served);

-- One row for each account that has a queue at a destination: whose turn it is within the destination.
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

CREATE INDEX shares_due ON shares (destination, due, served);
CREATE INDEX shares_turn ON shares (account, turn, served);

-- One row for each account that has a share: whose turn it is among the accounts, however many destinations each has.
CREATE TABLE claimants (
    account INTEGER PRIMARY KEY,
    -- The earliest `turn` of its shares, or `served`, if that is later.
    due INTEGER NOT NULL,
    served INTEGER NOT NULL
) STRICT;

CREATE INDEX claimants_due ON claimants (due, served);

-- One row for each destination that has hooks and had a queue: whose turn it is among them.
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

CREATE INDEX destinations_turn ON destinations (standing, due, served) WHERE due IS NOT NULL;
CREATE INDEX destinations_due ON destinations (due) WHERE due IS NOT NULL;

-- The tries that were made, also of what is no longer owed.
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

-- What clients hold in the place of an account's credentials: the SHA-256 of each one's secret.
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

CREATE INDEX tokens_account ON tokens (account);

-- Hooks (0), tokens (1) and accounts (2) that are gone, and of which not all is deleted yet, and accounts that are there and
-- lose their hooks before they go (3): see sqlite/dropped.rs.
CREATE TABLE dropped (
    kind INTEGER NOT NULL,
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (kind, account, id)
) STRICT, WITHOUT ROWID;

-- Requests that may be repeated.
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

CREATE INDEX requests_begun ON requests (begun);

-- What drivers remember of accounts across polls, sealed: it spares logins, and may be lost.
CREATE TABLE sessions (
    account INTEGER NOT NULL,
    -- The SHA-256 of the driver's file.
    digest TEXT NOT NULL,
    -- When the last of it runs out, by the driver's clock, which is never moved.
    until INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_until ON sessions (until);

-- See `counts`. Hooks are counted by their status, and deliveries that are not dead.
CREATE TRIGGER accounts_added AFTER INSERT ON accounts BEGIN
    UPDATE counts SET number = number + 1 WHERE name = 'accounts';
END;
CREATE TRIGGER accounts_removed AFTER DELETE ON accounts BEGIN
    UPDATE counts SET number = number - 1 WHERE name = 'accounts';
END;
CREATE TRIGGER hooks_added AFTER INSERT ON hooks BEGIN
    UPDATE counts SET number = number + 1 WHERE name = NEW.status;
END;
CREATE TRIGGER hooks_removed AFTER DELETE ON hooks BEGIN
    UPDATE counts SET number = number - 1 WHERE name = OLD.status;
END;
CREATE TRIGGER hooks_moved AFTER UPDATE OF status ON hooks WHEN OLD.status <> NEW.status BEGIN
    UPDATE counts SET number = number - 1 WHERE name = OLD.status;
    UPDATE counts SET number = number + 1 WHERE name = NEW.status;
END;
CREATE TRIGGER deliveries_added AFTER INSERT ON deliveries WHEN NEW.dead IS NULL BEGIN
    UPDATE counts SET number = number + 1 WHERE name = 'waiting';
END;
CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries WHEN OLD.dead IS NULL BEGIN
    UPDATE counts SET number = number - 1 WHERE name = 'waiting';
END;
CREATE TRIGGER deliveries_moved AFTER UPDATE OF dead ON deliveries WHEN (OLD.dead IS NULL) <> (NEW.dead IS NULL) BEGIN
    UPDATE counts SET number = number + CASE WHEN NEW.dead IS NULL THEN 1 ELSE -1 END WHERE name = 'waiting';
END;
