//! What a list does to what is known, resource by resource: kept of a list that is held, so that a later one can be
//! told to show the same, less or more.

/// A number for each resource that is gone, new or another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    sorted: Vec<u64>,
}

impl Effects {
    pub fn has(&self, effect: u64) -> bool {
        self.sorted.binary_search(&effect).is_ok()
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sorted.iter().flat_map(|effect| effect.to_le_bytes()).collect()
    }

    /// Of bytes that are damaged, some numbers are others: what they stood for then counts as not held.
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
}
