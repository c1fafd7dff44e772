//! Renders Helm charts, kustomizations and plain YAML with real programs, safely.
//!
//! The way of a rendering: [`discover`] finds the roots of one environment in an [`IndexedTree`],
//! [`prepare`] finds the [`Closure`] of each, and [`render_roots`] puts it on disk and runs the programs
//! that [`Renderers`] found, each under limits, and writes their output in [`canonical`] text.
//!
//! Guarantees:
//!
//! - Equal inputs, options and program versions give equal bytes; they have one [`RenderingKey`].
//! - A renderer reads the closure of its root and nothing else.
//! - A root that fails says who has to act, and where; it never names a path of the machine.
//! - Nothing is fetched, and nothing of the dry tree is run.
//!
//! Branches, pull requests and tokens are unknown here.

mod archive;
mod canonical;
mod closure;
mod discover;
mod emit;
mod executable;
mod failure;
mod folders;
mod helm;
mod helm_charts;
mod indexed;
mod inflation;
mod kustomization;
mod kustomize;
pub mod launch;
mod layout;
mod meaning;
mod messages;
mod packed_chart;
mod pattern;
mod plain;
mod program;
mod proof;
mod remote_chart;
mod render;
mod renderers;
mod sandbox;
mod scope;
mod secrets;
mod source;
mod temporary;
mod tree;
mod values;
mod yaml;

pub use canonical::{BadManifest, Document, Identity, Origin, canonical, read_documents, write_documents};
pub use closure::Closure;
pub use discover::{Discovery, Mistake, Mistakes, Unmatched, discover};
pub use failure::{FailureKind, RenderFailure};
pub use helm_charts::{AskedChart, ChartPlace, asked_charts, has_helm_charts};
pub use indexed::{IndexedTree, LeftOut, TreeLimits};
pub use launch::Launcher;
pub use meaning::Meaning;
pub use packed_chart::PackedChart;
pub use program::{Limits, Output};
pub use remote_chart::{REMOTE_CHARTS, RemoteChart};
pub use render::{Prepared, Rendered, RenderingKey, prepare, render_root, render_roots};
pub use renderers::{Renderers, RenderersError, Tool};
pub use sandbox::{Attempt, Confinement, Sandbox};
pub use source::{
    DEFAULT_KUBE_VERSION, Input, Labels, Layout, OnFailure, Release, RenderOptions, Root, SecretPolicy, Source,
    SourceKind, ValueFile,
};
pub use tree::{DirectoryTree, Entry, EntryKind, SourceTree, TreeError};
