//! Stories over the real service, real git and the local forge.

mod contract;
mod drift;
mod fences;
mod local_forge;
mod offline;
mod promotion;
mod webhooks;
mod world;
