//! New ids of the same form as the existing ones: a driver may check the form of an id.

use std::collections::{BTreeSet, HashSet};

/// Numbers from here on are not counted up: what is above them is no number of 64 bits any more.
const LARGEST: u64 = u64::MAX - (1 << 32);

/// Makes ids like the ones that are there.
#[derive(Debug)]
pub(in super::super) struct Fresh<'a> {
    taken: &'a HashSet<&'a str>,
    made: BTreeSet<String>,
    /// How many were asked for.
    turn: u64,
    /// Above every id that is a number, where there is room for more.
    numbers: u64,
}

impl<'a> Fresh<'a> {
    pub(in super::super) fn beside(taken: &'a HashSet<&'a str>) -> Fresh<'a> {
        let numbers = taken.iter().filter_map(|id| id.parse::<u64>().ok());
        let numbers = numbers.filter(|number| *number < LARGEST).max().unwrap_or(0);
        Fresh { taken, made: BTreeSet::new(), turn: 0, numbers }
    }

    /// A new id like this one.
    pub(in super::super) fn like(&mut self, id: &str) -> String {
        loop {
            self.turn += 1;
            let candidate = match id.parse::<u64>() {
                Ok(_) if !id.starts_with('0') => self.numbers.saturating_add(self.turn).to_string(),
                _ => counted(id, self.turn),
            };
            if !self.taken.contains(candidate.as_str()) && self.made.insert(candidate.clone()) {
                return candidate;
            }
        }
    }

    pub(super) fn made(&self) -> usize {
        self.made.len()
    }

    pub(super) fn into_made(self) -> BTreeSet<String> {
        self.made
    }
}

/// The id with a number written into its digits from the end on: decimal where it has decimal digits,
/// hexadecimal letters where it has those. What does not fit stands behind it.
fn counted(id: &str, number: u64) -> String {
    let mut left = number;
    let mut characters: Vec<char> = id.chars().collect();
    for character in characters.iter_mut().rev() {
        if left == 0 {
            break;
        }
        let (first, base) = match *character {
            '0'..='9' => ('0', 10),
            'a'..='f' => ('a', 6),
            'A'..='F' => ('A', 6),
            _ => continue,
        };
        let digit = u8::try_from(left % base).unwrap_or(0);
        *character = char::from(first as u8 + digit);
        left /= base;
    }
    let mut text: String = characters.into_iter().collect();
    if left > 0 {
        text.push_str(&format!("-{left}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_of_the_same_make() {
        let check = |id: &str, fits: &dyn Fn(&str) -> bool| {
            let taken = HashSet::from([id]);
            let mut fresh = Fresh::beside(&taken);
            let made: BTreeSet<String> = (0..1000).map(|_| fresh.like(id)).collect();
            assert_eq!(made.len(), 1000, "each is another");
            assert!(!made.contains(id));
            for new in &made {
                assert!(fits(new), "{new} is not like {id}");
            }
        };
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        check("18446744073709551615", &|new| new.parse::<u64>().is_ok());
        check("5200144", &|new| new.len() == 7 && new.parse::<u64>().is_ok());
        check("1", &|new| new.parse::<u64>().is_ok());
        check("i-0123456789abcdef0", &|new| new.len() == 19 && new.starts_with("i-") && hex(&new[2..]));
        check("6dff0c2e-0000-4f3b-8c3a-3d9f35a8a1c2", &|new| {
            new.len() == 36 && new[14..].starts_with('4') && new.split('-').all(hex)
        });
        check("web", &|new| new.starts_with("w"));
        check("zone-z", &|new| new.starts_with("zon"));
    }
}
