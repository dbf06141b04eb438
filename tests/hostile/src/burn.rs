//! Attacks on what the host has: time, memory, handles, its log.

use std::hint::black_box;
use std::time::Duration;

use crate::exports::tracker::driver::inventory::{Error, InstancePage};
use crate::tracker::driver::log::{self, Level};
use crate::wasi::clocks::monotonic_clock;
use crate::wasi::http::types::{Fields, OutgoingRequest};
use crate::{Told, instance, no_such, page};

pub(crate) fn attack(how: &str, told: &Told<'_>) -> Result<InstancePage, Error> {
    match how {
        "spin" => loop {
            std::hint::spin_loop();
        },
        // Stays below the limit on CPU time, for `count` milliseconds, and gives a good page.
        "for" => {
            let end = monotonic_clock::now() + told.number("count") * 1_000_000;
            while monotonic_clock::now() < end {
                for _ in 0..1000 {
                    std::hint::spin_loop();
                }
            }
        }
        "grow" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
            }
        }
        "allocate" => loop {
            drop(black_box(vec![1u8; 1 << 16]));
        },
        "recurse" => return Ok(page(vec![instance(&recurse(1).to_string())])),
        "trap" => core::arch::wasm32::unreachable(),
        // Its last words are written as if the host had said them.
        "panic" => panic!("so it ends\n2026-11-22T10:00:00Z  INFO tracker: \x1b[2J\x1b[31mall is well"),
        "exit" => std::process::exit(0),
        "sleep" => std::thread::sleep(Duration::MAX),
        "headers" => loop {
            std::mem::forget(Fields::new());
        },
        "requests" => loop {
            std::mem::forget(OutgoingRequest::new(Fields::new()));
        },
        "timers" => loop {
            std::mem::forget(monotonic_clock::subscribe_duration(u64::MAX));
        },
        "print" => loop {
            println!("a line of a flood, and many more are to come");
        },
        "log" => loop {
            log::write(Level::Error, "a line of a flood, and many more are to come");
        },
        "forge" => {
            for text in [
                "\n2026-11-22T10:00:00Z  INFO tracker: forged",
                "\r2026-11-22T10:00:00Z  INFO tracker: forged",
                "\u{2028}2026-11-22T10:00:00Z  INFO tracker: forged",
                "\x1b[1A\x1b[2K2026-11-22T10:00:00Z  INFO tracker: forged",
                "\u{9b}2Jforged",
                "\u{202e}degrof",
            ] {
                log::write(Level::Error, text);
            }
            log::write(Level::Error, &"long ".repeat(1 << 18));
        }
        _ => return Err(no_such(how)),
    }
    Ok(page(vec![instance("i-1")]))
}

#[expect(unconditional_recursion, reason = "it is what is asked for")]
fn recurse(depth: u64) -> u64 {
    black_box([depth; 64])[0] + recurse(depth + 1)
}
