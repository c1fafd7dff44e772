//! Stories over the real service, real git and the local forge.

mod bad_input;
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
mod program;
mod promotion;
mod rejections;
mod restarts;
mod rollback_comments;
mod rollbacks;
mod secrets;
mod serve;
mod strategies;
mod webhooks;
mod world;
