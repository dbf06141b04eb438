//! The body of an answer, read as it comes. A piece that the host gave is lent to the reader where it
//! lies: nothing is copied into a second buffer.

use std::io::{self, BufRead, Read};

use crate::host::Chunks;

/// How much of an error's body is read, in bytes: the rest is not worth waiting for.
const BEGINNING: usize = 16 * 1024;

/// A body being read. Ends only where the provider ended it: one that breaks off is an error, and so is one
/// that is shorter than its `Content-Length` said.
#[derive(Debug)]
pub struct Body {
    chunks: Chunks,
    piece: Vec<u8>,
    /// How much of the piece has been read.
    at: usize,
    /// What `Content-Length` says, in bytes.
    expected: Option<u64>,
    received: u64,
    ended: bool,
}

impl Body {
    pub(crate) fn new(chunks: Chunks, expected: Option<u64>) -> Self {
        Body { chunks, piece: Vec::new(), at: 0, expected, received: 0, ended: false }
    }

    /// The next piece, whole where nothing has been read of the present one; empty at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.at = 0;
        self.piece.clear();
        if self.ended {
            return Ok(());
        }
        match self.chunks.next()? {
            Some(piece) => {
                self.received += piece.len() as u64;
                self.piece = piece;
            }
            None => {
                self.ended = true;
                if let Some(expected) = self.expected.filter(|expected| self.received < *expected) {
                    let why = format!("{} bytes came of {expected}", self.received);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
            }
        }
        Ok(())
    }

    /// The whole body. One that came in one piece is given as it came.
    pub(crate) fn read_all(mut self) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            if self.at > 0 {
                self.piece.drain(..self.at);
            }
            if whole.is_empty() {
                // What is coming is known: room for it is made once.
                whole = std::mem::take(&mut self.piece);
                let missing = self.expected.unwrap_or(0).saturating_sub(whole.len() as u64);
                if !whole.is_empty() && missing > 0 {
                    whole.reserve_exact(usize::try_from(missing.min(64 << 20)).unwrap_or(0));
                }
            } else {
                whole.extend_from_slice(&self.piece);
            }
            self.advance()?;
            if self.piece.is_empty() {
                return Ok(whole);
            }
        }
    }

    /// What of the body's beginning can be had, whatever happens after it.
    pub(crate) fn beginning(&mut self) -> Vec<u8> {
        let mut start = Vec::new();
        while start.len() < BEGINNING && self.advance().is_ok() && !self.piece.is_empty() {
            start.extend_from_slice(&self.piece);
        }
        start
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.piece.len() {
            self.advance()?;
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.piece.len().min(self.at + amount);
    }
}
