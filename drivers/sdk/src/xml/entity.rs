//! The five entities of XML and its numbers for characters; and attributes, which are where else they stand.

use crate::Error;
use crate::error::quote;

/// Text as it was meant, behind what `into` holds already.
pub(super) fn unescape(text: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    let mut parts = text.split(|byte| *byte == b'&');
    into.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        let wrong = || Error::UnexpectedAnswer(format!("the answer is not XML at `&{}`", quote(part)));
        let end = part.iter().position(|byte| *byte == b';').ok_or_else(wrong)?;
        let char = match &part[..end] {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            b"apos" => '\'',
            [b'#', b'x', digits @ ..] => number(digits, 16).ok_or_else(wrong)?,
            [b'#', digits @ ..] => number(digits, 10).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        into.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        into.extend_from_slice(&part[end + 1..]);
    }
    Ok(())
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let digits = digits.iter().map(|digit| char::from(*digit).to_digit(radix));
    let code = digits.into_iter().try_fold(0u32, |sum, digit| sum.checked_mul(radix)?.checked_add(digit?))?;
    char::from_u32(code)
}

/// The value of an attribute, found by its whole name or by its name without a prefix.
pub(super) fn attribute(attributes: &[u8], name: &str) -> Result<Option<String>, Error> {
    let wrong = || Error::UnexpectedAnswer(format!("the answer is not XML at `{}`", quote(attributes)));
    let mut rest = attributes.trim_ascii();
    while !rest.is_empty() {
        let equals = rest.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        let found = rest[..equals].trim_ascii();
        rest = rest[equals + 1..].trim_ascii_start();
        let mark = *rest.first().filter(|mark| matches!(mark, b'"' | b'\'')).ok_or_else(wrong)?;
        let end = rest[1..].iter().position(|byte| *byte == mark).ok_or_else(wrong)?;
        let local = found.iter().position(|byte| *byte == b':').map_or(found, |colon| &found[colon + 1..]);
        if found == name.as_bytes() || local == name.as_bytes() {
            let mut value = Vec::with_capacity(end);
            unescape(&rest[1..=end], &mut value)?;
            return String::from_utf8(value).map(Some).map_err(|_| wrong());
        }
        rest = rest[end + 2..].trim_ascii_start();
    }
    Ok(None)
}
