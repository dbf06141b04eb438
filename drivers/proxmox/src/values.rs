//! Values as Perl writes them into JSON: a number may come as text, a text of digits as a number, a flag as any of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A text, or a number as one.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

/// Yes or no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl Visitor<'_> for Reading {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Reading)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl Visitor<'_> for Reading {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0 or 1")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Flag, E> {
                match number {
                    0 => Ok(Flag(false)),
                    1 => Ok(Flag(true)),
                    _ => Err(E::custom(format!("{number} is neither 0 nor 1"))),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Flag, E> {
                match text {
                    "" | "0" => Ok(Flag(false)),
                    "1" => Ok(Flag(true)),
                    _ => Err(E::custom("a text that is neither 0 nor 1")),
                }
            }
        }
        deserializer.deserialize_any(Reading)
    }
}
