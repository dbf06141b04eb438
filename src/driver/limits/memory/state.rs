//! What one poll has of each part of the memory, and what it lacks.

use tokio::sync::OwnedSemaphorePermit;

use super::shares::{Reserve, UNIT, Units};

#[derive(Debug, Default)]
pub(super) struct State {
    /// Bytes that are spent for as long as the sandbox is there.
    pub(super) lasting: usize,
    /// Bytes of `Held`, each given back when it is dropped.
    pub(super) held: usize,
    /// Units taken of the part for polls that need little.
    small: Option<OwnedSemaphorePermit>,
    /// With the reserve of that part the poll has room for as long as it needs little.
    small_reserve: Option<OwnedSemaphorePermit>,
    /// Units taken of those that all polls share.
    shared: Option<Units>,
    /// With the reserve the poll has room up to its limit.
    reserve: Option<Reserve>,
    /// Bytes that the gauge shows of it.
    pub(super) shown: usize,
    /// Tasks of the poll that wait for room.
    pub(super) waiting: usize,
    /// Whether the poll's own limit was passed.
    pub(super) passed: bool,
}

/// Units that a poll needs and does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The poll needs little.
    Small(usize),
    /// The poll needs much: all of it is to be shared units.
    Large(usize),
}

impl Lack {
    pub(super) fn units(self) -> usize {
        let (Lack::Small(units) | Lack::Large(units)) = self;
        units
    }

    /// The same, as a semaphore counts.
    pub(super) fn permits(self) -> u32 {
        u32::try_from(self.units()).unwrap_or(u32::MAX)
    }
}

impl State {
    pub(super) fn used(&self) -> usize {
        self.lasting.saturating_add(self.held)
    }

    fn units_used(&self) -> usize {
        self.used().div_ceil(UNIT)
    }

    fn small_units(&self) -> usize {
        self.small.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn shared_units(&self) -> usize {
        self.shared.as_ref().map_or(0, Units::number)
    }

    /// What more it needs, where up to `first` units are little.
    pub(super) fn lack(&self, first: usize) -> Option<Lack> {
        let (used, shared) = (self.units_used(), self.shared_units());
        if self.reserve.is_some() || used <= shared {
            return None;
        }
        if used > first {
            return Some(Lack::Large(used - shared));
        }
        let lacking = used.saturating_sub(shared + self.small_units());
        (self.small_reserve.is_none() && lacking > 0).then_some(Lack::Small(lacking))
    }

    /// How much of what it needs it has room for: what waits for room is not taken yet.
    pub(super) fn covered(&self, first: usize) -> usize {
        match self.lack(first) {
            None => self.used(),
            Some(lack) => self.used().saturating_sub(lack.units().saturating_mul(UNIT)),
        }
    }

    /// Whether it has anything of the part for polls that need little.
    pub(super) fn holds_small(&self) -> bool {
        self.small_reserve.is_some() || self.small_units() > 0
    }

    pub(super) fn take_small(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.small {
            Some(small) => small.merge(permit),
            None => self.small = Some(permit),
        }
        self.trim();
    }

    pub(super) fn take_small_reserve(&mut self, permit: OwnedSemaphorePermit) {
        self.small_reserve = Some(permit);
        self.trim();
    }

    pub(super) fn take_shared(&mut self, units: Units) {
        match &mut self.shared {
            Some(shared) => shared.merge(units),
            None => self.shared = Some(units),
        }
        self.trim();
    }

    pub(super) fn take_reserve(&mut self, reserve: Reserve) {
        self.reserve = Some(reserve);
        self.trim();
    }

    /// Gives back what is not needed, or not any more.
    pub(super) fn trim(&mut self) {
        if self.used() == 0 {
            self.reserve = None;
        }
        let used = if self.reserve.is_some() { 0 } else { self.units_used() };
        let shared = used.min(self.shared_units());
        if used == shared {
            self.small_reserve = None;
        }
        let small = if self.small_reserve.is_some() { 0 } else { (used - shared).min(self.small_units()) };
        let excess = self.shared_units() - shared;
        if let Some(shared) = &mut self.shared {
            shared.give_back(excess);
        }
        let excess = self.small_units() - small;
        if let Some(small) = &mut self.small {
            drop(small.split(excess));
        }
    }
}
