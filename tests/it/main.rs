//! Stories over the real service, real git and the local forge.

mod contract;
mod fences;
mod local_forge;
mod offline;
