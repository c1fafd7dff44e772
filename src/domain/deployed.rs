//! What tools that deploy tell of a commit, on its way to becoming a commit status.
//!
//! - The forge is the record. What a tool tells becomes a status that our own account posts, and whose last words
//!   are a *mark*: which tool told it, and when it said so. By the mark a strategy can ask for what this tool alone
//!   says (`from`), and an older word that arrives late is not put over a newer one.
//! - It is bound to the very commit that the tool names. Whether that commit proves anything for what runs is decided
//!   where all other evidence is.
//! - Each tool, and each cluster and namespace that it names, has a key of its own: no two write over one another.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ids::StatusKey,
    status::{CommitStatus, StatusState},
    unseen::in_one_line,
};

/// The most characters of a description that forges keep.
const DESCRIPTION_LIMIT: usize = 140;

/// A tool that deploys, and tells us what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Argo CD, by its notifications.
    ArgoCd,
    /// Flux, by its notification controller.
    Flux,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 2] = [Self::ArgoCd, Self::Flux];

    /// Returns the word for it in addresses, settings, marks and `from`.
    pub fn word(self) -> &'static str {
        match self {
            Self::ArgoCd => "argocd",
            Self::Flux => "flux",
        }
    }

    /// Returns the tool of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.word() == word)
    }

    /// Returns its name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ArgoCd => "Argo CD",
            Self::Flux => "Flux",
        }
    }

    /// Returns what its keys begin with: what it calls the things that it deploys.
    fn thing(self) -> &'static str {
        match self {
            Self::ArgoCd => "application",
            Self::Flux => "kustomization",
        }
    }
}

/// What a tool says of one thing that it deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// Who says so.
    pub tool: Tool,
    /// Of what: `application/<name>/<where>`, `kustomization/<name>/<where>`.
    pub key: StatusKey,
    /// Of which commit.
    pub sha: String,
    /// What it says.
    pub state: StatusState,
    /// In its words.
    pub words: String,
    /// When it said so.
    pub at: Timestamp,
}

/// Who told a status, and when: its last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub tool: Tool,
    /// When.
    pub at: Timestamp,
}

impl Mark {
    /// Reads the mark at the end of a description. Only our own account's descriptions have one.
    pub fn read(description: &str) -> Option<Self> {
        let (_, inner) = description.strip_suffix(')')?.rsplit_once('(')?;
        let (tool, at) = inner.split_once(", ")?;
        Some(Self { tool: Tool::of(tool)?, at: at.parse().ok()? })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.tool.word(), self.at)
    }
}

impl Deployed {
    /// Returns the description of the status: the tool's words, as many as fit, and the mark.
    pub fn description(&self) -> String {
        let mark = Mark { tool: self.tool, at: self.at }.to_string();
        let words = self.words();
        let room = DESCRIPTION_LIMIT.saturating_sub(mark.chars().count() + 1);
        if words.chars().count() <= room {
            return format!("{words} {mark}").trim_start().to_owned();
        }
        let kept: String = words.chars().take(room.saturating_sub(1)).collect();
        format!("{}… {mark}", kept.trim_end())
    }

    fn words(&self) -> String {
        in_one_line(&self.words).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Says whether the commit's statuses, of which `is_ours` knows those of our account, have this already or something
    /// newer. What was said at the same moment counts in the order in which it arrived.
    pub fn is_old(&self, reports: &[CommitStatus], is_ours: impl Fn(&CommitStatus) -> bool) -> bool {
        let ours = reports.iter().filter(|status| status.key == self.key && is_ours(status));
        let Some(newest) = ours.max_by_key(|status| (status.reported_at, status.id)) else { return false };
        match Mark::read(&newest.description) {
            Some(mark) if mark.at > self.at => true,
            Some(_) => newest.state == self.state,
            None => false,
        }
    }
}

/// Returns the key under which a tool's word on one thing stands; `cluster` may be empty.
///
/// It has three segments: what the tool calls such a thing, its name, and where it is (`<cluster>.<namespace>`, or the
/// namespace alone). Nothing when a part cannot stand in a segment.
pub fn key(tool: Tool, name: &str, cluster: &str, namespace: &str) -> Option<StatusKey> {
    let is_segment = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        !text.is_empty() && text.len() <= 100 && text.chars().all(is_plain)
    };
    let place = if cluster.is_empty() { namespace.to_owned() } else { format!("{cluster}.{namespace}") };
    let is_good = [name, namespace].into_iter().all(is_segment) && (cluster.is_empty() || is_segment(cluster));
    StatusKey::new(format!("{}/{name}/{place}", tool.thing())).ok().filter(|_| is_good)
}

/// Returns the commit that a revision names: `main@sha1:…`, `sha1:…`, `main/…`, or the id alone. Nothing where it names
/// something else, such as the version of a chart or the digest of an artifact.
pub fn commit_of(revision: &str) -> Option<String> {
    let id = match revision.rsplit_once(':') {
        Some((before, id)) => {
            let algorithm = before.rsplit('@').next().unwrap_or(before);
            let length = match algorithm {
                "sha1" => 40,
                // A git repository may have ids of this length too; a digest of an artifact names no commit of it.
                "sha256" => 64,
                _ => return None,
            };
            Some(id).filter(|id| id.len() == length)?
        }
        None => revision.rsplit('/').next().filter(|id| matches!(id.len(), 40 | 64))?,
    };
    id.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::StatusSource;

    const SHA: &str = "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a time")
    }

    fn told(state: StatusState, second: i64) -> Deployed {
        let key = key(Tool::Flux, "web", "", "flux-system").expect("a key");
        Deployed { tool: Tool::Flux, key, sha: SHA.into(), state, words: "it runs".into(), at: at(second) }
    }

    fn posted(deployed: &Deployed, id: u64) -> CommitStatus {
        CommitStatus {
            key: deployed.key.clone(),
            state: deployed.state,
            source: StatusSource::Status,
            reported_at: at(100),
            id,
            description: deployed.description(),
            creator: Some(1),
            reporter: None,
        }
    }

    #[test]
    fn a_revision_names_a_commit_or_none() {
        for revision in [
            SHA.to_owned(),
            SHA.to_uppercase(),
            format!("main@sha1:{SHA}"),
            format!("refs/heads/env/dev@sha1:{SHA}"),
            format!("sha1:{SHA}"),
            format!("env/dev/{SHA}"),
        ] {
            assert_eq!(commit_of(&revision).as_deref(), Some(SHA), "{revision}");
        }
        let chart = ["", "6.5.4", "main", "main@sha1:731f7ea", "latest@sha512:00", "main@sha1:", "env/dev", "v1:x"];
        for revision in chart {
            assert_eq!(commit_of(revision), None, "{revision}");
        }
    }

    #[test]
    fn a_key_says_what_and_where_and_nothing_can_make_it_another() {
        let key = |name, cluster, namespace| key(Tool::ArgoCd, name, cluster, namespace).map(|key| key.to_string());
        assert_eq!(key("shop", "", "argocd").as_deref(), Some("application/shop/argocd"));
        assert_eq!(key("shop", "eu-1", "argocd").as_deref(), Some("application/shop/eu-1.argocd"));
        for name in ["", "a/b", "a b", "a\nb", "*", "{x}"] {
            assert_eq!(key(name, "", "argocd"), None, "{name}");
        }
        assert_eq!(key("shop", "eu/1", "argocd"), None);
        assert_eq!(key("shop", "", ""), None);
    }

    #[test]
    fn a_description_is_the_words_and_the_mark_however_long_they_are() {
        let short = told(StatusState::Success, 0);
        assert_eq!(short.description(), "it runs (flux, 2023-11-14T22:13:20Z)");
        let long = Deployed { words: "many\nwords ".repeat(50), ..short.clone() };
        let length = long.description().chars().count();
        assert!((DESCRIPTION_LIMIT - 6..=DESCRIPTION_LIMIT).contains(&length), "{length}");
        let silent = Deployed { words: String::new(), ..short };
        for deployed in [long, silent] {
            assert_eq!(Mark::read(&deployed.description()), Some(Mark { tool: Tool::Flux, at: at(0) }));
        }
        for other in ["", "it runs", "it runs (flux)", "(jenkins, 2023-11-14T22:13:20Z)", "(flux, yesterday)"] {
            assert_eq!(Mark::read(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_late_or_said_again_is_old_and_a_change_is_not() {
        let (success, failure) = (told(StatusState::Success, 10), told(StatusState::Failure, 20));
        let ours = |status: &CommitStatus| status.creator == Some(1);
        assert!(!success.is_old(&[], ours));
        let known = [posted(&success, 1), posted(&failure, 2)];
        assert!(failure.is_old(&known, ours), "it was said already");
        assert!(success.is_old(&known, ours), "it is late");
        assert!(
            !told(StatusState::Success, 20).is_old(&known, ours),
            "it was said in the same second, and arrived later"
        );
        assert!(!told(StatusState::Success, 30).is_old(&known, ours));
        assert!(!failure.is_old(&known, |_| false), "what others say under our key is no word of the tool");
    }
}
