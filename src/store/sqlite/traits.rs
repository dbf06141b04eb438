//! The traits of the store, one file for each: which turn a call takes, and whether it reads or writes. The files
//! beside this folder read and write rows.

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
