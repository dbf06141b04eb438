//! The provider's words for the states of an account's instances, for the change to another version of a driver. There
//! may be a million instances, so each instance and its word are kept as one hash.

use std::hash::{BuildHasher as _, RandomState};

use crate::model::ResourceId;

/// The provider's words for the states of instances.
#[derive(Debug, Default)]
pub struct ProviderStates {
    /// Hashes with a random seed, so that nobody can construct a collision. An accidental collision is practically
    /// impossible.
    hasher: RandomState,
    /// Sorted.
    marks: Vec<u64>,
}

impl ProviderStates {
    /// Reads every pair that `each` passes to its argument.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn read<E>(each: impl FnOnce(&mut dyn FnMut(&ResourceId, &str)) -> Result<(), E>) -> Result<ProviderStates, E> {
        let mut states = ProviderStates::default();
        let ProviderStates { hasher, marks } = &mut states;
        each(&mut |id, word| marks.push(hasher.hash_one((id, word))))?;
        marks.sort_unstable();
        Ok(states)
    }

    /// Whether the instance was in the state with this word.
    pub fn has(&self, id: &ResourceId, word: &str) -> bool {
        self.marks.binary_search(&self.hasher.hash_one((id, word))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn a_word_is_known_of_the_instance_that_had_it() {
        let id = |text: &str| ResourceId::parse(text).expect(text);
        let states = ProviderStates::read(|take| {
            for (name, word) in [("a", "running"), ("b", "stopped"), ("ab", "c")] {
                take(&id(name), word);
            }
            Ok::<_, Infallible>(())
        });
        let states = states.expect("nothing can fail");
        assert!(states.has(&id("a"), "running") && states.has(&id("b"), "stopped") && states.has(&id("ab"), "c"));
        for (name, word) in [("a", "stopped"), ("b", "running"), ("c", "running"), ("a", "bc"), ("a", "")] {
            assert!(!states.has(&id(name), word), "{name} {word}");
        }
        assert!(ProviderStates::read(|_| Err("broken")).is_err());
    }
}
