//! Requests that could not be parsed. hyper answers them itself, before any handler sees them, with a status and no
//! body. This file adds the problem that says what was wrong. hyper does not answer a request whose head never ends,
//! and does not tell a client of HTTP/2 why its connection ends: this file does both, after hyper has released the
//! connection. If a request was answered before its body was read, the rest is read and discarded for a while;
//! otherwise a client that is still sending would lose the answer (RFC 9112, 9.6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::oneshot;

use crate::api::problem::{Problem, ProblemType};

/// How a connection over HTTP/2 begins, which no other request does.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// More than a bare answer has: a status, a date, and that there is no body.
const BARE_BYTES: usize = 512;

/// So much is still read of a client whose connection ends, at most.
const UNHEARD_BYTES: u64 = 256 * 1024;

/// So much is read and thrown away of a request that was answered before it was read whole, at most.
const THROWN_AWAY_BYTES: u64 = 64 * 1024 * 1024;

/// Whether a connection ends with a request that was answered and not read whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest(Arc<AtomicBool>);

impl Rest {
    pub(crate) fn is_unread(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn note(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A request's body, which notes whether it is let go of before its end.
pub(crate) struct NotedBody {
    body: Incoming,
    rest: Rest,
}

impl NotedBody {
    pub(crate) fn new(body: Incoming, rest: Rest) -> NotedBody {
        NotedBody { body, rest }
    }
}

impl Drop for NotedBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.rest.note();
        }
    }
}

impl Body for NotedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection on which bare answers are written as problems.
pub(crate) struct Telling<S> {
    /// There until this is dropped.
    stream: Option<S>,
    /// Where it is given back to.
    back: Option<oneshot::Sender<Unanswered<S>>>,
    heard: Heard,
    rest: Rest,
    /// What is still to be written in the place of a bare answer, and of how many bytes it takes the place.
    problem: Vec<u8>,
    in_place_of: usize,
}

/// What a connection was last used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Nothing was read yet.
    Nothing,
    /// What was read last was not answered.
    Asked,
    /// What was read last was answered, at least in part.
    Answered,
    /// It speaks HTTP/2, which has ways of its own to say that it ends.
    Http2,
}

/// A connection that is not served any more, on which a request was begun that nobody answered, or which speaks HTTP/2.
pub(crate) struct Unanswered<S> {
    stream: S,
    is_http2: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Unanswered<S> {
    /// Says that the host does not wait for the rest of it. Over HTTP/2 that was said already.
    pub(crate) async fn tell(mut self) -> io::Result<()> {
        if self.is_http2 {
            return Ok(());
        }
        let detail = "the head of the request did not arrive in time";
        self.stream.write_all(&whole(&Problem::new(ProblemType::RequestTimeout, detail))).await?;
        self.stream.shutdown().await
    }

    /// Reads what still comes of a request that was answered, for a while, and throws it away.
    pub(crate) async fn throw_away(mut self, within: Duration) -> io::Result<()> {
        let read = async {
            self.stream.shutdown().await?;
            tokio::io::copy(&mut self.stream.take(THROWN_AWAY_BYTES), &mut tokio::io::sink()).await
        };
        tokio::time::timeout(within, read).await.map_or(Ok(()), |read| read.map(drop))
    }

    /// Sends its last frame. For a while what comes is still read: a system that is told to close a connection on which
    /// something is unread takes back what it has not sent.
    pub(crate) async fn calm(mut self, frame: Vec<u8>, within: Duration) -> io::Result<()> {
        let said = async {
            self.stream.write_all(&frame).await?;
            self.stream.shutdown().await?;
            tokio::io::copy(&mut self.stream.take(UNHEARD_BYTES), &mut tokio::io::sink()).await
        };
        tokio::time::timeout(within, said).await.map_or(Ok(()), |said| said.map(drop))
    }
}

impl<S> Telling<S> {
    /// Gives the stream back, when it is dropped, where something on it was not answered, or not read.
    pub(crate) fn new(stream: S, rest: Rest) -> (Telling<S>, oneshot::Receiver<Unanswered<S>>) {
        let (back, unanswered) = oneshot::channel();
        let (stream, back) = (Some(stream), Some(back));
        (Telling { stream, back, heard: Heard::Nothing, rest, problem: Vec::new(), in_place_of: 0 }, unanswered)
    }
}

impl<S: Unpin> Telling<S> {
    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(self.stream.as_mut().expect("invariant: the stream is there until this is dropped"))
    }
}

impl<S> Drop for Telling<S> {
    fn drop(&mut self) {
        let is_http2 = self.heard == Heard::Http2;
        if (self.heard == Heard::Asked || is_http2 || self.rest.is_unread())
            && let (Some(stream), Some(back)) = (self.stream.take(), self.back.take())
        {
            // Where nobody wants it, it is closed as it is.
            let _ = back.send(Unanswered { stream, is_http2 });
        }
    }
}

impl Heard {
    /// What it is once these bytes were read.
    fn then(self, read: &[u8]) -> Heard {
        match self {
            Heard::Nothing if !read.is_empty() => {
                let length = read.len().min(HTTP2_PREFACE.len());
                if read[..length] == HTTP2_PREFACE[..length] { Heard::Http2 } else { Heard::Asked }
            }
            Heard::Answered if !read.is_empty() => Heard::Asked,
            heard => heard,
        }
    }

    fn answered(self) -> Heard {
        if self == Heard::Asked { Heard::Answered } else { self }
    }
}

/// What to write instead, if this is an answer of hyper's own. The API's have a type where they are errors.
fn instead_of(answer: &[u8]) -> Option<Vec<u8>> {
    // Of all that is written, nearly nothing has to be looked at.
    let head = answer.strip_suffix(b"\r\n\r\n").filter(|head| head.len() <= BARE_BYTES)?;
    let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
    if head.contains("\r\ncontent-type:") || !head.contains("\r\ncontent-length: 0") {
        return None;
    }
    let status = head.strip_prefix("http/1.1 ").or_else(|| head.strip_prefix("http/1.0 "))?.get(..3)?;
    let (problem_type, detail) = match status {
        "400" => (ProblemType::MalformedRequest, "the request line or a header is not valid HTTP"),
        "414" => (ProblemType::UriTooLong, "the path and query are longer than the host allows"),
        "431" => (ProblemType::HeadTooLarge, "the headers are more, or longer, than the host allows"),
        _ => return None,
    };
    Some(whole(&Problem::new(problem_type, detail)))
}

/// The whole of an answer, after which the connection ends.
pub(crate) fn whole(problem: &Problem) -> Vec<u8> {
    let (line, body) = (problem.status(), problem.body().to_string());
    let retry = problem.retry_seconds().map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {line}\r\n{retry}content-type: application/problem+json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

impl<S: AsyncRead + Unpin> AsyncRead for Telling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.stream().poll_read(cx, buf))?;
        self.heard = self.heard.then(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Telling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.heard = this.heard.answered();
        if this.problem.is_empty() {
            match instead_of(buf) {
                Some(problem) => {
                    (this.problem, this.in_place_of) = (problem, buf.len());
                    this.rest.note();
                }
                None => return this.stream().poll_write(cx, buf),
            }
        }
        while !this.problem.is_empty() {
            let problem = std::mem::take(&mut this.problem);
            let written = this.stream().poll_write(cx, &problem);
            this.problem = problem;
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(this.problem.drain(..written)),
            }
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
            _ => {
                self.heard = self.heard.answered();
                self.stream().poll_write_vectored(cx, bufs)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // There may be something to say still; the connection ends with the stream that is given back.
        if self.heard == Heard::Asked && !self.rest.is_unread() {
            return Poll::Ready(Ok(()));
        }
        self.stream().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_given_back_where_something_was_not_answered() {
        let check = async |read: &[u8], answers: bool, read_then: &[u8], want: bool| {
            let (mut client, stream) = tokio::io::duplex(1000);
            let (mut telling, unanswered) = Telling::new(stream, Rest::default());
            for (bytes, answers) in [(read, answers), (read_then, false)] {
                client.write_all(bytes).await.expect("written");
                let mut buffer = vec![0; bytes.len()];
                telling.read_exact(&mut buffer).await.expect("read");
                if answers {
                    telling.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("written");
                }
            }
            drop(telling);
            let is_given_back = match unanswered.await {
                Ok(unanswered) => unanswered.tell().await.is_ok(),
                Err(_) => false,
            };
            // Over HTTP/2 it is given back, too, for a frame that says why; there is nothing to tell in the words of HTTP/1.
            let is_http2 = read.starts_with(HTTP2_PREFACE);
            assert_eq!(is_given_back, want || is_http2, "{read:?}, {answers}, {read_then:?}");
            let mut told = String::new();
            client.read_to_string(&mut told).await.expect("text");
            assert_eq!(told.contains("/problems/request-timeout\""), want, "{told}");
        };
        check(b"", false, b"", false).await;
        check(b"GET /api HTTP/1.1\r\nX-Slow: ", false, b"", true).await;
        check(b"GET /api HTTP/1.1\r\n\r\n", true, b"", false).await;
        check(b"GET /api HTTP/1.1\r\n\r\n", true, b"GET /api HT", true).await;
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true, b"frame", false).await;
    }

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
