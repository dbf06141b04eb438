//! The whole driver against a pretend host.

mod graph;
mod lists;
mod setup;
mod sign_in;
mod thousand;
