//! The attacks on a live host, each with what has to come of it.

use super::sink::Sink;

pub(super) struct Attack {
    /// What the driver is told to do; with a number behind it where it is done in several ways, also the provider's
    /// name.
    pub(super) name: String,
    /// Options of its account, in TOML.
    pub(super) options: String,
    pub(super) ends: Ends,
}

/// What comes of an attack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// The poll ends with this code, and these words in its message.
    With(&'static str, &'static str),
    /// It burns CPU time until it has no more: of its page, or of the whole poll where the machine is busy, since what
    /// burns stands back.
    Spent,
    /// It takes memory until it has had what it may have: of memory, of handles, of requests, or before that of CPU time.
    Hoarded,
    /// It is harmless: there is a list, with these words in it.
    Listed(&'static str),
    /// There is a list that is not complete.
    Partial,
}

use Ends::{Hoarded, Listed, Partial, Spent, With};

/// What is lent: long enough to be masked, and with characters in it that each encoding writes in its own way.
pub(super) const SECRET: &str = "correct/horse+battery=\"staple\" & more";

/// Attacks that need nobody else: on the host's time and memory, and by what is answered.
const ALONE: &[(&str, Ends)] = &[
    ("burn:spin", Spent),
    ("burn:allocate", Spent),
    ("burn:grow", With("limit.memory", "drivers.limits.memory")),
    ("burn:recurse", With("crashed", "wasm trap")),
    ("burn:trap", With("crashed", "unreachable")),
    ("burn:panic", With("crashed", "so it ends")),
    ("burn:exit", With("crashed", "")),
    ("burn:sleep", With("limit.poll_timeout", "drivers.limits.poll_timeout")),
    ("burn:headers", With("limit.handles", "drivers.limits.handles")),
    ("burn:requests", With("limit.handles", "drivers.limits.handles")),
    ("burn:timers", With("limit.handles", "drivers.limits.handles")),
    ("burn:print", Spent),
    ("burn:log", Spent),
    ("burn:forge", Listed("i-1")),
    ("data:id-empty", With("contract", "an id can't be empty")),
    ("data:id-long", With("contract", "255 bytes")),
    ("data:id-mebibyte", With("contract", "255 bytes")),
    ("data:id-line", With("contract", "control characters")),
    ("data:id-escape", With("contract", "control characters")),
    ("data:id-nul", With("contract", "control characters")),
    ("data:id-unseen", Listed("i-")),
    ("data:name", With("contract", "name of \"i-1\" has 1048576 bytes")),
    ("data:owner", With("contract", "owner of \"i-1\" has 1048576 bytes")),
    ("data:realm", With("contract", "realm of \"i-1\" has 1048576 bytes")),
    ("data:image", With("contract", "image of \"i-1\" has 1048576 bytes")),
    ("data:profile", With("contract", "hardware-profile of \"i-1\" has 1048576 bytes")),
    ("data:provider-state", With("contract", "provider-state of \"i-1\" has 1048576 bytes")),
    ("data:label-name", With("contract", "a label of \"i-1\" has 1048576 bytes")),
    ("data:label-value", With("contract", "a label of \"i-1\" has 1048576 bytes")),
    ("data:labels-twice", Listed("i-1")),
    ("data:labels-many", With("contract", "100000 labels; limit 1000, setting: drivers.limits.labels")),
    ("data:address", With("contract", "an address of \"i-1\" has 1048576 bytes")),
    ("data:address-v4", With("contract", "not valid for its kind")),
    ("data:address-v6", With("contract", "not valid for its kind")),
    ("data:addresses-many", With("contract", "100000 addresses; limit 1000")),
    ("data:time-first", With("contract", "launched-at")),
    ("data:time-last", With("contract", "launched-at")),
    ("data:strange", Listed("i-1")),
    ("data:twice", Listed("later")),
    ("data:twice-paged", Listed("later")),
    ("data:million", With("limit.memory", "drivers.limits.memory")),
    ("data:many", With("limit.items", "drivers.limits.items")),
    ("data:many-paged", With("limit.items", "drivers.limits.items")),
    ("data:heavy-paged", With("limit.list_bytes", "drivers.limits.list_bytes")),
    ("data:pages", With("limit.pages", "drivers.limits.pages")),
    ("data:pages-empty", With("unexpected-answer", "empty_pages")),
    ("data:cursor-same", With("unexpected-answer", "same cursor twice")),
    // An empty cursor is none.
    ("data:cursor-empty", Listed("[]")),
    ("data:cursor-huge", With("contract", "cursor has 1048576 bytes")),
    ("data:delta", With("contract", "a delta")),
    ("data:partial", Partial),
    ("data:forbidden", With("forbidden", "forged")),
    ("data:throttled", With("throttled", "forged")),
    ("data:unavailable", With("unavailable", "forged")),
    ("data:invalid-account", With("invalid-account", "forged")),
    ("data:unexpected-answer", With("unexpected-answer", "forged")),
];

const REQUEST_BYTES: Ends = With("limit.request_bytes", "drivers.limits.request_bytes");
const REQUEST_HEADERS: Ends = With("limit.request_header_bytes", "drivers.limits.request_header_bytes");

/// Attacks on the host's memory by what it keeps for a guest.
const HOARDS: &[(&str, Ends)] = &[
    ("hoard:body-written", Hoarded),
    ("hoard:body-zeroes", Hoarded),
    ("hoard:body-bytes", Hoarded),
    ("hoard:body-polled", Hoarded),
    ("hoard:body-length", Hoarded),
    ("hoard:body-finished", Hoarded),
    ("hoard:body-aborted", Hoarded),
    ("hoard:body-trailers", Hoarded),
    ("hoard:body-response", Hoarded),
    ("hoard:body-churn", Hoarded),
    ("hoard:body-at-once", With("crashed", "write exceeded budget")),
    ("hoard:body-unended", Hoarded),
    ("hoard:fields-long", Hoarded),
    ("hoard:fields-empty", Hoarded),
    ("hoard:fields-names", Hoarded),
    ("hoard:fields-list", Hoarded),
    ("hoard:fields-set", Hoarded),
    ("hoard:fields-clone", Hoarded),
    ("hoard:fields-clone-changed", Hoarded),
    ("hoard:fields-request", Hoarded),
    ("hoard:fields-response", Hoarded),
    ("hoard:fields-of-request", Hoarded),
    ("hoard:fields-views", Hoarded),
    ("hoard:fields-churn", Hoarded),
    ("hoard:path", Hoarded),
    ("hoard:path-churn", Hoarded),
    ("hoard:authority", Hoarded),
    ("hoard:scheme", Hoarded),
    ("hoard:method", Hoarded),
];

/// Attacks on the host's time by calls that take long.
const LONG: &[(&str, Ends)] = &[
    ("long:hmac-chain", Spent),
    ("long:hmac-chain-short", Spent),
    ("long:hmac-message", REQUEST_BYTES),
    ("long:hmac-messages", REQUEST_BYTES),
    ("long:hmac-prefix", REQUEST_BYTES),
    ("long:hmac-again", Spent),
    ("long:digest", REQUEST_BYTES),
    ("long:digest-again", Spent),
    ("long:digest-words", Spent),
    ("long:sign", REQUEST_BYTES),
    ("long:sign-again", Spent),
    ("long:placeholder", Spent),
    ("long:session-key", Spent),
    ("long:session-value", Spent),
    ("long:session-again", Spent),
    ("long:log", Spent),
    ("long:poll-many", With("limit.handles", "drivers.limits.handles")),
    ("long:poll-again", Spent),
    ("long:fields-values", REQUEST_HEADERS),
    ("long:fields-list", REQUEST_HEADERS),
    ("long:fields-name", Spent),
];

/// Attacks through the account's own endpoint: the driver's way, the path there, and what comes of it.
const OWN: &[(&str, &str, Ends)] = &[
    ("fetch:own", "/endless", With("limit.answer_bytes", "drivers.limits.answer_bytes")),
    ("fetch:own", "/drip", With("limit.request_timeout", "drivers.limits.request_timeout")),
    ("fetch:own", "/silent", With("limit.request_timeout", "drivers.limits.request_timeout")),
    ("fetch:own", "/headers-many", With("limit.answer_header_bytes", "drivers.limits.answer_header_bytes")),
    ("fetch:own", "/headers-long", With("limit.answer_header_bytes", "drivers.limits.answer_header_bytes")),
    ("fetch:own", "/headers-endless", With("limit.answer_header_bytes", "drivers.limits.answer_header_bytes")),
    ("fetch:own", "/nonsense", With("unavailable", "")),
    ("fetch:own", "/redirect", Listed("302")),
    ("fetch:many", "/", With("limit.requests", "drivers.limits.requests")),
    ("fetch:body", "/", With("limit.request_bytes", "drivers.limits.request_bytes")),
    ("fetch:headers", "/", REQUEST_HEADERS),
    ("fetch:lines", "/", With("invalid-account", "x-a")),
    ("fetch:smuggle", "/", With("invalid-account", "transfer-encoding")),
    ("fetch:host", "/", With("invalid-account", "host")),
    ("fetch:host-case", "/", With("invalid-account", "HoSt")),
    // A placeholder is only a word wherever the secret may not go.
    ("carry:path", "", Listed("ok")),
    ("carry:log", "", With("crashed", "tracker-placeholder-")),
    ("carry:answer", "", Listed("tracker-placeholder-")),
    ("carry:error", "", With("unavailable", "tracker-placeholder-")),
    ("carry:session", "", Listed("i-1")),
    ("carry:header-name", "", Listed("tracker-placeholder-")),
    ("carry:two-headers", "", Listed("tracker-placeholder-")),
    ("carry:header-and-body", "", Listed("tracker-placeholder-")),
    ("carry:two-pieces", "", Listed("[secret]")),
    ("carry:nested", "", Listed("[secret]")),
    ("carry:names", "", Listed("\"=false PASSWORD=false ../password=false user=false mockpassword=false long=false\"")),
    // What comes back is masked in each form that a provider may give it. Written backwards, or turned in any way
    // that it agreed upon with the driver, the secret can't be told from other data: what an endpoint is granted,
    // it has.
    ("carry:echo", "/echo", Listed("[secret]")),
    ("carry:echo", "/echo-base64", Listed("[secret]")),
    ("carry:echo", "/echo-url", Listed("[secret]")),
    ("carry:echo", "/echo-form", Listed("[secret]")),
    ("carry:echo", "/echo-json", Listed("[secret]")),
    ("carry:echo", "/echo-hex", Listed("[secret]")),
    ("carry:echo", "/echo-slashes", Listed("[secret]")),
    ("carry:echo", "/echo-xml", Listed("[secret]")),
    ("carry:echo", "/echo-lower", Listed("[secret]")),
    ("carry:echo", "/echo-header", Listed("[secret]")),
    ("carry:echo", "/echo-bytes", Listed("[secret]")),
    ("carry:echo", "/echo-gzip", Listed("[secret]")),
    ("carry:echo", "/echo-odd", With("unavailable", "")),
];

/// Ways to write another endpoint than the account's; `PORT` is the other's and `OWN` the account's own.
const ELSEWHERE: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://017700000001:PORT/",
    "http://0:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[0:0:0:0:0:ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://OWN@127.0.0.1:PORT/",
    "http://granted:granted@127.0.0.1:PORT/",
    "http://OWN.evil.invalid:PORT/",
    "http://xn--lcalhost-54a:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "https://b.sites.invalid/",
    "https://login.invalid.evil.invalid/",
];

pub(super) fn all(own: &Sink, other: &Sink) -> Vec<Attack> {
    let mut attacks = Vec::new();
    let mut push = |name: &str, options: &str, ends: Ends| {
        let at = attacks.len();
        let options = format!("do = {name:?}{options}");
        attacks.push(Attack { name: format!("{}-{at}", name.replace(':', "-")), options, ends });
    };
    for (name, ends) in ALONE.iter().chain(HOARDS).chain(LONG) {
        push(name, "", *ends);
    }
    for (name, path, ends) in OWN {
        push(name, &format!(", path = {path:?}, count = \"5000\", value = \"victim.invalid\""), *ends);
    }
    for url in ELSEWHERE {
        let authority = own.endpoint().replace("http://", "");
        let url = url.replace("PORT", &other.port().to_string()).replace("OWN", &authority.replace(':', "-"));
        push("fetch:other", &format!(", url = {url:?}"), With("refused", "driver \"hostile\" asked for"));
        push("carry:elsewhere", &format!(", url = {url:?}"), With("refused", "driver \"hostile\" asked for"));
    }
    for (url, code) in [
        ("file:///etc/passwd", "invalid-account"),
        ("unix:///run/docker.sock", "invalid-account"),
        ("ftp://127.0.0.1/", "unavailable"),
        ("gopher://127.0.0.1:1/", "unavailable"),
    ] {
        push("fetch:other", &format!(", url = {url:?}"), With(code, ""));
    }
    attacks
}
