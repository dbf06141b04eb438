//! Requests that could not be read. hyper answers these by itself, with a status and nothing else, before any handler
//! hears of them; on the way out such an answer is given the problem that says what was wrong.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::problem::{Problem, ProblemType};

/// A connection on which bare answers are written as problems.
pub(super) struct Telling<S> {
    stream: S,
    /// What is still to be written in the place of a bare answer, and of how many bytes it takes the place.
    problem: Vec<u8>,
    in_place_of: usize,
}

impl<S> Telling<S> {
    pub(super) fn new(stream: S) -> Telling<S> {
        Telling { stream, problem: Vec::new(), in_place_of: 0 }
    }
}

/// What to write instead, if this is an answer of hyper's own. The API's have a type where they are errors.
fn instead_of(answer: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?.to_ascii_lowercase();
    if head.contains("\r\ncontent-type:") || !head.contains("\r\ncontent-length: 0") {
        return None;
    }
    let status = head.strip_prefix("http/1.1 ").or_else(|| head.strip_prefix("http/1.0 "))?.get(..3)?;
    let (problem_type, detail) = match status {
        "400" => (ProblemType::MalformedRequest, "the request line, or a header, is not as HTTP has it"),
        "414" => (ProblemType::UriTooLong, "the path and query are longer than this host reads"),
        "431" => (ProblemType::HeadTooLarge, "the headers are more, or longer, than this host reads"),
        _ => return None,
    };
    let problem = Problem::new(problem_type, detail);
    let (line, body) = (problem.status(), problem.body().to_string());
    let head = format!(
        "HTTP/1.1 {line}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Some((head + &body).into_bytes())
}

impl<S: AsyncRead + Unpin> AsyncRead for Telling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Telling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.problem.is_empty() {
            match instead_of(buf) {
                Some(problem) => (this.problem, this.in_place_of) = (problem, buf.len()),
                None => return Pin::new(&mut this.stream).poll_write(cx, buf),
            }
        }
        while !this.problem.is_empty() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &this.problem))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.problem.drain(..written);
        }
        Poll::Ready(Ok(this.in_place_of))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer is one piece.
        let mut pieces = bufs.iter().filter(|piece| !piece.is_empty());
        match (pieces.next(), pieces.next()) {
            (Some(only), None) => self.poll_write(cx, only),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_errors_are_told_of() {
        let check = |head: &str, want: Option<&str>| {
            let told =
                instead_of(format!("{head}\r\n\r\n").as_bytes()).map(|told| String::from_utf8(told).expect("text"));
            match (&told, want) {
                (None, None) => {}
                (Some(told), Some(slug)) => assert!(told.contains(&format!("/problems/{slug}\"")), "{told}"),
                _ => panic!("{head}: {told:?}"),
            }
        };
        check("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0", Some("malformed-request"));
        check("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0", Some("head-too-large"));
        check("HTTP/1.1 414 URI Too Long\r\ncontent-length: 0", Some("uri-too-long"));
        check("HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 0", None);
        check("HTTP/1.1 204 No Content\r\ncontent-length: 0", None);
        check("HTTP/1.1 400 Bad Request\r\ncontent-length: 10", None);
        assert_eq!(instead_of(b"data: HTTP/1.1 400 Bad Request"), None);
    }
}
