//! What a poll took.

use std::time::Duration;

use crate::model::BudgetMark;

#[derive(Clone, Debug, Default)]
pub struct Effort {
    pub duration: Duration,
    /// How many requests the provider was sent.
    pub requests: u32,
    /// What the account's budget has left, where requests were made and are counted.
    pub budget: Option<BudgetMark>,
}
