//! What the driver says of itself. A test writes another word into the built file, to make a driver of it that lies,
//! or that never ends to describe itself.

use crate::exports::tracker::driver::inventory::{AccountOption, Description, Features, Provider};

/// Behind the `=`, padded with dots: how it describes itself.
static HOW: [u8; 32] = *b"hostile-describes=truthfully....";

pub(crate) fn description() -> Description {
    let how = std::hint::black_box(&HOW);
    let how = String::from_utf8_lossy(&how[18..]).trim_end_matches('.').to_owned();
    let endpoint = |text: &str| Provider { name: "nowhere".into(), endpoint: text.into() };
    let option = |name: &str| AccountOption {
        name: name.into(),
        help: "What to attack with.".into(),
        required: false,
        secret: false,
    };
    let truth = Description {
        name: "hostile".into(),
        title: "A driver that is out to do harm".into(),
        version: "0.1.0".into(),
        providers: vec![endpoint("https://nowhere.invalid")],
        endpoints: vec!["https://*.sites.invalid".into(), "https://login.invalid".into()],
        options: ["do", "url", "path", "value", "count", "realms"].map(option).into(),
        requests_per_minute: None,
        features: Features::empty(),
    };
    match how.as_str() {
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => {
            std::thread::sleep(std::time::Duration::MAX);
            truth
        }
        "trap" => panic!("told to panic\n2026-11-22T10:00:00Z  INFO tracker: \x1b[2Jall is well"),
        "grow" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
            }
        }
        "another" => Description { name: "mock".into(), ..truth },
        "escapes" => Description { title: "\x1b]0;all is well\x07".into(), ..truth },
        "turned" => Description { title: "harmless\u{202e}evird".into(), ..truth },
        "long" => Description { title: "x".repeat(1 << 20), ..truth },
        "providers" => {
            let provider = |n: u32| Provider { name: format!("p{n}"), endpoint: "https://nowhere.invalid".into() };
            Description { providers: (0..100_000).map(provider).collect(), ..truth }
        }
        "everything" => Description { endpoints: vec!["https://*".into()], ..truth },
        "file" => Description { endpoints: vec!["file:///etc/passwd".into()], ..truth },
        "options" => Description { options: ["do", "do"].map(option).into(), ..truth },
        "password" => Description { options: vec![option("password")], ..truth },
        _ => truth,
    }
}
