//! Stories over the real service, real git and the local forge.

mod contract;
mod drift;
mod dry_line;
mod failures;
mod faults;
mod fences;
mod gates;
mod local_forge;
mod merges;
mod offline;
mod promotion;
mod rejections;
mod restarts;
mod secrets;
mod strategies;
mod webhooks;
mod world;
