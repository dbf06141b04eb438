//! How times and counts become figures.

use prometheus_client::metrics::histogram::Histogram;

/// From a millisecond up to a little over two minutes, each twice the one before.
pub(super) fn times() -> Histogram {
    Histogram::new((0..18).map(|power| 0.001 * f64::from(1_u32 << power)))
}

/// What a gauge takes; more than it holds is its most.
pub(super) fn gauged<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
