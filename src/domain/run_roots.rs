//! The roots of what runs, as keys with labels ask about them.
//!
//! - A root is *changed* until content with the same rendering of it was verified, in an unbroken stretch of the branch
//!   up to now. So what a commit brought that was never verified is asked about after the next commit too.
//! - What was reported of one root on an earlier commit counts for it as long as its rendering has stayed the same since:
//!   that commit holds exactly this rendering of it. Whoever deploys it has no reason to report it again.

use super::{
    content::Content,
    evidence,
    ids::RootName,
    selection::RootLabels,
    snapshot::{Record, Report, Run, RunRoot},
};

/// Fills in the roots of each run, newest first, once their reports and records are there.
pub fn fill(runs: &mut [Run], labels: &RootLabels) {
    for index in 0..runs.len() {
        let (newer, older) = runs.split_at_mut(index + 1);
        let Some(run) = newer.last_mut() else { continue };
        run.roots = run.content.iter().map(|(root, _)| of_root(root, &run.content, older, labels)).collect();
    }
}

fn of_root(root: &RootName, content: &Content, older: &[Run], labels: &RootLabels) -> RunRoot {
    let same = older.iter().take_while(|run| run.content.get(root) == content.get(root));
    let (mut changed, mut earlier): (bool, Vec<Report>) = (true, Vec::new());
    for run in same {
        changed &= !matches!(run.record, Some(Record::Verified { .. }));
        earlier.extend(evidence::counting_in(run).cloned());
    }
    RunRoot { name: root.clone(), labels: labels.get(root).cloned().unwrap_or_default(), changed, earlier }
}
