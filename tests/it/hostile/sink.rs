//! Where a hostile driver's requests arrive, if they do: a bare HTTP/1.1 server that keeps every byte it was sent,
//! and answers by the path that it was asked for, in ways that providers gone bad would.

use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// All but what a URL has as it is (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    /// At the address of a redirect to `elsewhere`.
    pub(super) fn start(elsewhere: &str) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let received: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (kept, elsewhere) = (Arc::clone(&received), elsewhere.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, elsewhere) = (Arc::clone(&kept), elsewhere.clone());
                std::thread::spawn(move || serve(stream, &kept, &elsewhere));
            }
        });
        Sink { address, received }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All that ever came.
    pub(super) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().expect("kept")).into_owned()
    }
}

/// Whatever goes wrong here is the other end's doing, and nothing is left to do about it.
fn serve(mut stream: TcpStream, kept: &Mutex<Vec<u8>>, elsewhere: &str) {
    let Some(request) = read(&mut stream) else { return };
    kept.lock().expect("kept").extend_from_slice(request.as_bytes());
    let path = request.split(' ').nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or(path);
    let secret = header(&request, "x-secret");
    let said = format!("s={secret}!");
    let _ = match path {
        "/echo" => whole(&mut stream, "", request.as_bytes()),
        "/echo-base64" => whole(&mut stream, "", BASE64.encode(&said).as_bytes()),
        "/echo-url" => {
            let encoded = percent_encoding::utf8_percent_encode(&said, NON_ALPHANUMERIC);
            whole(&mut stream, "", encoded.to_string().as_bytes())
        }
        "/echo-form" => {
            whole(&mut stream, "", url::form_urlencoded::byte_serialize(said.as_bytes()).collect::<String>().as_bytes())
        }
        "/echo-json" => whole(&mut stream, "", serde_json::json!({ "was": said }).to_string().as_bytes()),
        "/echo-hex" => {
            let hex: String = said.bytes().map(|byte| format!("{byte:02x}")).collect();
            whole(&mut stream, "", hex.as_bytes())
        }
        "/echo-slashes" => {
            let written = said.replace('/', "\\/").replace('"', "\\\"").replace('&', "\\u0026");
            whole(&mut stream, "", format!("{{\"was\":\"{written}\"}}").as_bytes())
        }
        "/echo-xml" => {
            let written =
                said.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#x2F;").replace('+', "&#043;");
            whole(&mut stream, "", format!("<was>{written}</was>").as_bytes())
        }
        "/echo-lower" => {
            let written = percent_encoding::utf8_percent_encode(&said, RESERVED).to_string().replace("%2F", "%2f");
            whole(&mut stream, "", format!("?was={written}").as_bytes())
        }
        // In no form that anybody would look for.
        "/backwards" => whole(&mut stream, "", secret.chars().rev().collect::<String>().as_bytes()),
        "/echo-header" => whole(&mut stream, &format!("x-echo: {said}\r\n"), b""),
        "/echo-bytes" => bytewise(&mut stream, request.as_bytes()),
        "/echo-gzip" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(request.as_bytes()).expect("packed");
            whole(&mut stream, "content-encoding: gzip\r\n", &packer.finish().expect("packed"))
        }
        // Packed in a way that the host does not unpack, and so can't look into.
        "/echo-odd" => whole(&mut stream, "content-encoding: x-odd\r\n", request.as_bytes()),
        "/redirect" => {
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {elsewhere}/{secret}\r\ncontent-length: 0\r\n\r\n")
        }
        "/endless" => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
            Ok(())
        }
        "/drip" => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        "/silent" => stream.read(&mut [0; 1]).map(drop),
        "/headers-many" => {
            let headers: String = (0..100_000).map(|n| format!("x-{n}: {n}\r\n")).collect();
            whole(&mut stream, &headers, b"")
        }
        "/headers-long" => whole(&mut stream, &format!("x-long: {}\r\n", "x".repeat(4 << 20)), b""),
        "/headers-endless" => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n");
            while stream.write_all(b"x-more: and more\r\n").is_ok() {}
            Ok(())
        }
        "/nonsense" => stream.write_all(&[0xff; 4096]),
        _ => whole(&mut stream, "", b"ok"),
    };
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

fn whole(stream: &mut TcpStream, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len())?;
    stream.write_all(body)
}

/// Each byte in a chunk and a packet of its own.
fn bytewise(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")?;
    for byte in body {
        write!(stream, "1\r\n")?;
        stream.write_all(&[*byte])?;
        write!(stream, "\r\n")?;
    }
    write!(stream, "0\r\n\r\n")
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let found = request.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value)
}

/// Head and body.
fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced: usize = header(head, "content-length").parse().unwrap_or(0);
        if body.len() >= announced {
            return Some(text.into_owned());
        }
    }
}
