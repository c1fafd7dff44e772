//! The table of roots: what would be rendered, from where, to where.

use comfy_table::{Table, presets};
use hydrators::{Discovery, Input, Root, Unmatched};
use serde::Serialize;

use super::strategies::Target;
use crate::{
    cli::output::counted,
    domain::{
        ids::{BranchName, EnvironmentName, LaneName, RootName},
        lane::Lanes,
    },
};

/// The roots of one environment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRoots {
    /// The environment.
    pub name: EnvironmentName,
    /// Its active branch.
    pub branch: BranchName,
    /// The roots, by output folder.
    pub roots: Vec<RootRow>,
    /// Sources without a root in this environment.
    pub unmatched: Vec<UnmatchedSource>,
}

/// One root.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RootRow {
    /// The folder that is rendered.
    pub source: String,
    /// The line of its source in the strategy file, from 1.
    pub line: u64,
    /// All labels.
    pub labels: hydrators::Labels,
    /// The output folder on the environment branch.
    pub output: String,
    /// The lane; absent when its labels name none.
    pub lane: Option<LaneName>,
    /// `kustomize`, `helm` or `plain`.
    pub kind: &'static str,
    /// Outputs of other roots that build on this one's folder.
    pub base_of: Vec<String>,
}

/// A source without a root.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmatchedSource {
    /// Its line in the strategy file, from 1.
    pub line: u64,
    /// What was looked for.
    pub pattern: String,
}

impl From<Unmatched> for UnmatchedSource {
    fn from(Unmatched { line, pattern, .. }: Unmatched) -> Self {
        Self { line, pattern }
    }
}

impl std::fmt::Display for UnmatchedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no match here: `{}` (line {})", self.pattern, self.line)
    }
}

impl EnvironmentRoots {
    /// Makes the table of one environment.
    pub fn new(target: &Target, discovery: Discovery) -> Self {
        Self {
            name: target.environment.name.clone(),
            branch: target.environment.branch.clone(),
            roots: discovery.roots.into_iter().map(|root| RootRow::new(root, &target.strategy.lanes)).collect(),
            unmatched: discovery.unmatched.into_iter().map(UnmatchedSource::from).collect(),
        }
    }

    /// Returns the table for people.
    pub fn text(&self) -> String {
        let mut text = format!("{} (branch {}): {}\n", self.name, self.branch, counted(self.roots.len(), "root"));
        if !self.roots.is_empty() {
            text += &format!("{}\n", self.table());
        }
        for source in &self.unmatched {
            text += &format!("  {source}\n");
        }
        text
    }

    fn table(&self) -> String {
        let has_bases = self.roots.iter().any(|root| !root.base_of.is_empty());
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut header = vec!["SOURCE", "LABELS", "OUTPUT", "LANE", "KIND"];
        header.extend(has_bases.then_some("BASE OF"));
        table.set_header(header);
        for root in &self.roots {
            let mut row = vec![root.source.clone(), labels(root), root.output.clone(), lane(root), root.kind.into()];
            row.extend(has_bases.then(|| root.base_of.join(", ")));
            table.add_row(row);
        }
        table.trim_fmt()
    }
}

impl RootRow {
    fn new(root: Root, lanes: &Lanes) -> Self {
        let kind = match &root.input {
            Input::Kustomize { .. } => "kustomize",
            Input::Helm(_) => "helm",
            Input::Plain { .. } => "plain",
        };
        let lane = RootName::new(root.output.as_str()).ok().and_then(|name| lanes.of(&name, &root.labels).ok());
        Self {
            source: root.input.dir().to_owned(),
            line: root.line,
            labels: root.labels,
            output: root.output,
            lane,
            kind,
            base_of: root.base_of,
        }
    }
}

fn lane(root: &RootRow) -> String {
    root.lane.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// Returns the labels but the environment, which the heading names.
fn labels(root: &RootRow) -> String {
    let shown = root.labels.iter().filter(|(name, _)| *name != "environment");
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
}
