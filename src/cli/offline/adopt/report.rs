//! What `hydromote take-over` says.

use hydrators::Document;
use serde::Serialize;

use super::{super::renderer::Rendering, View, dry::FoundBy};
use crate::{
    adopt::survey::{Foreign, Output},
    cli::offline::strategies::Target,
    cli::output::counted,
    domain::ids::{BranchName, DrySha, EnvironmentName, RootName},
    git::resources::{ResourceChange, Shown},
};

/// What is on a branch, and what taking it over comes to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The environment.
    environment: EnvironmentName,
    /// Its branch.
    branch: BranchName,
    /// `possible`, `adopted` or `refused` (see `blockers`).
    pub(super) state: State,
    /// The commit that was looked at.
    pub(super) active_sha: String,
    /// The dry SHA that what runs counts as.
    pub(super) dry_sha: Option<DrySha>,
    /// How that was found: `given`, by another hydrator's `metadata`, or by `search`.
    pub(super) found_by: Option<FoundBy>,
    /// Whether another hydrator's metadata is on the branch.
    other_hydrator: bool,
    /// The output folders, with the files that become ours.
    owned: Vec<OwnedOutput>,
    /// Outputs that are rendered and not on the branch: the next promotion adds them.
    missing: Vec<RootName>,
    /// What is on the branch and is not rendered any more.
    orphaned: Vec<Orphaned>,
    /// Files that stay as they are.
    foreign: Vec<Foreign>,
    /// How what runs differs from what the dry SHA renders to; the next promotion brings it.
    pub(super) differences: Vec<Difference>,
    /// Why it cannot be taken over as it is.
    pub(super) blockers: Vec<String>,
    /// The commit that takes it over; on the branch when `state` is `adopted`.
    pub(super) commit: Option<String>,
}

/// Whether the branch is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It can be.
    Possible,
    /// It was.
    Adopted,
    /// It cannot be.
    Refused,
}

/// One output folder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnedOutput {
    /// The folder.
    output: RootName,
    /// Its files that become ours.
    files: Vec<String>,
}

/// Something that nothing renders any more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Orphaned {
    /// The folder.
    folder: String,
    /// The resource in it; absent when the whole folder is no output.
    resource: Option<String>,
    /// Whether it becomes ours, so that the next promotion removes it.
    taken: bool,
    /// The files.
    files: Vec<String>,
}

/// A resource that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    /// The output folder.
    output: RootName,
    /// `added`, `changed` or `removed` by the next promotion.
    change: &'static str,
    /// The resource.
    resource: String,
    /// The unified diff; absent for what may tell secrets, and cut where there is too much.
    diff: Option<String>,
}

impl Difference {
    /// Makes one.
    pub(super) fn of(root: &RootName, change: &ResourceChange) -> Self {
        let diff = (change.shown() != Shown::Secret).then(|| change.diff().to_owned());
        Self { output: root.clone(), change: change.change().word(), resource: change.id().to_string(), diff }
    }
}

impl Report {
    /// Makes an empty one.
    pub(super) fn new(target: &Target) -> Self {
        Self {
            environment: target.environment.name.clone(),
            branch: target.environment.branch.clone(),
            state: State::Refused,
            active_sha: String::new(),
            dry_sha: None,
            found_by: None,
            other_hydrator: false,
            owned: Vec::new(),
            missing: Vec::new(),
            orphaned: Vec::new(),
            foreign: Vec::new(),
            differences: Vec::new(),
            blockers: Vec::new(),
            commit: None,
        }
    }

    /// Fills in what was found on the branch.
    pub(super) fn tell(&mut self, view: &View, rendering: &Rendering) {
        let survey = &view.survey;
        self.other_hydrator = survey.has_metadata;
        self.foreign = survey.foreign.clone();
        self.blockers.extend(survey.blockers.iter().cloned());
        if survey.blockers.is_empty() {
            self.blockers.extend(view.problem.clone());
        }
        for (root, output) in &survey.outputs {
            self.owned.push(OwnedOutput { output: root.clone(), files: output.files.keys().cloned().collect() });
        }
        self.missing = rendering
            .content
            .iter()
            .map(|(root, _)| root)
            .filter(|r| !survey.outputs.contains_key(r))
            .cloned()
            .collect();
        for (folder, files) in &survey.orphaned {
            let files = files.clone();
            self.orphaned.push(Orphaned { folder: folder.clone(), resource: None, taken: false, files });
        }
        for (root, output) in &survey.outputs {
            self.tell_orphans(root, output, view.rendered.get(root));
        }
        if survey.outputs.is_empty() && self.blockers.is_empty() {
            let roots: Vec<String> = rendering.content.iter().map(|(root, _)| format!("`{root}`")).collect();
            let roots = if roots.is_empty() { "nothing".to_owned() } else { roots.join(", ") };
            self.blockers.push(format!(
                "no file on the branch is in a folder that the strategy renders to ({roots}); \
                 where manifests are elsewhere on it, say so with `output` in the strategy"
            ));
        }
    }

    /// Names the resources of an output that the next promotion removes.
    fn tell_orphans(&mut self, root: &RootName, output: &Output, rendered: Option<&Vec<Document>>) {
        let Some(rendered) = rendered else {
            let files = output.files.keys().cloned().collect();
            self.orphaned.push(Orphaned { folder: root.to_string(), resource: None, taken: true, files });
            return;
        };
        let is_rendered = |document: &Document| rendered.iter().any(|other| other.identity == document.identity);
        for document in output.documents.iter().filter(|document| !is_rendered(document)) {
            let files = document.origin.file.clone().into_iter().collect();
            let resource = Some(document.identity.to_string().trim_matches('`').to_owned());
            self.orphaned.push(Orphaned { folder: root.to_string(), resource, taken: true, files });
        }
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let short = |sha: &str| sha.get(..7).unwrap_or(sha).to_owned();
        let mut text = format!("{}: `{}` at {}\n", self.environment, self.branch, short(&self.active_sha));
        if let (Some(dry), Some(by)) = (&self.dry_sha, self.found_by) {
            let how = match by {
                FoundBy::Given => "as you say",
                FoundBy::Metadata => "as `hydrator.metadata` says",
                FoundBy::Search => "the newest that renders to what is there",
            };
            text += &format!("  What runs counts as {}, {how}.\n", dry.short());
        }
        self.write_files(&mut text);
        if self.dry_sha.is_some() && self.blockers.is_empty() {
            self.write_differences(&mut text);
        }
        for blocker in &self.blockers {
            text += &format!("\n  Stopped: {blocker}.\n");
        }
        text += &self.outcome();
        text
    }

    fn write_files(&self, text: &mut String) {
        for owned in &self.owned {
            *text += &format!("  owned     `{}`: {}\n", owned.output, counted(owned.files.len(), "file"));
            for file in &owned.files {
                *text += &format!("              {file}\n");
            }
        }
        for root in &self.missing {
            *text += &format!("  missing   `{root}` is not on the branch; the next promotion adds it\n");
        }
        for orphaned in &self.orphaned {
            let what = match &orphaned.resource {
                Some(resource) => format!("{resource} in {}", orphaned.files.join(", ")),
                None => format!("`{}`: {}", orphaned.folder, counted(orphaned.files.len(), "file")),
            };
            let fate = match orphaned.taken {
                true => "nothing renders it any more; the next promotion removes it".to_owned(),
                false => format!("nothing renders to it; it stays, unless `--take {}` takes it over", orphaned.folder),
            };
            *text += &format!("  orphaned  {what}: {fate}\n");
        }
        for foreign in &self.foreign {
            let note = foreign.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            *text += &format!("  foreign   {}{note}\n", foreign.path);
        }
    }

    fn write_differences(&self, text: &mut String) {
        let dry = self.dry_sha.as_ref().map(|dry| dry.short().to_owned()).unwrap_or_default();
        if self.differences.is_empty() {
            *text += &format!("\n  What runs says what {dry} renders to.\n");
            return;
        }
        *text += &format!(
            "\n  What runs differs from what {dry} renders to in {}; the next promotion brings:\n",
            counted(self.differences.len(), "resource")
        );
        for difference in &self.differences {
            *text += &format!("  {} {} in `{}`\n", difference.change, difference.resource, difference.output);
            for line in difference.diff.iter().flat_map(|diff| diff.lines()) {
                *text += &format!("    {line}\n");
            }
        }
    }

    fn outcome(&self) -> String {
        let commit = self.commit.as_ref().and_then(|commit| commit.get(..7)).unwrap_or_default();
        match self.state {
            State::Refused => "\n  Nothing was written.\n".to_owned(),
            State::Possible => {
                "\n  One commit would take it over, and change nothing but formatting: that was proved. \
                                Switch the other tool off, then run this with `--push`.\n"
                    .to_owned()
            }
            State::Adopted => format!(
                "\n  Taken over by {commit}, which changes nothing but formatting: that was proved. \
                 The next promotion shows real changes only.\n"
            ),
        }
    }
}
