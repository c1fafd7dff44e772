//! What many strategies, long histories, many webhooks and many roots cost: `make bench-plan`, `make bench-recovery`,
//! `make bench-webhooks`, `make bench-hydrate`.
//!
//! - What is measured was made by the real service over real git and the local forge, and then multiplied.
//! - Nothing here fails for being slow: machines differ, and are shared. Ratios are what to look at, of processor
//!   time before wall-clock time.
//! - [`remembered`] is the only stand-in: a forge that answers what the real adapter answered once. That is what a
//!   worker sees when it is woken and nothing changed.

mod copies;
pub(crate) mod cost;
mod flood;
mod hydration;
mod many;
mod remembered;
mod replay;
mod shop;
mod year;
