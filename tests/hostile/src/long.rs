//! Attacks on the host's time by calls of it that take long, since no guest is interrupted within one.

use crate::exports::tracker::driver::inventory::{Error, InstancePage};
use crate::no_such;
use crate::tracker::driver::credentials::{self, Encoding};
use crate::tracker::driver::log::{self, Level};
use crate::tracker::driver::session;
use crate::wasi::clocks::monotonic_clock;
use crate::wasi::http::types::Fields;
use crate::wasi::io::poll;

/// As much as the sandbox has room for.
const LONG: usize = 16 << 20;

pub(crate) fn attack(how: &str) -> Result<InstancePage, Error> {
    match how {
        "hmac-chain" => again(vec![Vec::new(); 2_000_000], |chain| credentials::hmac_sha256("password", b"", chain)),
        "hmac-chain-short" => again(vec![vec![0]; 100], |chain| credentials::hmac_sha256("password", b"", chain)),
        "hmac-message" => again([vec![0; LONG]], |chain| credentials::hmac_sha256("password", b"", chain)),
        "hmac-messages" => again(vec![vec![0; 100_000]; 60], |chain| credentials::hmac_sha256("password", b"", chain)),
        "hmac-prefix" => again(vec![0; LONG], |prefix| credentials::hmac_sha256("password", prefix, &[vec![0]])),
        "hmac-again" => again(vec![vec![0; 10_000]; 60], |chain| credentials::hmac_sha256("password", b"", chain)),
        "digest" => again(vec![0; LONG], |message| credentials::digest_sha256(message)),
        "digest-again" => again(vec![0; 1 << 20], |message| credentials::digest_sha256(message)),
        "digest-words" => {
            let word = credentials::placeholder("password", Encoding::Raw).unwrap_or_default();
            again(word.repeat(10_000).into_bytes(), |message| credentials::digest_sha256(message))
        }
        "sign" => again(vec![0; LONG], |message| credentials::sign_rs256("password", message)),
        "sign-again" => again(vec![0; 1000], |message| credentials::sign_rs256("password", message)),
        "placeholder" => again("x".repeat(LONG), |name| credentials::placeholder(name, Encoding::Raw)),
        "session-key" => again("x".repeat(LONG), |key| session::get(key)),
        "session-value" => again(vec![0; LONG], |value| session::put("key", value, 600)),
        "session-again" => again(vec![0; 16_000], |value| session::put("key", value, 600)),
        "log" => again("x".repeat(LONG), |text| log::write(Level::Error, text)),
        "poll-many" => {
            let timer = monotonic_clock::subscribe_duration(0);
            again(vec![&timer; 2_000_000], |timers| poll::poll(timers))
        }
        "poll-again" => {
            let timers: Vec<_> = (0..1000).map(|_| monotonic_clock::subscribe_duration(0)).collect();
            again(timers.iter().collect::<Vec<_>>(), |timers| poll::poll(timers))
        }
        "fields-values" => again(vec![Vec::new(); 2_000_000], |values| Fields::new().set("a", values)),
        "fields-list" => again(vec![("a".to_owned(), Vec::new()); 500_000], |list| Fields::from_list(list)),
        "fields-name" => {
            let fields = Fields::new();
            again("x".repeat(LONG), move |name| fields.get(name))
        }
        _ => Err(no_such(how)),
    }
}

/// Calls the host with the same thing over and over, whatever it says.
fn again<T, R>(thing: T, call: impl Fn(&T) -> R) -> ! {
    loop {
        std::hint::black_box(call(&thing));
    }
}
