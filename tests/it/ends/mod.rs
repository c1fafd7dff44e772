//! The end of a story: what must be the same, however often the service was killed or its forge failed.
//!
//! Compared, all as text: each active branch, as [`branch`] reads it; what the service says of each
//! place (what runs, what was taken, hold, rollback, pull request, gates, notices); the promotions and rollbacks that
//! it remembers of each lane; the pull requests with their ends; holds on the forge; and that no pull request has two
//! comments of ours.
//!
//! Left out: ids, numbers and times, which nobody promises; commit ids on environment branches, which
//! hold times; the text of comments, which says how a command was answered, and one whose fate is not
//! known after a crash is answered otherwise; and how often a status was posted. People's comments are
//! left out, for they write again when nothing comes of one.

mod branch;

use hydromote::local_forge::{LocalForge, PullState, Repository, StatusState};
use serde_json::Value;

use crate::world::{BOT, Fallible};

/// What a story leaves behind.
pub(crate) struct Scene<'a> {
    pub(crate) forge: &'a LocalForge,
    /// The repository with the environments.
    pub(crate) home: &'a str,
    pub(crate) environments: &'a [&'a str],
    /// Dry commits with their subjects.
    pub(crate) dry: &'a [(String, String)],
    /// What the service says of the strategy now.
    pub(crate) strategy: &'a Value,
    /// What the service remembers of it.
    pub(crate) history: &'a Value,
}

/// Returns the end of a story, a fact a line.
pub(crate) async fn read(scene: Scene<'_>) -> Fallible<Vec<String>> {
    let Scene { forge, home, environments, dry, strategy, history } = scene;
    let (git, address) = (forge.git_dir(home), forge.url());
    let forge = forge.repository(home).await?;
    let mut facts = Vec::new();
    for environment in environments {
        facts.extend(branch::read(&git, &forge, environment)?);
    }
    for shown in strategy["environments"].as_array().ok_or("no place is shown")? {
        let place = shown["place"].as_str().unwrap_or_default();
        facts.push(format!("{place} is shown as {}", standing(shown)));
        facts.push(format!("{place} is held on the forge: {}", is_held(&forge, place)));
    }
    facts.extend(remembered(history));
    facts.extend(pulls(&forge));
    Ok(facts.iter().map(|fact| in_words(fact, address, dry)).collect())
}

/// Returns what only one of two ends says, or nothing.
pub(crate) fn difference(expected: &[String], end: &[String]) -> Option<String> {
    let lacks = expected.iter().filter(|fact| !end.contains(fact)).map(|fact| format!("- {fact}"));
    let more = end.iter().filter(|fact| !expected.contains(fact)).map(|fact| format!("+ {fact}"));
    let lines: Vec<String> = lacks.chain(more).collect();
    match lines.is_empty() {
        true if expected == end => None,
        true => Some(format!("the same facts in another order or number: {expected:#?}\n{end:#?}")),
        false => Some(lines.join("\n")),
    }
}

/// Returns what the service says of a place, without times and ids.
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

/// Returns the promotions and rollbacks that the service remembers.
fn remembered(history: &Value) -> Vec<String> {
    let list = |name: &str| history[name].as_array().cloned().unwrap_or_default();
    let promotions = list("promotions").into_iter().map(|one| {
        let (environment, lane, commit) = (&one["environment"], &one["lane"], &one["commit"]["sha"]);
        format!("remembered: {environment} in {lane} got {commit}")
    });
    let rollbacks = list("rollbacks").into_iter().map(|one| {
        let (environment, lane, trigger) = (&one["environment"], &one["lane"], &one["trigger"]);
        let (from, to, reason) = (&one["from"]["sha"], &one["to"]["sha"], &one["reason"]);
        format!("remembered: {environment} in {lane} went back from {from} to {to}, {trigger}: {reason}")
    });
    let mut facts: Vec<String> = promotions.chain(rollbacks).collect();
    facts.sort();
    facts
}

/// Says whether our newest status about a hold holds a place.
pub(crate) fn is_held(forge: &Repository, place: &str) -> bool {
    let head = forge.branch(&format!("env/{}", environment_of(place))).unwrap_or_default();
    newest_of(forge, &[head], &format!("hydromote/hold/{place}")).is_some_and(|state| state != StatusState::Success)
}

/// Returns the environment of a place.
pub(crate) fn environment_of(place: &str) -> &str {
    place.split_once('/').map_or(place, |(environment, _)| environment)
}

/// Returns the newest state of a key of ours on any of these commits.
pub(crate) fn newest_of(forge: &Repository, commits: &[&str], key: &str) -> Option<StatusState> {
    let is_it = |sha: &str, context: &str| commits.contains(&sha) && context == key;
    let mut ours = forge.statuses.iter().rev().filter(|status| status.creator == BOT);
    ours.find(|status| is_it(&status.sha, &status.context)).map(|status| status.state)
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
            format!(
                "{} into {} {end}: {}; more than one comment of ours: {}",
                pull.head,
                pull.base,
                pull.title,
                ours > 1
            )
        })
        .collect();
    facts.sort();
    facts
}

/// Writes subjects for dry SHAs, and a word for the forge's address.
pub(crate) fn in_words(text: &str, forge: &str, dry: &[(String, String)]) -> String {
    dry.iter().fold(text.replace(forge, "(forge)"), |text, (sha, subject)| {
        text.replace(sha, subject).replace(&sha[..7], subject)
    })
}
