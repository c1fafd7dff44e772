//! Stories over the real service, real git and the local forge.

mod bad_input;
mod browser;
mod comments;
mod contract;
mod crashes;
mod documents;
mod drift;
mod dry_line;
mod failures;
mod faults;
mod fences;
mod gates;
mod local_forge;
mod merges;
mod offline;
mod page;
mod program;
mod promotion;
mod rejections;
mod restarts;
mod rollbacks;
mod secrets;
mod serve;
mod strategies;
mod webhooks;
mod world;
