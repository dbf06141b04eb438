//! Chance that can be had again: numbers that follow from a seed alone.

/// SplitMix64, from Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn from_seed(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Another sequence, which the numbers drawn here from now on have nothing to do with.
    pub(crate) fn split(&mut self) -> Chance {
        Chance(self.next())
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// From 0 up to a bound, without it.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("of this size");
        // What the division favours is far below anything that a test would notice.
        usize::try_from(self.next() % bound).expect("below what was given")
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn a_seed_gives_the_same_again() {
    // The first numbers of the authors' own implementation for this seed.
    let mut chance = Chance::from_seed(1_234_567);
    assert_eq!([chance.next(), chance.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    let mut again = Chance::from_seed(1_234_567);
    assert_eq!(again.split().next(), Chance::from_seed(6_457_827_717_110_365_317).next());
}
