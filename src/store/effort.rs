//! The resources that a poll used.

use std::time::Duration;

use crate::model::BudgetMark;

#[derive(Clone, Debug, Default)]
pub struct Effort {
    pub duration: Duration,
    /// The number of requests to the provider.
    pub requests: u32,
    /// The remaining request budget of the account, if requests were made and are counted.
    pub budget: Option<BudgetMark>,
}
