//! Attacks on the host's memory by what it keeps for a guest: bodies that are written and never sent, and headers.

use std::mem::forget;
use std::time::Duration;

use crate::exports::tracker::driver::inventory::{Error, InstancePage};
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, Scheme};
use crate::wasi::io::streams::OutputStream;
use crate::{Told, instance, no_such, page};

pub(crate) fn attack(how: &str, told: &Told<'_>) -> Result<InstancePage, Error> {
    match how {
        // It takes as many mebibytes as `count` says, and never gives an answer.
        "hang" => {
            let hoard = vec![1_u8; usize::try_from(told.number("count")).unwrap_or(0) << 20];
            std::thread::sleep(Duration::from_secs(3600));
            std::hint::black_box(hoard);
        }
        // Request, body and stream are kept, with all in them that the host takes.
        "body-written" => loop {
            forget(written(Fields::new(), fill));
        },
        "body-zeroes" => loop {
            forget(written(Fields::new(), |stream| {
                while let Ok(room @ 1..) = stream.check_write() {
                    let _ = stream.write_zeroes(room);
                }
            }));
        },
        "body-bytes" => loop {
            forget(written(Fields::new(), |stream| {
                while let Ok(1..) = stream.check_write() {
                    let _ = stream.write(b"x");
                }
            }));
        },
        "body-polled" => loop {
            forget(written(Fields::new(), |stream| {
                fill(stream);
                forget(stream.subscribe());
            }));
        },
        // A length is announced that nobody will ever write.
        "body-length" => loop {
            let headers = header("content-length", b"1099511627776");
            forget(written(headers, fill));
        },
        // Only the request is kept: it has what was written in it.
        "body-finished" => loop {
            let (request, body, stream) = written(Fields::new(), fill);
            drop(stream);
            let _ = OutgoingBody::finish(body, None);
            forget(request);
        },
        "body-aborted" => loop {
            let (request, body, stream) = written(Fields::new(), fill);
            drop((stream, body));
            forget(request);
        },
        "body-trailers" => loop {
            let (request, body, stream) = written(Fields::new(), |_| ());
            drop(stream);
            let _ = OutgoingBody::finish(body, Some(full()));
            forget(request);
        },
        "body-response" => loop {
            let response = OutgoingResponse::new(Fields::new());
            let Ok(body) = response.body() else { break };
            let Ok(stream) = body.write() else { break };
            fill(&stream);
            drop(stream);
            let _ = OutgoingBody::finish(body, None);
            forget(response);
        },
        // Nothing is kept, and there is no end to it.
        "body-churn" => loop {
            let (request, body, stream) = written(Fields::new(), fill);
            drop((stream, body, request));
        },
        // More than the host said that it takes at once.
        "body-at-once" => {
            let (_request, _body, stream) = written(Fields::new(), |_| ());
            let _ = stream.write(&vec![b'x'; 8 << 20]);
        }
        // Sent, without an end, and nobody looks at what comes of it.
        "body-unended" => loop {
            let (request, body, stream) = written(Fields::new(), fill);
            let authority = told.account.endpoint.trim_start_matches("http://").to_owned();
            let _ = request.set_scheme(Some(&Scheme::Http));
            let _ = request.set_authority(Some(&authority));
            let _ = request.set_method(&Method::Post);
            if let Ok(answer) = outgoing_handler::handle(request, None) {
                forget(answer);
            }
            forget((body, stream));
        },
        "fields-long" => loop {
            forget(full());
        },
        "fields-empty" => loop {
            let fields = Fields::new();
            let _ = fields.set("a", &vec![Vec::new(); 700]);
            forget(fields);
        },
        "fields-names" => loop {
            let entries: Vec<_> = (0..300).map(|n| (format!("x-{n}"), Vec::new())).collect();
            forget(Fields::from_list(&entries));
        },
        "fields-list" => loop {
            let entries: Vec<_> = (0..3).map(|n| (format!("x-{n}"), vec![b'x'; 10_000])).collect();
            forget(Fields::from_list(&entries));
        },
        "fields-set" => loop {
            let fields = Fields::new();
            let _ = fields.set("a", &vec![vec![b'x'; 100]; 200]);
            forget(fields);
        },
        "fields-clone" => {
            let fields = full();
            loop {
                forget(fields.clone());
            }
        }
        "fields-clone-changed" => {
            let fields = full();
            loop {
                let clone = fields.clone();
                let _ = clone.append("x-one-more", b"1");
                forget(clone);
            }
        }
        "fields-request" => loop {
            forget(OutgoingRequest::new(full()));
        },
        "fields-response" => loop {
            forget(OutgoingResponse::new(full()));
        },
        "fields-of-request" => {
            let request = OutgoingRequest::new(full());
            loop {
                forget(request.headers().clone());
            }
        }
        "fields-views" => {
            let request = OutgoingRequest::new(full());
            loop {
                forget(request.headers());
            }
        }
        "fields-churn" => loop {
            drop(full());
        },
        "path" => loop {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_path_with_query(Some(&format!("/{}", "x".repeat(60_000))));
            forget(request);
        },
        "path-churn" => {
            let request = OutgoingRequest::new(Fields::new());
            let path = format!("/{}", "x".repeat(60_000));
            loop {
                let _ = request.set_path_with_query(Some(&path));
            }
        }
        "authority" => loop {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_authority(Some(&"x".repeat(60_000)));
            forget(request);
        },
        "scheme" => loop {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_scheme(Some(&Scheme::Other("x".repeat(1 << 20))));
            forget(request);
        },
        "method" => loop {
            let request = OutgoingRequest::new(Fields::new());
            let _ = request.set_method(&Method::Other("X".repeat(1 << 20)));
            forget(request);
        },
        _ => return Err(no_such(how)),
    }
    Ok(page(vec![instance("i-1")]))
}

fn written(headers: Fields, write: impl Fn(&OutputStream)) -> (OutgoingRequest, OutgoingBody, OutputStream) {
    let request = OutgoingRequest::new(headers);
    let body = request.body().expect("a request has a body");
    let stream = body.write().expect("a body has a stream");
    write(&stream);
    (request, body, stream)
}

/// Writes as long as the host takes something.
fn fill(stream: &OutputStream) {
    while let Ok(room @ 1..) = stream.check_write() {
        let _ = stream.write(&vec![b'x'; room as usize]);
    }
}

fn header(name: &str, value: &[u8]) -> Fields {
    let fields = Fields::new();
    let _ = fields.append(name, value);
    fields
}

/// About as many bytes of headers as the host takes.
fn full() -> Fields {
    let fields = Fields::new();
    for n in 0..3 {
        let _ = fields.append(&format!("x-{n}"), &[b'x'; 10_000]);
    }
    fields
}
