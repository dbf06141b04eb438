//! What the tracker does, seen from outside.

mod sandbox;
