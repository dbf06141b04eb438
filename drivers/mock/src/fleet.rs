//! A simulated fleet: any number of instances, each living through its states. What an instance is at any
//! moment follows from the seed, its place in the fleet and the time alone, so that a driver that remembers
//! nothing tells one story from poll to poll. Cheap on purpose, for the host is measured with a million.

use tracker_driver_sdk::{Address, Error, Instance, InstanceState, Page, RealmState, Timestamp};

use crate::world::{HARDWARE_PROFILES, IMAGES, REALMS};

/// How many instances are on a page.
const PAGE: u32 = 1_000;

/// A life: its states in turn, each for so many 64ths of it. After the last one the instance is gone, and
/// another, with another id, begins its own life in its place.
const LIFE: [(InstanceState, &str, i64); 12] = [
    (InstanceState::Pending, "PENDING", 1),
    (InstanceState::Running, "RUNNING", 12),
    (InstanceState::Stopping, "STOPPING", 1),
    (InstanceState::Stopped, "STOPPED", 6),
    (InstanceState::Pending, "PENDING", 1),
    (InstanceState::Running, "RUNNING", 12),
    (InstanceState::Stopping, "STOPPING", 1),
    (InstanceState::Stopped, "STOPPED", 6),
    (InstanceState::Pending, "PENDING", 1),
    (InstanceState::Running, "RUNNING", 20),
    (InstanceState::ShuttingDown, "SHUTTING_DOWN", 1),
    (InstanceState::Finish, "FINISH", 2),
];

/// What `LIFE` adds up to.
const PARTS: i64 = 64;

/// Which state each 64th of a life is in.
const STATE_OF_PART: [u8; PARTS as usize] = {
    let mut parts = [0; PARTS as usize];
    let (mut state, mut part) = (0, 0);
    while state < LIFE.len() {
        let end = part + LIFE[state].2 as usize;
        while part < end {
            parts[part] = state as u8;
            part += 1;
        }
        state += 1;
    }
    assert!(part == PARTS as usize, "the parts of a life do not add up");
    parts
};

/// A fleet as an account describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fleet {
    count: u32,
    seed: u64,
    /// How long a life is, in milliseconds; nothing where all stand still.
    life: Option<i64>,
}

/// Where in its life an instance is.
struct Moment {
    /// Which life in this place it is, counted from 1970.
    generation: i64,
    part: usize,
    began: Timestamp,
}

impl Fleet {
    /// `churn` is in changes of state per instance and hour.
    pub(crate) fn new(count: u32, churn: f64, seed: u64) -> Fleet {
        let changes = LIFE.len() as f64;
        // A churn too small to measure gives a life too long to count in: 64 times it has to fit.
        let life = (changes * 3_600_000.0 / churn).min(1e15);
        Fleet { count, seed, life: (churn > 0.0).then_some(life as i64) }
    }

    /// The page at a cursor, which is the place of its first instance.
    pub(crate) fn page(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page<Instance>, Error> {
        let first = place_of(cursor)?;
        let end = self.count.min(PAGE.saturating_add(first));
        let items = (first..end).map(|place| self.instance(place, now)).collect();
        Ok(Page::complete(items).followed_by((end < self.count).then(|| end.to_string())))
    }

    /// The page at a cursor of what changed since then: the next thousand, whose last place the cursor names.
    pub(crate) fn delta(
        &self,
        cursor: Option<&str>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Page<Instance>, Error> {
        let (mut items, mut removed) = (Vec::new(), Vec::new());
        for place in place_of(cursor)?..self.count {
            if items.len() == PAGE as usize {
                return Ok(Page::delta(items, removed).followed_by(Some(place.to_string())));
            }
            let chance = self.chance(place);
            let (then, is) = (self.moment(chance, since), self.moment(chance, now));
            if then.generation != is.generation {
                removed.push(self.id(place, &then));
            } else if STATE_OF_PART[then.part] == STATE_OF_PART[is.part] {
                continue;
            }
            items.push(self.instance(place, now));
        }
        Ok(Page::delta(items, removed))
    }

    /// The instance of that id, if it is there: the life before and the one after it have others.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<Instance> {
        let place = id.strip_prefix("sim-")?.split('-').next()?.parse().ok().filter(|place| *place < self.count)?;
        Some(self.instance(place, now)).filter(|instance| instance.id == id)
    }

    /// Realm `eu` is out of order for the last 16th of what one life takes, and then back.
    pub(crate) fn eu_at(&self, now: Timestamp) -> RealmState {
        match self.life {
            Some(life) if now.rem_euclid(life) * 16 / life == 15 => RealmState::Unavailable,
            _ => RealmState::Available,
        }
    }

    fn moment(&self, chance: u64, now: Timestamp) -> Moment {
        let Some(life) = self.life else {
            return Moment { generation: 0, part: (chance % PARTS as u64) as usize, began: 0 };
        };
        // Phases spread evenly over a life, so that changes come evenly in time.
        let phase = (chance % life as u64) as i64;
        let age = now.saturating_add(phase).rem_euclid(life);
        let began = now - age;
        Moment { generation: now.saturating_add(phase).div_euclid(life), part: (age * PARTS / life) as usize, began }
    }

    fn chance(&self, place: u32) -> u64 {
        mix(self.seed ^ (u64::from(place) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn id(&self, place: u32, moment: &Moment) -> String {
        let name = numbered("sim-", place);
        if self.life.is_none() {
            return name;
        }
        let mut id = String::with_capacity(name.len() + 17);
        id.push_str(&name);
        id.push('-');
        push_hex(&mut id, moment.generation as u64);
        id
    }

    fn instance(&self, place: u32, now: Timestamp) -> Instance {
        let chance = self.chance(place);
        let moment = self.moment(chance, now);
        let (state, word, _) = LIFE[usize::from(STATE_OF_PART[moment.part])];

        let name = numbered("sim-", place);
        let id = self.id(place, &moment);
        let image = IMAGES[(chance >> 48) as usize % IMAGES.len()];
        let address = |side: &str| {
            let parts = [image, ".", &id, side];
            let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
            parts.iter().for_each(|part| text.push_str(part));
            vec![Address::hostname(text)]
        };
        Instance {
            owner: Some("mockuser".to_owned()),
            realm: Some(REALMS[(chance >> 40) as usize % REALMS.len()].to_owned()),
            image: Some(image.to_owned()),
            hardware_profile: Some(HARDWARE_PROFILES[(chance >> 32) as usize % HARDWARE_PROFILES.len()].to_owned()),
            launched_at: self.life.map(|_| moment.began),
            public_addresses: address(".public.com"),
            private_addresses: address(".private.com"),
            name: Some(name),
            ..Instance::new(id, state, word)
        }
    }
}

fn place_of(cursor: Option<&str>) -> Result<u32, Error> {
    let Some(text) = cursor else { return Ok(0) };
    text.parse().map_err(|_| Error::UnexpectedAnswer(format!("`{text}` is not a cursor that this driver gave")))
}

/// A number as if drawn by lot, the same every time (the finaliser of SplitMix64).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// `sim-000042`. By hand, for `format!` is what would cost most in a page.
fn numbered(prefix: &str, number: u32) -> String {
    let mut digits = *b"0000000000";
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let shown = if number < 1_000_000 { &digits[4..] } else { &digits[..] };
    let mut text = String::with_capacity(prefix.len() + shown.len());
    text.push_str(prefix);
    shown.iter().for_each(|digit| text.push(char::from(*digit)));
    text
}

fn push_hex(text: &mut String, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) as u32 & 15;
        text.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use tracker_driver_sdk::Coverage;

    use super::*;

    const NOW: Timestamp = 1_795_341_600_000;
    const MINUTE: i64 = 60_000;

    fn all(fleet: &Fleet, now: Timestamp) -> Vec<Instance> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let page = fleet.page(cursor.as_deref(), now).unwrap();
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return items;
            }
        }
    }

    #[test]
    fn pages_hold_a_thousand_and_every_place_once() {
        let check = |count: u32, pages: usize| {
            let fleet = Fleet::new(count, 6.0, 1);
            let (mut cursor, mut seen, mut ids) = (None::<String>, 0, HashSet::new());
            loop {
                let page = fleet.page(cursor.as_deref(), NOW).unwrap();
                assert!(page.items.len() <= 1_000);
                ids.extend(page.items.into_iter().map(|instance| instance.id));
                seen += 1;
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!((seen, ids.len()), (pages, count as usize), "{count}");
        };
        check(0, 1);
        check(1, 1);
        check(1_000, 1);
        check(1_001, 2);
        check(2_500, 3);
        assert!(Fleet::new(10, 6.0, 1).page(Some("x"), NOW).is_err());
        assert!(Fleet::new(10, 6.0, 1).page(Some("4294967295"), NOW).unwrap().items.is_empty());
    }

    #[test]
    fn changes_come_as_often_as_asked_and_in_order() {
        let fleet = Fleet::new(2_000, 6.0, 7);
        let mut before: HashMap<String, InstanceState> =
            all(&fleet, NOW).into_iter().map(|i| (i.id, i.state)).collect();
        let (mut changes, mut by_minute) = (0, Vec::new());
        for minute in 1..=60 {
            let now: HashMap<String, InstanceState> =
                all(&fleet, NOW + minute * MINUTE).into_iter().map(|i| (i.id, i.state)).collect();
            let mut in_this = 0;
            for (id, state) in &now {
                match before.get(id) {
                    Some(old) if old == state => {}
                    Some(old) => {
                        in_this += 1;
                        use InstanceState::*;
                        let next = matches!(
                            (old, state),
                            (Pending, Running)
                                | (Running, Stopping | ShuttingDown)
                                | (Stopping, Stopped)
                                | (Stopped, Pending)
                                | (ShuttingDown, Finish)
                        );
                        assert!(next, "{old:?} -> {state:?}");
                    }
                    None => {
                        in_this += 1;
                        assert_eq!(*state, InstanceState::Pending, "a new one begins");
                    }
                }
            }
            for (id, state) in &before {
                assert!(now.contains_key(id) || *state == InstanceState::Finish, "{id} left in {state:?}");
            }
            changes += in_this;
            by_minute.push(in_this);
            before = now;
        }
        // 2,000 instances, 6 changes an hour each, 200 a minute.
        assert!((11_500..=12_500).contains(&changes), "{changes}");
        assert!(by_minute.iter().all(|count| (140..=260).contains(count)), "{by_minute:?}");
    }

    #[test]
    fn what_changed_makes_of_one_list_the_next() {
        let listed = |fleet: &Fleet, now| -> HashMap<String, Instance> {
            all(fleet, now).into_iter().map(|instance| (instance.id.clone(), instance)).collect()
        };
        let check = |count: u32, churn: f64, since: Timestamp, now: Timestamp| {
            let fleet = Fleet::new(count, churn, 7);
            let mut known = listed(&fleet, since);
            let (mut cursor, mut spoken_of) = (None::<String>, 0);
            loop {
                let page = fleet.delta(cursor.as_deref(), since, now).unwrap();
                let Coverage::Delta(removed) = page.coverage else { panic!("it is a delta") };
                assert!(page.items.len() <= 1_000);
                spoken_of += page.items.len();
                for id in removed {
                    assert!(known.remove(&id).is_some(), "{id} was there");
                }
                known.extend(page.items.into_iter().map(|instance| (instance.id.clone(), instance)));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(known == listed(&fleet, now), "{count} {churn}");
            spoken_of
        };
        assert_eq!(check(50, 0.0, NOW - MINUTE, NOW), 0);
        let few = check(3_000, 6.0, NOW - MINUTE, NOW);
        assert!((200..400).contains(&few), "a tenth of them: {few}");
        check(3_000, 6.0, NOW - 300 * MINUTE, NOW);
        assert_eq!(check(2_500, 60.0, NOW - 24 * 60 * MINUTE, NOW), 2_500);
        assert!(Fleet::new(10, 6.0, 1).delta(Some("x"), 0, NOW).is_err());
    }

    #[test]
    fn an_instance_is_found_by_its_id_while_it_lives() {
        let fleet = Fleet::new(300, 60.0, 7);
        for instance in all(&fleet, NOW) {
            assert_eq!(fleet.find(&instance.id, NOW), Some(instance.clone()));
            assert_eq!(fleet.find(&instance.id, NOW + 24 * 60 * MINUTE), None, "another lives in its place");
        }
        for id in ["", "sim-", "sim-x", "sim-000300", "sim-000001", "inst0", "sim-99999999999"] {
            assert_eq!(fleet.find(id, NOW), None, "{id}");
        }
        assert!(Fleet::new(2, 0.0, 7).find("sim-000001", NOW).is_some());
    }

    #[test]
    fn a_fleet_is_a_function_of_seed_and_time() {
        let fleet = Fleet::new(50, 0.5, 3);
        assert_eq!(all(&fleet, NOW), all(&fleet, NOW));
        assert_ne!(all(&fleet, NOW), all(&Fleet::new(50, 0.5, 4), NOW));
        let still = Fleet::new(500, 0.0, 3);
        assert_eq!(all(&still, NOW), all(&still, NOW + 1_000 * MINUTE));
        assert_eq!(still.page(None, NOW).unwrap().items[42].id, "sim-000042");
        assert_eq!(still.eu_at(NOW), RealmState::Available);
        let states: HashSet<String> = all(&still, NOW).into_iter().map(|i| i.provider_state).collect();
        assert_eq!(states.len(), 6, "{states:?}");
    }

    #[test]
    fn extremes_do_no_harm() {
        for churn in [0.0, f64::MIN_POSITIVE, 1e-9, 3600.0] {
            for now in [0, NOW, i64::from(i32::MAX) * 1_000_000] {
                let fleet = Fleet::new(3, churn, u64::MAX);
                assert_eq!(all(&fleet, now).len(), 3);
                fleet.eu_at(now);
            }
        }
    }

    #[test]
    fn europe_goes_and_comes_back() {
        let fleet = Fleet::new(1, 6.0, 0);
        let out = (0..128).filter(|n| fleet.eu_at(NOW + n * MINUTE) == RealmState::Unavailable).count();
        assert!((7..=16).contains(&out), "{out} of 128 minutes");
    }
}
