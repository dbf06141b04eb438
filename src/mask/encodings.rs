//! A secret in other encodings than UTF-8: Latin-1 with the additions of Windows, UTF-16 and UTF-32. NULs are left out,
//! because they are skipped in texts.

/// The characters that Windows-1252 has from 0x80 on, where Latin-1 has controls (WHATWG Encoding, index windows-1252).
const WINDOWS: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// The forms of a secret that has characters beyond ASCII. One without has the same bytes in all of them.
pub(super) fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(secret) else { return Vec::new() };
    if text.is_ascii() {
        return Vec::new();
    }
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let utf_32 = |bytes: fn(u32) -> [u8; 4]| text.chars().map(u32::from).flat_map(bytes).collect();
    let mut forms: Vec<Vec<u8>> =
        vec![utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes), utf_32(u32::to_le_bytes), utf_32(u32::to_be_bytes)];
    forms.iter_mut().for_each(|form| form.retain(|byte| *byte != 0));
    forms.extend(text.chars().map(windows).collect::<Option<Vec<u8>>>());
    forms
}

/// The byte of a character in Windows-1252, or in Latin-1.
fn windows(c: char) -> Option<u8> {
    let beyond =
        || WINDOWS.iter().position(|known| *known == Some(c)).and_then(|place| u8::try_from(0x80 + place).ok());
    u8::try_from(u32::from(c)).ok().or_else(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_the_standards() {
        assert_eq!(forms(b"ascii-only"), [[0; 0]; 0]);
        assert_eq!(forms(b"\xff\xfe"), [[0; 0]; 0]);
        let euro = "aä€".as_bytes();
        let want: [&[u8]; 5] = [b"a\xe4\xac\x20", b"a\xe4\x20\xac", b"a\xe4\xac\x20", b"a\xe4\x20\xac", b"a\xe4\x80"];
        assert_eq!(forms(euro), want);
        // Greek is not in Windows-1252.
        assert_eq!(forms("Ω".as_bytes()), [b"\xa9\x03", b"\x03\xa9", b"\xa9\x03", b"\x03\xa9"]);
    }
}
