//! Parses the frames of HTTP/2 (RFC 9113, 4.1) far enough to count them: where each begins, its type and its length.
//! Pure. h2 reports invalid frames.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS: no more comes on the stream.
const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION: the head is whole.
const END_HEADERS: u8 = 4;
/// Of SETTINGS and PING.
const ACK: u8 = 1;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    flags: u8,
    pub(super) length: u32,
    pub(super) stream: u32,
}

/// A part of a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadPart {
    Last,
    /// Another one comes.
    More,
}

impl Frame {
    fn of(head: [u8; HEAD_BYTES]) -> Frame {
        let [a, b, c, kind, flags, stream @ ..] = head;
        // The highest bit of a stream's number is reserved.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Frame { kind, flags, length: u32::from_be_bytes([0, a, b, c]), stream }
    }

    pub(super) fn is_ack(self) -> bool {
        self.flags & ACK != 0
    }

    /// Which part of a head it is, if it is one.
    pub(super) fn head_part(self) -> Option<HeadPart> {
        let is_last = self.flags & END_HEADERS != 0;
        matches!(self.kind, HEADERS | CONTINUATION).then_some(if is_last { HeadPart::Last } else { HeadPart::More })
    }

    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// One direction of a connection, cut into frames as its bytes come by.
#[derive(Debug)]
pub(super) struct Frames(At);

#[derive(Debug)]
enum At {
    /// So many bytes were those that HTTP/2 begins with.
    Preface(usize),
    /// It does not speak HTTP/2.
    Other,
    Head {
        head: [u8; HEAD_BYTES],
        filled: usize,
    },
    Payload {
        left: usize,
    },
}

const BETWEEN: At = At::Head { head: [0; HEAD_BYTES], filled: 0 };

impl Frames {
    /// What a client sends, which may turn out not to be HTTP/2.
    pub(super) fn of_client() -> Frames {
        Frames(At::Preface(0))
    }

    /// What a server sends over HTTP/2.
    pub(super) fn of_server() -> Frames {
        Frames(BETWEEN)
    }

    /// Takes in the next bytes, and gives each frame whose head is whole by now.
    pub(super) fn take_in(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            match &mut self.0 {
                At::Other => return,
                At::Preface(same) => {
                    let length = bytes.len().min(PREFACE.len() - *same);
                    let (begin, rest) = bytes.split_at(length);
                    if begin != &PREFACE[*same..*same + length] {
                        self.0 = At::Other;
                        return;
                    }
                    *same += length;
                    if *same == PREFACE.len() {
                        self.0 = BETWEEN;
                    }
                    bytes = rest;
                }
                At::Head { head, filled } => {
                    let length = bytes.len().min(HEAD_BYTES - *filled);
                    let (begin, rest) = bytes.split_at(length);
                    head[*filled..*filled + length].copy_from_slice(begin);
                    *filled += length;
                    bytes = rest;
                    if *filled == HEAD_BYTES {
                        let frame = Frame::of(*head);
                        let left = usize::try_from(frame.length).unwrap_or(usize::MAX);
                        self.0 = if left == 0 { BETWEEN } else { At::Payload { left } };
                        each(frame);
                    }
                }
                At::Payload { left } => {
                    let length = bytes.len().min(*left);
                    bytes = &bytes[length..];
                    *left -= length;
                    if *left == 0 {
                        self.0 = BETWEEN;
                    }
                }
            }
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.0, At::Head { .. } | At::Payload { .. })
    }

    /// Whether a frame may begin here.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.0, At::Head { filled: 0, .. })
    }
}

/// A GOAWAY that tells a client to ask less (ENHANCE_YOUR_CALM), and which of its streams were heard of.
pub(super) fn calm_down(last_stream: u32) -> Vec<u8> {
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    let mut frame = vec![0, 0, 8, GOAWAY, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last_stream.to_be_bytes());
    frame.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = [
            PREFACE.to_vec(),
            frame(SETTINGS, 0, 0, &[]),
            frame(HEADERS, 1, 1, &[7; 300]),
            frame(PING, 1, 0, &[0; 8]),
            frame(DATA, 0, 0x8000_0003, &[1]),
        ]
        .concat();
        for piece in [1, 2, 7, 9, 24, 100, bytes.len()] {
            let (mut frames, mut found) = (Frames::of_client(), Vec::new());
            for part in bytes.chunks(piece) {
                frames.take_in(part, |frame| found.push(frame));
            }
            let seen: Vec<_> = found.iter().map(|frame| (frame.kind, frame.length, frame.stream)).collect();
            assert_eq!(seen, [(SETTINGS, 0, 0), (HEADERS, 300, 1), (PING, 8, 0), (DATA, 1, 3)], "by {piece}");
            assert!(found[1].ends_stream() && found[2].is_ack() && !found[2].ends_stream());
            assert!(frames.is_http2() && frames.is_between());
        }
    }

    #[test]
    fn what_is_not_http2_has_no_frames() {
        for other in ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX", "P"] {
            let mut frames = Frames::of_client();
            frames.take_in(other.as_bytes(), |frame| panic!("{frame:?}"));
            assert!(!frames.is_http2(), "{other}");
        }
    }

    #[test]
    fn a_goaway_is_one_frame() {
        let (mut frames, mut found) = (Frames::of_server(), Vec::new());
        frames.take_in(&calm_down(5), |frame| found.push(frame));
        assert!(frames.is_between());
        assert_eq!(found, [Frame { kind: GOAWAY, flags: 0, length: 8, stream: 0 }]);
    }
}
