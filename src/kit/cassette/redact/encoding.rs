//! Converts bodies to text and back, so that secrets are found in any encoding that a provider may use.

/// How a text was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16 {
        is_big_endian: bool,
    },
    /// Anything else: each byte is one character, which suits all encodings that extend ASCII.
    Bytes,
}

/// The text of a body, and the encoding to write it back in.
pub(super) fn decode(body: &[u8]) -> (String, Encoding) {
    let utf_16 = |is_big_endian: bool| {
        let unit = |pair: &[u8]| match pair {
            [one, two] if is_big_endian => u16::from_be_bytes([*one, *two]),
            [one, two] => u16::from_le_bytes([*one, *two]),
            // The half of a unit that was cut off.
            _ => 0xfffd,
        };
        let units: Vec<u16> = body.chunks(2).map(unit).collect();
        (String::from_utf16_lossy(&units), Encoding::Utf16 { is_big_endian })
    };
    match body {
        [0xff, 0xfe, ..] => utf_16(false),
        [0xfe, 0xff, ..] => utf_16(true),
        // Without a mark, what begins JSON or XML.
        [b'{' | b'[' | b'<', 0, ..] => utf_16(false),
        [0, b'{' | b'[' | b'<', ..] => utf_16(true),
        _ => match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), Encoding::Utf8),
            Err(_) => (body.iter().map(|byte| char::from(*byte)).collect(), Encoding::Bytes),
        },
    }
}

pub(super) fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16 { is_big_endian: true } => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Utf16 { is_big_endian: false } => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Bytes => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
    }
}
