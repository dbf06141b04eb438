//! Everything that a driver asks of its host, in one place. In a component these are the contract's
//! imports; anywhere else they are a pretend host that a test sets up (`testing`), so that a whole driver
//! can be tested on the machine that builds it.

#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::calls::*;
