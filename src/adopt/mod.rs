//! Takes over an environment branch that another hydrator, or people, wrote until now.
//!
//! [`survey`] sorts what is on the branch, [`takeover`] writes the same manifests as we write them, and
//! [`proof`] shows that they still say the same. Guarantees:
//!
//! - Only formatting changes: every document that is in an output folder stays, also those that nothing
//!   renders any more. What is to change shows in the next promotion.
//! - Files outside of the output folders, and those in them that are no manifests, are never touched.
//! - What cannot be taken over with certainty is a *blocker*, and nothing is written.
//!
//! Nothing is pushed here, and nothing is rendered.

pub mod proof;
pub mod survey;
pub mod takeover;
