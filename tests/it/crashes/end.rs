//! The end of a story: what must be the same, however often the service was killed.
//!
//! Compared, all as text: each active branch commit by commit with its dry commit, whether a rollback
//! brought it, its files and what our record says of it; what the service says of each environment
//! (what runs, what was taken, hold, rollback, pull request, gates, notices); the promotions and
//! rollbacks that it remembers; the pull requests with their ends; holds on the forge; and that no pull request has two
//! comments of ours.
//!
//! Left out: ids, numbers and times, which nobody promises; commit ids on environment branches, which
//! hold times; the text of comments, which says how a command was answered, and one whose fate is not
//! known after a crash is answered otherwise; and how often a status was posted. People's comments are
//! left out, for they write again when nothing comes of one.

use std::collections::BTreeMap;

use git2::Oid;
use hydromote::local_forge::{PullState, Repository, StatusState};
use serde_json::Value;

use crate::{
    program::{Served, Site},
    world::{BOT, Fallible, REPOSITORY},
};

/// Returns the end of a story, a fact a line.
pub(super) async fn read(
    site: &Site,
    served: &Served,
    environments: &[&str],
    dry: &[(String, String)],
) -> Fallible<Vec<String>> {
    let forge = site.forge.repository(REPOSITORY).await?;
    let mut facts = Vec::new();
    for environment in environments {
        facts.extend(branch(site, &forge, environment)?);
        let shown = served.environment(environment).await?.ok_or("the environment is not shown")?;
        facts.push(format!("{environment} is shown as {}", standing(&shown)));
        facts.push(format!("{environment} is held on the forge: {}", is_held(&forge, environment)));
    }
    let history = served.api("/strategies/acme/shop/shop/history").await?;
    let mut promotions: Vec<String> = history["promotions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("remembered: {} got {}", one["environment"], one["commit"]["sha"]))
        .collect();
    promotions.sort();
    facts.extend(promotions);
    let rollbacks = history["rollbacks"].as_array().into_iter().flatten();
    facts.extend(rollbacks.map(|one| {
        let (from, to, trigger) = (&one["from"]["sha"], &one["to"]["sha"], &one["trigger"]);
        format!("remembered: {} went back from {from} to {to}, {trigger}: {}", one["environment"], one["reason"])
    }));
    facts.extend(pulls(&forge));
    Ok(facts.iter().map(|fact| in_words(fact, site.forge.url(), dry)).collect())
}

/// Returns what only one of two ends says, or nothing.
pub(super) fn difference(expected: &[String], end: &[String]) -> Option<String> {
    let lacks = expected.iter().filter(|fact| !end.contains(fact)).map(|fact| format!("- {fact}"));
    let more = end.iter().filter(|fact| !expected.contains(fact)).map(|fact| format!("+ {fact}"));
    let lines: Vec<String> = lacks.chain(more).collect();
    match lines.is_empty() {
        true if expected == end => None,
        true => Some(format!("the same facts in another order or number: {end:#?}")),
        false => Some(lines.join("\n")),
    }
}

/// Returns the commits of an active branch, oldest first, with what our records say of them.
fn branch(site: &Site, forge: &Repository, environment: &str) -> Fallible<Vec<String>> {
    let git = git2::Repository::open_bare(site.forge.git_dir(REPOSITORY))?;
    let head = forge.branch(&format!("env/{environment}")).ok_or("the branch is gone")?;
    let mut facts = Vec::new();
    let mut next = Some(git.find_commit(Oid::from_str(head)?)?);
    while let Some(commit) = next {
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let trailer = |key: &str| message.lines().rev().find_map(|line| line.strip_prefix(key)).unwrap_or("none");
        let record = newest(forge, &commit.id().to_string(), "hydromote/verified");
        let mut files = BTreeMap::new();
        commit.tree()?.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if let Ok(blob) = git.find_blob(entry.id()) {
                let name = format!("{folder}{}", entry.name().unwrap_or_default());
                files.insert(name, String::from_utf8_lossy(blob.content()).into_owned());
            }
            git2::TreeWalkResult::Ok
        })?;
        facts.push(format!(
            "env/{environment} got {}, rolled back from {}, record {record:?}, holds {files:?}",
            trailer("Hydromote-Dry-Sha: "),
            trailer("Hydromote-Rollback-From: "),
        ));
        next = commit.parent(0).ok();
    }
    facts.reverse();
    Ok(facts.into_iter().enumerate().map(|(at, fact)| format!("{at}: {fact}")).collect())
}

/// Returns what the service says of an environment, without times and ids.
fn standing(shown: &Value) -> String {
    let words = |list: &str| -> Vec<String> {
        shown[list].as_array().into_iter().flatten().map(|one| one["words"].to_string()).collect()
    };
    format!(
        "{}, runs {}, verified {}, took {}, hold {}, rollback {}, pull request {}, drift {}, gates {:?}, notices {:?}",
        shown["state"],
        shown["drySha"],
        shown["running"]["verified"],
        shown["taken"]["sha"],
        shown["hold"]["words"],
        shown["rollback"]["reason"],
        shown["pullRequest"]["number"],
        shown["drift"],
        words("gates"),
        words("notices"),
    )
}

/// Says whether our newest status about a hold holds an environment.
pub(super) fn is_held(forge: &Repository, environment: &str) -> bool {
    let head = forge.branch(&format!("env/{environment}")).unwrap_or_default();
    newest(forge, head, &format!("hydromote/hold/{environment}")).is_some_and(|state| state != StatusState::Success)
}

/// Returns the newest state of a key of ours on a commit.
fn newest(forge: &Repository, sha: &str, key: &str) -> Option<StatusState> {
    let mut ours = forge.statuses.iter().rev();
    ours.find(|status| status.sha == sha && status.context == key && status.creator == BOT).map(|status| status.state)
}

/// Returns the pull requests with their ends, and whether any has two comments of ours.
fn pulls(forge: &Repository) -> Vec<String> {
    let mut facts: Vec<String> = forge
        .pulls
        .values()
        .map(|pull| {
            let ours = forge.comments.iter().filter(|one| one.number == pull.number && one.author == BOT).count();
            let end = match pull.state {
                PullState::Open => "is open",
                PullState::Closed => "was closed",
                PullState::Merged => "was merged",
            };
            format!("into {} {end}: {}; more than one comment of ours: {}", pull.base, pull.title, ours > 1)
        })
        .collect();
    facts.sort();
    facts
}

/// Writes subjects for dry SHAs, and a word for the forge's address.
fn in_words(text: &str, forge: &str, dry: &[(String, String)]) -> String {
    dry.iter().fold(text.replace(forge, "(forge)"), |text, (sha, subject)| {
        text.replace(sha, subject).replace(&sha[..7], subject)
    })
}
