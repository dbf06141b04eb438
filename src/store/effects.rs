//! The effects of a list on the known resources, one by one. They are stored with a held list, to decide whether a
//! later list does the same, less or more.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

/// A hash for each resource that vanished, appeared or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    sorted: Vec<u64>,
}

impl Effects {
    pub fn has(&self, effect: u64) -> bool {
        self.sorted.binary_search(&effect).is_ok()
    }

    /// The id of a list with these effects.
    pub fn id(&self) -> HeldId {
        let [.., a, b, c, d] = xxh3_64(&self.to_bytes()).to_be_bytes();
        HeldId(u32::from_be_bytes([a, b, c, d]))
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sorted.iter().flat_map(|effect| effect.to_le_bytes()).collect()
    }

    /// Damaged bytes change some hashes: the resources of these then count as not held.
    pub fn from_bytes(bytes: &[u8]) -> Effects {
        bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
    }
}

impl FromIterator<u64> for Effects {
    fn from_iter<T: IntoIterator<Item = u64>>(effects: T) -> Effects {
        let mut sorted: Vec<u64> = effects.into_iter().collect();
        sorted.sort_unstable();
        Effects { sorted }
    }
}

/// The id of a held list, made from its effects: an operator's decision also applies to another list with the same
/// effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldId(u32);

impl fmt::Display for HeldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for HeldId {
    type Err = InvalidHeldId;

    fn from_str(text: &str) -> Result<HeldId, InvalidHeldId> {
        let id = u32::from_str_radix(text, 16).map(HeldId).map_err(|_| InvalidHeldId)?;
        // An id has only one written form.
        if id.to_string() == text { Ok(id) } else { Err(InvalidHeldId) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a held list, which is 8 digits and letters from a to f: `tracker mass-change list` shows it")]
pub struct InvalidHeldId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_read_back_as_they_were_written() {
        for effects in [vec![], vec![7], vec![u64::MAX, 0, 7]] {
            let written: Effects = effects.iter().copied().collect();
            let read = Effects::from_bytes(&written.to_bytes());
            assert_eq!(read, written);
            assert!(effects.iter().all(|effect| read.has(*effect)));
            assert!(!read.has(8));
        }
        assert_eq!(Effects::from_bytes(&[1, 2, 3]), Effects::default());
    }

    #[test]
    fn a_list_is_named_by_what_it_does() {
        let id = |effects: &[u64]| effects.iter().copied().collect::<Effects>().id();
        assert_eq!(id(&[1, 2]), id(&[2, 1]));
        assert_ne!(id(&[1, 2]), id(&[1, 3]));
        assert_ne!(id(&[1, 2]), id(&[1]));
        assert_eq!(id(&[1]).to_string().parse(), Ok(id(&[1])));
        for wrong in ["", "1", "+1234567", "1234567g", "123456789", "ABCDEF01"] {
            assert_eq!(wrong.parse::<HeldId>(), Err(InvalidHeldId), "{wrong}");
        }
    }
}
