//! Stories over the real service, real git and the local forge.

mod contract;
mod drift;
mod local_forge;
mod promotion;
mod webhooks;
mod world;
