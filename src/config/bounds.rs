//! Numbers, sizes and durations with a minimum and a maximum, beyond which a host would start but not work. Each is
//! checked while the file is read, so that an error names its line.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::values::{InvalidValue, Size, Span, SpanText};
use crate::model::span;

pub(super) const SECOND: u64 = 1000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

const MOST_WAITS: usize = 1000;

/// How long the host waits for somebody.
pub(super) type Patience = Time<50, DAY>;
/// How often something is done.
pub(super) type Interval = Time<10, { 30 * DAY }>;
/// For how long something is held to be so, or kept; not at all with 0.
pub(super) type Lasting = Time<0, { 3650 * DAY }>;
/// How many there may be of something that takes next to nothing by itself.
pub(super) type Number = Count<1, 10_000_000>;

/// A length of time, from `LEAST` to `MOST` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SpanText")]
pub(super) struct Time<const LEAST: u64, const MOST: u64>(Duration);

impl<const LEAST: u64, const MOST: u64> TryFrom<SpanText> for Time<LEAST, MOST> {
    type Error = InvalidValue;

    fn try_from(text: SpanText) -> Result<Self, InvalidValue> {
        let text = String::from(text);
        let time = Duration::from(Span::try_from(text.clone())?);
        match (Duration::from_millis(LEAST)..=Duration::from_millis(MOST)).contains(&time) {
            true => Ok(Time(time)),
            false => Err(InvalidValue::Outside { value: text, least: shown_time(LEAST), most: shown_time(MOST) }),
        }
    }
}

fn shown_time(millis: u64) -> String {
    match (millis, millis % DAY) {
        (0, _) => "0s".to_owned(),
        (DAY, _) => "1 day".to_owned(),
        (_, 0) => format!("{} days", millis / DAY),
        _ => span::to_text(Duration::from_millis(millis)),
    }
}

impl<const LEAST: u64, const MOST: u64> From<Time<LEAST, MOST>> for Duration {
    fn from(time: Time<LEAST, MOST>) -> Duration {
        time.0
    }
}

/// The waits between tries, in order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Time<0, { 30 * DAY }>>")]
pub(super) struct Waits(Vec<Time<0, { 30 * DAY }>>);

impl TryFrom<Vec<Time<0, { 30 * DAY }>>> for Waits {
    type Error = InvalidValue;

    fn try_from(waits: Vec<Time<0, { 30 * DAY }>>) -> Result<Self, InvalidValue> {
        match waits.len() <= MOST_WAITS {
            true => Ok(Waits(waits)),
            false => Err(InvalidValue::TooManyWaits { number: waits.len(), most: MOST_WAITS }),
        }
    }
}

impl From<Waits> for Vec<Duration> {
    fn from(waits: Waits) -> Vec<Duration> {
        waits.0.into_iter().map(Duration::from).collect()
    }
}

/// A size, from `LEAST` to `MOST` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Size")]
pub(super) struct Bytes<const LEAST: u64, const MOST: u64>(Size);

impl<const LEAST: u64, const MOST: u64> TryFrom<Size> for Bytes<LEAST, MOST> {
    type Error = InvalidValue;

    fn try_from(size: Size) -> Result<Self, InvalidValue> {
        let bytes = u64::from(size);
        match (LEAST..=MOST).contains(&bytes) {
            true => Ok(Bytes(size)),
            false => Err(InvalidValue::Outside {
                value: bytesize::ByteSize(bytes).to_string(),
                least: bytesize::ByteSize(LEAST).to_string(),
                most: bytesize::ByteSize(MOST).to_string(),
            }),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> From<Bytes<LEAST, MOST>> for usize {
    fn from(bytes: Bytes<LEAST, MOST>) -> usize {
        bytes.0.into()
    }
}

impl<const LEAST: u64, const MOST: u64> From<Bytes<LEAST, MOST>> for u64 {
    fn from(bytes: Bytes<LEAST, MOST>) -> u64 {
        bytes.0.into()
    }
}

/// A number, from `LEAST` to `MOST`, which a `u32` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count<const LEAST: u32, const MOST: u32>(u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Count<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole<const LEAST: u32, const MOST: u32>;

        impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Whole<LEAST, MOST> {
            type Value = Count<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u32::try_from(number) {
                    Ok(fitting) if (LEAST..=MOST).contains(&fitting) => Ok(Count(fitting)),
                    _ => Err(E::custom(InvalidValue::Outside {
                        value: number.to_string(),
                        least: LEAST.to_string(),
                        most: MOST.to_string(),
                    })),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }

        deserializer.deserialize_i64(Whole::<LEAST, MOST>)
    }
}

impl<const LEAST: u32, const MOST: u32> From<Count<LEAST, MOST>> for u32 {
    fn from(count: Count<LEAST, MOST>) -> u32 {
        count.0
    }
}

impl<const LEAST: u32, const MOST: u32> From<Count<LEAST, MOST>> for u64 {
    fn from(count: Count<LEAST, MOST>) -> u64 {
        count.0.into()
    }
}

impl<const LEAST: u32, const MOST: u32> From<Count<LEAST, MOST>> for usize {
    fn from(count: Count<LEAST, MOST>) -> usize {
        count.0 as usize
    }
}

/// So many in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Number")]
pub(super) struct PerMinute(NonZeroU32);

impl From<Number> for PerMinute {
    fn from(number: Number) -> PerMinute {
        PerMinute(NonZeroU32::new(number.0).unwrap_or(NonZeroU32::MIN))
    }
}

impl From<PerMinute> for NonZeroU32 {
    fn from(rate: PerMinute) -> NonZeroU32 {
        rate.0
    }
}

impl From<PerMinute> for Option<NonZeroU32> {
    fn from(rate: PerMinute) -> Option<NonZeroU32> {
        Some(rate.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: for<'de> Deserialize<'de> + fmt::Debug>(written: &str, want: Result<&str, &str>) {
        #[derive(Debug, Deserialize)]
        struct File<T> {
            key: T,
        }
        match (toml::from_str::<File<T>>(&format!("key = {written}")), want) {
            (Ok(file), Ok(want)) => assert_eq!(format!("{:?}", file.key), want, "{written}"),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{written}: {error}"),
            (got, want) => panic!("{written}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn what_is_outside_is_refused_with_both_bounds() {
        check::<Time<50, DAY>>("\"50 ms\"", Ok("Time(50ms)"));
        check::<Time<50, DAY>>("\"24h\"", Ok("Time(86400s)"));
        for outside in ["\"0s\"", "\"1ns\"", "\"49999us\"", "\"24h 1ms\"", "\"100000 days\""] {
            check::<Time<50, DAY>>(outside, Err("takes 50ms to 1 day"));
        }
        check::<Time<50, DAY>>("\"-1s\"", Err("negative"));
        check::<Time<50, DAY>>("1", Err("expected a length of time with its unit"));

        check::<Bytes<KIB, MIB>>("1024", Ok("Bytes(Size(1024))"));
        check::<Bytes<KIB, MIB>>("\"1 MiB\"", Ok("Bytes(Size(1048576))"));
        for outside in ["0", "1023", "\"1025 KiB\"", "9223372036854775807"] {
            check::<Bytes<KIB, MIB>>(outside, Err("takes 1.0 KiB to 1.0 MiB"));
        }
        check::<Bytes<KIB, MIB>>("-1", Err("expected a size"));

        check::<Count<3, 9>>("3", Ok("Count(3)"));
        for outside in ["2", "10", "-1", "0", "9223372036854775807"] {
            check::<Count<3, 9>>(outside, Err("takes 3 to 9"));
        }
        check::<Count<3, 9>>("3.5", Err("expected a whole number from 3 to 9"));
        check::<Count<3, 9>>("\"3\"", Err("expected a whole number from 3 to 9"));
    }
}
