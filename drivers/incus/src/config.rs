//! An instance's configuration, of which the few keys are kept that are listed. Most of the some 50 keys are the server's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The fingerprint of the image, and what the image says of itself.
pub(crate) const IMAGE: [&str; 2] = ["volatile.base_image", "image.description"];

/// Keys of an instance's owner begin with this.
const USER: &str = "user.";

/// What an instance is set up with at its first start. There may be passwords in it.
const SETUP: [&str; 4] = ["user.meta-data", "user.network-config", "user.user-data", "user.vendor-data"];

/// In the order of their names, whatever order the answer has them in.
#[derive(Debug, Default)]
pub(crate) struct Config(pub(crate) BTreeMap<String, String>);

/// A key, which has no escapes as a rule and is not copied then.
struct Key<'a>(Cow<'a, str>);

pub(crate) fn is_label(key: &str) -> bool {
    key.starts_with(USER) && !SETUP.contains(&key)
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Config;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a configuration")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
                let mut kept = BTreeMap::new();
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    if !is_label(&key) && !IMAGE.contains(&&*key) {
                        map.next_value::<IgnoredAny>()?;
                    } else if let Some(value) = map.next_value::<Option<String>>()? {
                        kept.insert(key.into_owned(), value);
                    }
                }
                Ok(Config(kept))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reading)
    }
}
