//! The whole driver against a pretend host: what it sends, and what it makes of each answer.

mod addresses;
mod lists;
mod problems;
mod setup;
mod single;
