//! Every rule and every word of the field, pure: plain data in, decisions out.
//!
//! Nothing here performs I/O or reads a clock; the time is a value of the snapshot.

pub mod ids;
pub mod status;
pub mod strategy;
