//! Renders Helm charts, kustomizations and plain YAML with real programs, safely.

mod canonical;
mod discover;
mod emit;
mod export;
mod failure;
mod folders;
mod kustomization;
mod pattern;
mod secrets;
mod source;
mod tree;
mod yaml;

pub use canonical::{BadManifest, Document, Identity, Origin, canonical};
pub use discover::{DiscoverError, Discovery, Mistake, Unmatched, discover};
pub use export::{ExportLimits, ExportedTree, LeftOut, Selection};
pub use failure::{FailureKind, RenderFailure};
pub use source::{
    DEFAULT_KUBE_VERSION, Input, Labels, Layout, OnFailure, Release, RenderOptions, Root, SecretPolicy, Source,
    SourceKind, ValueFile,
};
pub use tree::{DirectoryTree, Entry, EntryKind, SourceTree, TreeError};
