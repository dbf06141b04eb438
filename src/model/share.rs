//! Shares of what may be under way at once. What may hang shares a bounded part, so that it never takes the slots of
//! what does not.

/// Which share a call of a driver is counted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Share {
    /// Its endpoint answers, and the last call of this kind ended soon.
    Prompt,
    /// Its endpoint has never been asked.
    Unproven,
    /// Its endpoint answers, and the last call of this kind took long.
    Slow,
    /// Its endpoint gave no answer the last time.
    Suspected,
}

impl Share {
    pub const ALL: [Share; 4] = [Share::Prompt, Share::Unproven, Share::Slow, Share::Suspected];

    /// A stable word for it, as `/api/account` and the metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Share::Prompt => "prompt",
            Share::Unproven => "unproven",
            Share::Slow => "slow",
            Share::Suspected => "suspected",
        }
    }

    /// Whether a call begins here in the expectation that it ends soon, and leaves the share if it does not.
    pub fn is_quick(self) -> bool {
        matches!(self, Share::Prompt | Share::Unproven)
    }
}
