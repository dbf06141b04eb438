//! Whether a write has to survive a power cut.

/// What becomes of a write when the power goes right after it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It lasts, as far as the store's settings say so.
    Lasts,
    /// It may be as if it had never been made: whoever made it can do without, like a claim, which is void
    /// then anyway.
    MayGo,
}
