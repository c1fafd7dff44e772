//! The secrets of the tools that tell what became of what they deployed.

use std::{collections::BTreeMap, path::Path};

use super::{
    check::{MAX_WEBHOOK_SECRETS, any, secret},
    file::{ReceiverSection, ReceiversSection},
    mistake::Mistakes,
};
use crate::{
    domain::deployed::Tool,
    secret::{Secret, trimmed},
};

/// Returns the sections that are there.
fn sections(sections: ReceiversSection) -> impl Iterator<Item = (Tool, ReceiverSection)> {
    let of = [(Tool::ArgoCd, sections.argocd), (Tool::Flux, sections.flux)];
    of.into_iter().filter_map(|(tool, section)| Some((tool, section?)))
}

fn key(tool: Tool) -> String {
    format!("receivers.{}", tool.word())
}

/// Refuses secrets in the file itself: files are copied, shared and committed.
pub(super) fn no_secrets(file: &ReceiversSection, mistakes: &mut Mistakes<'_>) {
    for (tool, _) in sections(file.clone()).filter(|(_, section)| section.secret.is_some()) {
        let key = format!("{}.secret", key(tool));
        let remedy = format!(
            "must not stand in this file; write the secret into a file of its own and name it with `secret_files`, or \
             set {}",
            super::variable(&key)
        );
        mistakes.add(&key, remedy);
    }
}

/// Returns the active secrets of each tool. A section without one is a mistake: it would be heard by nobody's leave.
pub(super) fn receivers(
    file: ReceiversSection,
    folder: &Path,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<Tool, Vec<Secret>> {
    sections(file).map(|(tool, section)| (tool, secrets(&key(tool), section, folder, mistakes))).collect()
}

fn secrets(key: &str, section: ReceiverSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> Vec<Secret> {
    let files = format!("{key}.secret_files");
    let variable = format!("{key}.secret");
    if section.secret_files.is_empty() && section.secret.is_none() {
        let remedy = format!("has no secret; name a file with `secret_files`, or set {}", super::variable(&variable));
        mistakes.add(key, remedy);
    }
    if section.secret_files.len() + usize::from(section.secret.is_some()) > MAX_WEBHOOK_SECRETS {
        mistakes.add(&files, "makes more than two secrets; keep the one in use and the one before it");
    }
    let set = section.secret.as_ref().and_then(|secret| {
        let secret = trimmed(secret);
        if secret.is_none() {
            mistakes.add(&variable, "is empty; set the secret or unset the variable");
        }
        secret.map(Secret::from)
    });
    let read: Vec<_> =
        section.secret_files.iter().filter_map(|path| secret(&files, Path::new(path), folder, any, mistakes)).collect();
    set.into_iter().chain(read).collect()
}
