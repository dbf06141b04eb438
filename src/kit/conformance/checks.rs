//! All checks, in the order in which they run.

mod accounts;
mod alone;
mod by_id;
mod chains;
mod changes;
mod describing;
mod effects;
mod failing;
mod headers;
mod hints;
mod items;
mod keeping;
mod kept;
mod later;
mod listing;
mod odd_ids;
mod options;
mod outage;
mod pages;
mod repeating;
mod requests;
mod rows;
mod scale;
mod secrets;
mod settings;
mod states;
mod values;

use futures_util::future::BoxFuture;

use super::stand::StandError;
use super::suite::Suite;
use super::verdict::Verdict;

pub(super) struct Entry {
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    pub(super) run: for<'a> fn(&'a Suite) -> BoxFuture<'a, Result<Verdict, StandError>>,
}

macro_rules! checks {
    ($($name:literal, $run:path, $about:literal;)*) => {
        &[$(Entry { name: $name, about: $about, run: |suite| Box::pin($run(suite)) },)*]
    };
}

pub(super) const ALL: &[Entry] = checks! {
    "describes-itself", describing::describes_itself,
        "What it says of itself is the same every time, and fits its cassettes.";
    "replays-cassettes", listing::replays,
        "Each cassette gives what its author expects of it, by the requests that are recorded and no others.";
    "expects-everything", values::expected,
        "Cassettes say what is right to the last field: what is not expected is not looked at.";
    "values-are-plausible", values::plausible,
        "Addresses, times and realms are what their values say.";
    "shows-each-list", listing::shows_each_list,
        "There is a cassette with something in it for each list that the provider has.";
    "shows-each-error", listing::shows_each_error,
        "There is a cassette for each error that the provider words itself.";
    "pages-to-the-end", listing::pages,
        "A list goes on to its last page, and no id is on it twice.";
    "many-pages", chains::many_pages,
        "A list of any number of pages is listed to its end, whatever its cursors look like.";
    "ids-are-stable", repeating::stable_ids,
        "The provider's order, of entries and of what is in them, has no part in what a resource is.";
    "is-deterministic", repeating::deterministic,
        "The same answers give the same list.";
    "session-changes-nothing", repeating::session,
        "What was remembered of the poll before changes nothing, not even where it is worth nothing any more.";
    "cold-start", repeating::cold_start,
        "A sandbox that is the first of its engine gives what every other gives.";
    "states-are-mapped", states::mapped,
        "Each word for a state is kept as it is and mapped as the author says.";
    "unknown-states", states::unknown,
        "A word for a state that nobody knows is kept, and is unknown: no guess and no error.";
    "reads-each-entry", items::each,
        "An entry that lacks something is never left out, and takes nothing from its neighbours.";
    "lists-every-row", rows::each,
        "Each row of an answer is listed, or the driver says that it left it out.";
    "partial-is-said", states::partial,
        "Where the provider gave less than everything, the list says that it is partial.";
    "changes-are-whole", changes::whole,
        "Asked for what changed since a time, it lists all of that and names what is gone, or lists everything.";
    "lists-by-id", by_id::alone,
        "Asked for single instances, it lists these alone, by fewer requests, and one that is not there is no error.";
    "errors-are-told-apart", failing::statuses,
        "Wrong credentials, missing rights, throttling and outages are each told as what they are.";
    "broken-answers", failing::broken,
        "An answer that is cut off, empty or something else never makes a shorter list that says it is complete.";
    "asks-no-more", requests::asks_no_more,
        "Where something goes wrong it asks no more often than where nothing does, and it never sleeps.";
    "works-elsewhere", settings::elsewhere,
        "It works for every account, everywhere and at any time.";
    "uses-secrets", secrets::used,
        "Every secret of an account goes where it belongs, and signatures are those of their algorithm.";
    "stays-inside", keeping::inside,
        "It asks for nothing but the account's endpoints and those that it declares.";
    "keeps-secrets", keeping::secrets,
        "No secret, and no word that stands for one, is in a list, an error, a log line or an address.";
    "a-thousand", scale::thousand,
        "A list of a thousand instances is listed whole, within the limits.";
    "within-limits", scale::limits,
        "No list takes more than a poll may; half of that is a warning.";
};
