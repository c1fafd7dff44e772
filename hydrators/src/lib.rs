//! Renders Helm charts, kustomizations and plain YAML with real programs, safely.

mod canonical;
mod emit;
mod failure;
mod secrets;
mod yaml;

pub use canonical::{BadManifest, Document, Identity, Origin, canonical};
pub use failure::{FailureKind, RenderFailure};
