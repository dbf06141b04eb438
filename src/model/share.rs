//! Shares of the work in progress. Work that may hang gets a bounded share, so that it never takes the slots of other
//! work.

/// The share that a call of a driver counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Share {
    /// Its endpoint answers, and the last call of this kind was fast.
    Prompt,
    /// Its endpoint has never been asked.
    Unproven,
    /// Its endpoint answers, and the last call of this kind was slow.
    Slow,
    /// Its endpoint gave no answer the last time.
    Suspected,
}

impl Share {
    pub const ALL: [Share; 4] = [Share::Prompt, Share::Unproven, Share::Slow, Share::Suspected];

    /// A stable word for `/api/account` and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Share::Prompt => "prompt",
            Share::Unproven => "unproven",
            Share::Slow => "slow",
            Share::Suspected => "suspected",
        }
    }

    /// Whether calls in this share should be fast, and leave it if they are not.
    pub fn is_quick(self) -> bool {
        matches!(self, Share::Prompt | Share::Unproven)
    }
}
