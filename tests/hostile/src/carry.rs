//! Attacks on the secret: ways to carry it to where it should not be, or to get to see it.

use std::fmt::Write as _;

use crate::exports::tracker::driver::inventory::{Error, Instance};
use crate::fetch::{Request, send};
use crate::tracker::driver::credentials::{self, Encoding};
use crate::tracker::driver::log::{self, Level};
use crate::tracker::driver::session;
use crate::{Told, instance, no_such};

pub(crate) fn attack(how: &str, told: &Told<'_>) -> Result<Instance, Error> {
    let word = |encoding| credentials::placeholder("password", encoding).unwrap_or_default();
    let raw = word(Encoding::Raw);
    let own = |path: &str| format!("{}{path}", told.account.endpoint);
    let get = |url: String, headers: Vec<(String, Vec<u8>)>| send(Request { url, headers, body: vec![] });
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let (front, back) = raw.split_at(raw.len() / 2);
    match how {
        "elsewhere" => {
            let headers = vec![header("authorization", &raw)];
            send(Request { url: told.option("url").into(), headers, body: vec![raw.into_bytes()] })
        }
        "path" => get(own(&format!("/{raw}?{raw}={raw}")), vec![]),
        "log" => {
            for text in [&raw, &word(Encoding::Basic), &word(Encoding::Json), &word(Encoding::Form)] {
                log::write(Level::Error, text);
            }
            println!("{raw}");
            panic!("{raw}");
        }
        "answer" => Ok(Instance { name: Some(raw.clone()), labels: vec![(raw.clone(), raw)], ..instance("i-1") }),
        "error" => Err(Error::Unavailable(raw)),
        "session" => {
            session::put("key", raw.as_bytes(), 600);
            Ok(instance("i-1"))
        }
        "header-name" => get(own("/echo"), vec![header(&raw, "x")]),
        "two-headers" => get(own("/echo"), vec![header("x-front", front), header("x-back", back)]),
        "header-and-body" => {
            let headers = vec![header("x-front", front)];
            send(Request { url: own("/echo"), headers, body: vec![back.into()] })
        }
        // One word, written in two pieces: it is whole again when it is sent, and masked when it comes back.
        "two-pieces" => send(Request { url: own("/echo"), headers: vec![], body: vec![front.into(), back.into()] }),
        "nested" => {
            let nested = format!("{front}{raw}{back} {raw}{raw} tracker-placeholder-{raw}");
            get(own("/echo"), vec![header("x-nested", &nested)])
        }
        // All encodings at once, to what sends back all that it was sent, as it is told to.
        "echo" => {
            let encodings = [Encoding::Raw, Encoding::Basic, Encoding::Json, Encoding::Form];
            let headers = encodings.map(|encoding| header("x-secret", &word(encoding))).to_vec();
            let body = encodings.map(|encoding| word(encoding).into_bytes()).to_vec();
            send(Request { url: own(told.option("path")), headers, body })
        }
        // A private key is long, and its word is short: 20,000 of them would be many times a request's limit.
        "multiply" => {
            let body = vec![raw.repeat(70).into_bytes(); 280];
            send(Request { url: own("/"), headers: vec![], body })
        }
        "multiply-digest" => {
            let digest = credentials::digest_sha256(raw.repeat(500_000).as_bytes());
            Ok(Instance { name: Some(hex(&digest)), ..instance("i-1") })
        }
        "names" => {
            let mut tried = String::new();
            for name in ["", "PASSWORD", "../password", "user", "mockpassword"] {
                let given = credentials::placeholder(name, Encoding::Raw).is_ok();
                let _ = write!(tried, "{name}={given} ");
            }
            let long = "x".repeat(1 << 20);
            let _ = write!(tried, "long={}", credentials::placeholder(&long, Encoding::Raw).is_ok());
            Ok(Instance { name: Some(tried), ..instance("i-1") })
        }
        _ => Err(no_such(how)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
