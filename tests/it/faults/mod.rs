//! A forge that answers late, wrongly or not at all, and webhooks that come as they like.
//!
//! - [`one`] tells what one fault does, in stories.
//! - [`seeds`] plays whole stories behind a [proxy](crate::proxy), in which a seed decides what goes wrong, and
//!   compares their ends with one in which nothing did: `make faults`.
//! - [`mishaps`] is what decides; [`calls`] and [`hooks`] are what does it, to the service's calls and to the forge's.

mod calls;
mod hooks;
mod mishaps;
mod one;
mod seeds;
mod story;
