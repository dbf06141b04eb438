//! The traits of the store, a file for each: whose turn a call takes, and whether it reads or writes. What it reads and
//! writes is in the files beside this folder.

mod accounts;
mod deliveries;
mod hooks;
mod inventory;
mod journal;
mod keys;
mod polls;
mod repeats;
mod sessions;
mod tokens;
