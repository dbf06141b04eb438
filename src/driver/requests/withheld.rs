//! The values that nothing may show that leaves a sandbox, except requests. These are the account's secrets, which a
//! provider may return in a different form, and the values that were computed with them in the poll and sent to the
//! provider or, under contract 0.1, given to the driver.

use std::collections::HashSet;
use std::sync::Arc;

use crate::mask::{Mask, SIGNATURE};

/// A signature a request, and some for what is signed within it. Each is looked for until the poll ends.
const MOST: usize = 1024;

pub(in crate::driver) const TOO_MANY_COMPUTED: &str = "too many different values are computed with secrets in one poll";

#[derive(Debug)]
pub(in crate::driver) struct Withheld {
    mask: Arc<Mask>,
    computed: HashSet<Vec<u8>>,
}

impl Withheld {
    /// These secrets, and nothing that was computed so far.
    pub(in crate::driver) fn of(secrets: Arc<Mask>) -> Withheld {
        Withheld { mask: secrets, computed: HashSet::new() }
    }

    /// Notes a value that was computed; false where there are too many.
    pub(in crate::driver) fn note(&mut self, value: &[u8]) -> bool {
        if self.computed.contains(value) {
            return true;
        }
        if self.computed.len() >= MOST {
            return false;
        }
        self.computed.insert(value.to_vec());
        Arc::make_mut(&mut self.mask).add(value, SIGNATURE);
        true
    }

    /// The text with a mask in the place of each of them.
    pub(in crate::driver) fn mask(&self, text: String) -> String {
        self.mask.text(text)
    }

    pub(in crate::driver) fn is_in(&self, bytes: &[u8]) -> bool {
        self.mask.is_in(bytes)
    }

    /// What is masked by now.
    pub(in crate::driver) fn so_far(&self) -> Arc<Mask> {
        Arc::clone(&self.mask)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};

    use super::*;

    #[test]
    fn a_value_is_found_in_every_form_and_wherever_it_stands() {
        let value: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(9).wrapping_add(200)).collect();
        let mut withheld = Withheld::of(Arc::new(Mask::of([b"a secret".as_slice()])));
        assert_eq!(withheld.mask("nothing yet of a secret".into()), "nothing yet of [secret]");
        assert!(withheld.note(&value) && withheld.note(&value));
        assert!(withheld.note(&[1; 32]));
        let base64 = BASE64.encode(&value);
        for form in [hex::encode(&value), hex::encode(&value).to_uppercase(), base64, BASE64_URL.encode(&value)] {
            for (before, after) in [("", ""), ("ü", "ü"), ("Signature=", "="), ("<", ">")] {
                let text = format!("{before}{form}{after}");
                assert!(withheld.is_in(text.as_bytes()));
                let masked = withheld.mask(text);
                assert_eq!(masked.replace('=', ""), format!("{before}[signature]{after}").replace('=', ""));
            }
            assert_eq!(withheld.mask(form[2..].to_owned()), form[2..]);
        }
        assert!(withheld.is_in(&[b"token", &value[..]].concat()));
        assert!(!withheld.is_in(b"another token, longer than a beginning"));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut withheld = Withheld::of(Arc::new(Mask::none()));
        let noted = (0..2 * MOST).filter(|n| withheld.note(&n.to_be_bytes().repeat(4))).count();
        assert_eq!(noted, MOST);
    }
}
