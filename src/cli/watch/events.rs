//! Parses server-sent events from the bytes of a stream, as the HTML standard (9.2.6) defines. Pure.

/// How long one line may be: a change has some hundreds of bytes, a resource with many labels some thousands.
const LINE_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// `message` where it has none.
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// What has come of an event that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    name: String,
    id: Option<String>,
    data: Vec<String>,
    /// Whether the last byte was a carriage return, which a line feed may belong to.
    after_return: bool,
}

/// The stream is none of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes the next bytes, wherever they end; gives the events that are whole by them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                byte => self.line.push(byte),
            }
            if self.line.len() > LINE_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, id, data) = (std::mem::take(&mut self.name), self.id.take(), std::mem::take(&mut self.data));
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return (!data.is_empty()).then(|| Event { name, id, data: data.join("\n") });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "data" => self.data.push(value.to_owned()),
            // A comment, or a field of a later standard.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_come() {
        let stream = ": hello\r\n\r\nid: 1\ndata: a\ndata:b\n\nevent: heartbeat\rid:2\rdata\r\revent: x\n\ndata: left";
        let want = [("message", "1", "a\nb"), ("heartbeat", "2", "")];
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                found.extend(events.take(piece).expect("short lines"));
            }
            let found: Vec<_> = found
                .iter()
                .map(|event| (event.name.as_str(), event.id.as_deref().unwrap_or(""), event.data.as_str()))
                .collect();
            assert_eq!(found, want, "{size}");
        }
        assert_eq!(Events::default().take(&vec![b'x'; LINE_BYTES + 1]), Err(TooLong));
    }
}
