//! What people and machines do in every story, and what they wait for.
//!
//! They behave as they do in life: health is reported by what runs, a command that was not acknowledged is given again,
//! and a service that died is started again. An approval is given once: the forge has it, and whoever gave it has gone.
//!
//! A *place* is an environment, or one lane of it: `dev`, `dev/shop`.

use git2::{Oid, Signature, Time, build::TreeUpdateBuilder};
use hydromote::local_forge::{CommitFiles, NewPull, PullRequest, PullState, ReviewState, StatusState};
use serde_json::{Value, json};

use super::story::{ROUTES, Story};
use crate::{
    ends,
    program::{Served, Site},
    world::{DEVELOPER, Fallible, REPOSITORY, TestResult, config},
};

/// When the first dry commit was made, seconds; the same in every run, so that dry SHAs are.
const FIRST_COMMIT: i64 = 1_767_225_600;
/// The file of an environment of plain folders.
const MANIFEST: &str = "shop/manifest.yaml";

impl Story<'_> {
    /// Pushes a commit to the dry branch that changes these files; what has no text is deleted.
    pub(super) async fn push<T: Into<Option<String>>>(&mut self, subject: &str, files: Vec<(String, T)>) -> TestResult {
        let sha = {
            let git = git2::Repository::open_bare(self.site.forge.git_dir(REPOSITORY))?;
            let parent = match self.dry.last() {
                Some((sha, _)) => Some(git.find_commit(Oid::from_str(sha)?)?),
                None => None,
            };
            let base = match &parent {
                Some(parent) => parent.tree()?,
                None => git.find_tree(git.treebuilder(None)?.write()?)?,
            };
            let mut change = TreeUpdateBuilder::new();
            for (path, text) in files {
                match text.into() {
                    Some(text) => change.upsert(path, git.blob(text.as_bytes())?, git2::FileMode::Blob),
                    None => change.remove(path),
                };
            }
            let tree = git.find_tree(change.create_updated(&git, &base)?)?;
            let minutes = i64::try_from(self.dry.len())?;
            let who = Signature::new(DEVELOPER, "developer@example.com", &Time::new(FIRST_COMMIT + 60 * minutes, 0))?;
            let parents: Vec<_> = parent.iter().collect();
            let commit = git.commit(None, &who, &who, subject, &tree, &parents)?;
            git.reference("refs/heads/main", commit, true, "pushed")?;
            commit.to_string()
        };
        self.dry.push((sha, subject.to_owned()));
        Ok(self.site.forge.refresh(REPOSITORY, DEVELOPER).await?)
    }

    /// Returns the dry SHA of a commit, by its subject.
    pub(super) fn dry_sha(&self, subject: &str) -> Fallible<String> {
        let found = self.dry.iter().find(|(_, other)| other == subject);
        Ok(found.ok_or_else(|| format!("no commit is called {subject}"))?.0.clone())
    }

    /// Waits until a place runs what came with a commit.
    pub(super) async fn place_runs(&mut self, place: &str, subject: &str) -> TestResult {
        self.until(&format!("{place} runs {subject}"), async |_: &Site, served: &Served| {
            let running = &served.place(place).await?.unwrap_or_default()["running"];
            Ok((running["commit"]["subject"] == subject).then_some(()))
        })
        .await
    }

    /// Waits until a place has taken a commit, also as one that changes nothing.
    pub(super) async fn has_taken(&mut self, place: &str, subject: &str) -> TestResult {
        self.until(&format!("{place} has taken {subject}"), async |_: &Site, served: &Served| {
            let shown = served.place(place).await?.unwrap_or_default();
            Ok((shown["taken"]["subject"] == subject).then_some(()))
        })
        .await
    }

    /// Waits until it is recorded of what a place runs that it is verified.
    pub(super) async fn is_verified(&mut self, place: &str, subject: &str) -> TestResult {
        self.until(&format!("{subject} is verified in {place}"), async |_: &Site, served: &Served| {
            let running = &served.place(place).await?.unwrap_or_default()["running"];
            Ok((running["commit"]["subject"] == subject && running["verified"] == true).then_some(()))
        })
        .await
    }

    /// Waits until a file stands on an environment's branch with this version, or is gone.
    pub(super) async fn has(&mut self, environment: &str, path: &str, version: Option<&str>) -> TestResult {
        let wanted = version.map(config);
        self.until(&format!("{environment} has {version:?} of {path}"), async |site: &Site, _: &Served| {
            let exists = site.branch(environment).await?.is_some();
            Ok((exists && site.file(environment, path).await? == wanted).then_some(()))
        })
        .await
    }

    /// Reports `health` on what runs now, through the service, until it stands on the forge.
    pub(super) async fn report(&mut self, environment: &str, state: StatusState) -> TestResult {
        let head = self.site.branch(environment).await?.ok_or("nothing runs")?;
        let word = if state == StatusState::Success { "success" } else { "failure" };
        let report = json!({"key": "health", "state": word, "sha": head, "by": "the deployer"});
        self.until(&format!("{environment} is reported as {word}"), async |site: &Site, served: &Served| {
            let statuses = site.forge.statuses(site.home, &head).await?;
            let newest = statuses.iter().filter(|one| one.context == "health").max_by_key(|one| one.id);
            if newest.is_some_and(|newest| newest.state == state) {
                return Ok(Some(()));
            }
            served.act(&format!("{ROUTES}/report"), &report).await?;
            Ok(None)
        })
        .await
    }

    /// Gives a command until it is acknowledged. One that the service took before it died is refused.
    pub(super) async fn command(&mut self, command: &str, body: &Value) -> TestResult {
        let mut given = 0;
        self.until(&format!("`{command}` is acknowledged"), async |_: &Site, served: &Served| {
            given += 1;
            let (status, words) = served.act(&format!("{ROUTES}/{command}"), body).await?;
            let done = status.is_success() || (given > 1 && status == 409);
            if !done { Err(format!("{status}: {words}").into()) } else { Ok(Some(())) }
        })
        .await
    }

    /// Waits until a hold of a place is shown.
    pub(super) async fn is_held(&mut self, place: &str) -> TestResult {
        self.until(&format!("the hold of {place} is shown"), async |_: &Site, served: &Served| {
            let shown = served.place(place).await?.unwrap_or_default();
            Ok(shown["hold"].is_object().then_some(()))
        })
        .await
    }

    /// Waits until a place is neither held nor rolled back, here and on the forge.
    pub(super) async fn is_free(&mut self, place: &str) -> TestResult {
        self.until(&format!("{place} is free"), async |site: &Site, served: &Served| {
            let shown = served.place(place).await?.ok_or("not shown yet")?;
            let held = ends::is_held(&site.forge.repository(site.home).await?, place);
            Ok((shown["hold"].is_null() && shown["rollback"].is_null() && !held).then_some(()))
        })
        .await
    }

    /// Waits until a pull request in a place's name says this in its title, and our status is on its head.
    pub(super) async fn is_proposed(&mut self, place: &str, title: &str) -> Fallible<PullRequest> {
        let key = format!("hydromote/{place}");
        let dry = self.dry.clone();
        self.until(&format!("{title} is proposed for {place}"), async |site: &Site, _: &Served| {
            let forge = site.forge.repository(site.home).await?;
            let Some(pull) = forge.pulls.values().find(|pull| is_open(pull, place)) else { return Ok(None) };
            let has_status = forge.statuses.iter().any(|one| one.sha == pull.head_sha && one.context == key);
            let says = ends::in_words(&pull.title, site.forge.url(), &dry).contains(title);
            Ok((has_status && says).then(|| pull.clone()))
        })
        .await
    }

    /// Waits until no pull request is open in a place's name.
    pub(super) async fn nothing_is_open(&mut self, place: &str) -> TestResult {
        self.until(&format!("nothing is open for {place}"), async |site: &Site, _: &Served| {
            let pulls = site.forge.pull_requests(site.home).await?;
            Ok((!pulls.iter().any(|pull| is_open(pull, place))).then_some(()))
        })
        .await
    }

    /// Promotes to a place by a comment, until that is accepted: again to each service that has not heard of it.
    pub(super) async fn promote(&mut self, place: &str, title: &str) -> TestResult {
        let pull = self.is_proposed(place, title).await?;
        let key = format!("hydromote/promote/{place}");
        let mut told = None;
        self.until(&format!("{title} is accepted for {place}"), async |site: &Site, served: &Served| {
            let statuses = site.forge.statuses(site.home, &pull.head_sha).await?;
            if statuses.iter().any(|one| one.context == key) {
                return Ok(Some(()));
            }
            if told.as_ref() != Some(&served.url) && served.strategy().await?.is_some() {
                site.forge.as_user(DEVELOPER).comment(site.home, pull.number, "/promote").await?;
                told = Some(served.url.clone());
            }
            Ok(None)
        })
        .await
    }

    /// Approves what is proposed in a place's name.
    pub(super) async fn approve(&mut self, place: &str, title: &str) -> TestResult {
        let pull = self.is_proposed(place, title).await?;
        self.site.forge.as_user(DEVELOPER).review(self.site.home, pull.number, ReviewState::Approved, "").await?;
        Ok(())
    }

    /// Waits until a place waits for this kind of gate alone, with this commit.
    pub(super) async fn waits_for(&mut self, place: &str, gate: &str, subject: &str) -> TestResult {
        self.until(&format!("{subject} waits for {gate} in {place}"), async |_: &Site, served: &Served| {
            let shown = served.place(place).await?.unwrap_or_default();
            let gates: Vec<&str> =
                shown["gates"].as_array().into_iter().flatten().filter_map(|one| one["gate"].as_str()).collect();
            Ok((shown["wanted"]["subject"] == subject && gates == [gate]).then_some(()))
        })
        .await
    }

    /// Waits until an environment of plain folders runs a version.
    pub(super) async fn runs(&mut self, environment: &str, version: &str) -> TestResult {
        self.has(environment, MANIFEST, Some(version)).await
    }

    /// Reports that an environment is healthy, and waits until that is recorded of what it runs.
    pub(super) async fn is_fine(&mut self, environment: &str, subject: &str) -> TestResult {
        self.report(environment, StatusState::Success).await?;
        self.is_verified(environment, subject).await
    }

    /// Pushes somebody's change of what runs in an environment, and waits until it is shown, here and on the forge.
    pub(super) async fn changes_by_hand(&mut self, environment: &str, version: &str) -> TestResult {
        let files = vec![(MANIFEST.to_owned(), config(version))];
        let commit = CommitFiles { branch: format!("env/{environment}"), message: version.to_owned(), files };
        self.site.forge.commit_files(self.site.home, DEVELOPER, commit).await?;
        let head = self.site.branch(environment).await?.ok_or("the branch is gone")?;
        let key = format!("hydromote/drift/{environment}");
        self.until(&format!("`{version}` is shown as drift"), async |site: &Site, served: &Served| {
            let shown = served.place(environment).await?.unwrap_or_default();
            let told = site.forge.statuses(site.home, &head).await?;
            let is_told = told.iter().any(|status| status.context == key);
            Ok((shown["driftSha"] == head.as_str() && is_told).then_some(()))
        })
        .await
    }

    /// Has drift in an environment restored, and waits until that is done.
    pub(super) async fn restore(&mut self, environment: &str) -> TestResult {
        let drift = self.site.file(environment, MANIFEST).await?;
        self.command(&format!("restore/{environment}"), &json!({"reason": "nobody asked for it", "by": "ada"})).await?;
        self.until(&format!("{environment} is restored"), async |site: &Site, served: &Served| {
            let shown = served.place(environment).await?.unwrap_or_default();
            let is_back = site.file(environment, MANIFEST).await? != drift;
            Ok((is_back && shown["drift"].is_null() && shown["restoredBy"].is_null()).then_some(()))
        })
        .await
    }

    /// Opens the pull request that the service has prepared for an environment, once it is the one for a commit.
    pub(super) async fn open(&mut self, environment: &str, subject: &str) -> TestResult {
        self.waits_for(environment, "unopened", subject).await?;
        let (head, base) = (format!("env/{environment}-next"), format!("env/{environment}"));
        let new = NewPull { head, base, title: "Ship it".to_owned(), ..NewPull::default() };
        self.site.forge.as_user(DEVELOPER).open_pull_request(self.site.home, new).await?;
        Ok(())
    }
}

/// Says whether a pull request is open and promotes in a place's name.
fn is_open(pull: &PullRequest, place: &str) -> bool {
    let (environment, lane) = place.split_once('/').unwrap_or((place, ""));
    let of_lane = if lane.is_empty() { String::new() } else { format!("-{lane}") };
    pull.state == PullState::Open && pull.head == format!("env/{environment}-next{of_lane}")
}
