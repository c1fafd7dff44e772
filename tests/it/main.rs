//! Stories over the real service, real git and the local forge.

mod bad_input;
mod contract;
mod drift;
mod fences;
mod local_forge;
mod offline;
mod program;
mod promotion;
mod serve;
mod webhooks;
mod world;
