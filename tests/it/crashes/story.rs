//! The story that every run plays: a first hydration, promotions, a hold, a rollback, a rejection, a fix, and what
//! somebody else does to a branch.
//!
//! Whoever acts in it behaves like people and machines do: health is reported by what runs, a command
//! that was not acknowledged is given again, and a service that died is started again.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use git2::{Oid, Signature, Time, build::TreeUpdateBuilder};
use hydromote::{
    crash::Act,
    local_forge::{CommitFiles, Observed, Observer, PullRequest, PullState, StatusState},
};
use serde_json::{Value, json};

use super::{Acts, end};
use crate::{
    program::{Served, Site, Start},
    world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult, config, everywhere, strategy},
};

/// The environments: what fails in dev goes back by itself; a person promotes to staging.
const ENVIRONMENTS: [&str; 2] = ["dev", "staging"];
const STRATEGY: [&str; 2] = ["dev, rollback: {automatic: true}", "staging, autoMerge: false"];
/// The strategy's routes.
const ROUTES: &str = "/strategies/acme/shop/shop";
/// When the first dry commit was made, seconds; the same in every run, so that dry SHAs are.
const FIRST_COMMIT: i64 = 1_767_225_600;
/// How long anything may take to happen.
const WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long an end stays the same that is taken for the end.
const STAYS: Duration = Duration::from_secs(1);
/// How long one that is not the expected one does: the service has read everything again.
const STAYS_OTHER: Duration = Duration::from_secs(6);
/// What ends a process that nobody can catch.
const SIGKILL: i32 = 9;

/// What is left to a service that is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Everything,
    /// Neither the database nor the data folder.
    Nothing,
}

/// How much of the story is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Up to the hold, which stays.
    Beginning,
    /// The beginning, and then what somebody else does to a branch.
    Drifting,
}

/// A story that was played to its end.
pub(super) struct Told {
    pub(super) end: Vec<String>,
    pub(super) acts: Acts,
    /// Every call that writes: method, path, body.
    pub(super) writes: Vec<(String, String, Value)>,
    pub(super) deaths: usize,
}

/// A story while it is played.
pub(super) struct Story<'a> {
    site: Site,
    served: Served,
    point: &'a str,
    kept: Kept,
    deaths: usize,
    /// What services have logged that are gone.
    log: String,
    dry: Vec<(String, String)>,
}

impl<'a> Story<'a> {
    /// Plays the story; the service is killed at `point`, and started again with what is kept.
    pub(super) async fn play(
        point: &'a str,
        kept: Kept,
        length: Length,
        expected: Option<&[String]>,
    ) -> Fallible<Told> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let site = Site::observed(Some(recorder(writes.clone()))).await?;
        let served = start(&site, Some(point)).await?;
        let mut story = Self { site, served, point, kept, deaths: 0, log: String::new(), dry: Vec::new() };
        match story.tell(length, expected).await {
            Ok(end) => {
                let (_, log) = story.served.terminate().await?;
                story.site.forge.shutdown().await?;
                let writes = writes.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(Told { end, acts: acts(&(story.log + &log))?, writes, deaths: story.deaths })
            }
            Err(error) => {
                Err(format!("{error}\n{}\n(killed {} times)\n{}", story.log, story.deaths, story.served.log()).into())
            }
        }
    }

    async fn tell(&mut self, length: Length, expected: Option<&[String]>) -> Fallible<Vec<String>> {
        self.begin().await?;
        if length == Length::Whole {
            self.go_back().await?;
            self.mend().await?;
        }
        if length != Length::Beginning {
            self.drift().await?;
        }
        self.come_to_rest(expected).await
    }

    /// Two environments are hydrated for the first time; a person promotes before it is time. Then one is held.
    async fn begin(&mut self) -> TestResult {
        let mut first = everywhere("v1");
        first.push(("hydromote.yaml".to_owned(), strategy(&STRATEGY)));
        self.push("first", first).await?;
        self.runs("dev", "v1").await?;
        self.promote("first").await?;
        self.is_fine("dev", "first").await?;
        self.runs("staging", "v1").await?;
        self.is_fine("staging", "first").await?;
        self.command("hold/staging", &json!({"reason": "the database is being moved", "by": "ada"})).await?;
        self.until("the hold is shown", async |_: &Site, served: &Served| {
            let shown = served.environment("staging").await?.unwrap_or_default();
            Ok(shown["hold"].is_object().then_some(()))
        })
        .await
    }

    /// A commit fails after it was fine: it is revoked, goes back by itself, and is closed where it waits. The hold
    /// is taken back.
    async fn go_back(&mut self) -> TestResult {
        self.push("second", everywhere("v2")).await?;
        self.runs("dev", "v2").await?;
        self.is_fine("dev", "second").await?;
        self.is_proposed("staging", "second").await?;
        self.report("dev", StatusState::Failure).await?;
        self.runs("dev", "v1").await?;
        self.nothing_is_open("staging").await?;
        self.is_fine("dev", "first").await?;
        self.command("unhold/staging", &json!({"by": "ada"})).await?;
        self.is_free("staging").await
    }

    /// A fix is proposed, rejected and taken back, and overtaken by another commit before anybody promotes it.
    async fn mend(&mut self) -> TestResult {
        self.push("third", everywhere("v3")).await?;
        self.runs("dev", "v3").await?;
        self.is_fine("dev", "third").await?;
        self.is_free("dev").await?;
        self.is_proposed("staging", "third").await?;
        let third = self.dry.last().map(|(sha, _)| sha.clone()).unwrap_or_default();
        self.command("reject", &json!({"sha": third, "reason": "it loses orders", "by": "ada"})).await?;
        self.nothing_is_open("staging").await?;
        self.command("unreject", &json!({"sha": third, "by": "ada"})).await?;
        self.is_proposed("staging", "third").await?;
        self.push("fourth", everywhere("v4")).await?;
        self.runs("dev", "v4").await?;
        self.is_fine("dev", "fourth").await?;
        self.promote("fourth").await?;
        self.runs("staging", "v4").await?;
        self.is_fine("staging", "fourth").await
    }

    /// Somebody changes what runs in dev: it is restored. They do it again: it is adopted.
    async fn drift(&mut self) -> TestResult {
        let was = self.site.file("dev", "shop/manifest.yaml").await?;
        self.change_by_hand("by-hand").await?;
        self.command("restore/dev", &json!({"reason": "nobody asked for it", "by": "ada"})).await?;
        self.until("dev is restored", async |site: &Site, served: &Served| {
            let shown = served.environment("dev").await?.unwrap_or_default();
            let is_back = site.file("dev", "shop/manifest.yaml").await? == was;
            Ok((is_back && shown["drift"].is_null() && shown["restoredBy"].is_null()).then_some(()))
        })
        .await?;
        self.change_by_hand("hotfix").await?;
        self.command("adopt/dev", &json!({"reason": "it is a hotfix", "by": "ada"})).await?;
        self.until("what is in dev is adopted", async |_: &Site, served: &Served| {
            let shown = served.environment("dev").await?.ok_or("not shown yet")?;
            Ok(shown["drift"].is_null().then_some(()))
        })
        .await
    }

    /// Pushes somebody's change of what runs in dev, and waits until it is shown, here and on the forge.
    async fn change_by_hand(&mut self, version: &str) -> TestResult {
        let files = vec![("shop/manifest.yaml".to_owned(), config(version))];
        let commit = CommitFiles { branch: "env/dev".to_owned(), message: version.to_owned(), files };
        self.site.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
        let head = self.site.branch("dev").await?.ok_or("dev is gone")?;
        self.until(&format!("`{version}` is shown as drift"), async |site: &Site, served: &Served| {
            let shown = served.environment("dev").await?.unwrap_or_default();
            let told = site.forge.statuses(REPOSITORY, &head).await?;
            let is_told = told.iter().any(|status| status.context == "hydromote/drift/dev");
            Ok((shown["driftSha"] == head.as_str() && is_told).then_some(()))
        })
        .await
    }

    /// Asks until there is an answer; starts the service again when it was killed.
    async fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl AsyncFnMut(&Site, &Served) -> Fallible<Option<T>>,
    ) -> Fallible<T> {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        let mut trouble = None;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < WITHIN {
            ticks.tick().await;
            match ask(&self.site, &self.served).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                // Whoever is being killed gives no answer.
                Err(error) => trouble = Some(error.to_string()),
            }
            self.revive().await?;
        }
        let shown = self.served.get("/api/v1/strategies").await.map(|(_, text)| text).unwrap_or_default();
        Err(format!("it took too long until {what} (last trouble: {trouble:?})\n{shown}").into())
    }

    /// Starts the service again when it was killed at its point.
    async fn revive(&mut self) -> TestResult {
        let Some(ended) = self.served.ended()? else { return Ok(()) };
        self.log += &self.served.log();
        if ended.signal() != Some(SIGKILL) || self.deaths > 0 {
            return Err(format!("the service ended with {ended} at {}", self.point).into());
        }
        self.deaths += 1;
        if self.kept == Kept::Nothing {
            forget(self.site.dir.path())?;
        }
        self.served = start(&self.site, None).await?;
        Ok(())
    }

    /// Pushes a commit to the dry branch.
    async fn push(&mut self, subject: &str, files: Vec<(String, String)>) -> TestResult {
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
                change.upsert(path, git.blob(text.as_bytes())?, git2::FileMode::Blob);
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

    /// Reports that an environment is healthy, and waits until that is recorded of what it runs.
    async fn is_fine(&mut self, environment: &str, subject: &str) -> TestResult {
        self.report(environment, StatusState::Success).await?;
        self.until(&format!("{subject} is verified in {environment}"), async |_: &Site, served: &Served| {
            let running = &served.environment(environment).await?.unwrap_or_default()["running"];
            Ok((running["commit"]["subject"] == subject && running["verified"] == true).then_some(()))
        })
        .await
    }

    async fn runs(&mut self, environment: &str, version: &str) -> TestResult {
        let wanted = Some(config(version));
        self.until(&format!("{environment} runs {version}"), async |site: &Site, _: &Served| {
            Ok((site.file(environment, "shop/manifest.yaml").await? == wanted).then_some(()))
        })
        .await
    }

    /// Reports `health` on what runs now, through the service, until it stands on the forge.
    async fn report(&mut self, environment: &str, state: StatusState) -> TestResult {
        let head = self.site.branch(environment).await?.ok_or("nothing runs")?;
        let word = if state == StatusState::Success { "success" } else { "failure" };
        let report = json!({"key": "health", "state": word, "sha": head, "by": "the deployer"});
        self.until(&format!("{environment} is reported as {word}"), async |site: &Site, served: &Served| {
            let statuses = site.forge.statuses(REPOSITORY, &head).await?;
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
    async fn command(&mut self, command: &str, body: &Value) -> TestResult {
        let mut given = 0;
        self.until(&format!("`{command}` is acknowledged"), async |_: &Site, served: &Served| {
            given += 1;
            let (status, words) = served.act(&format!("{ROUTES}/{command}"), body).await?;
            let done = status.is_success() || (given > 1 && status == 409);
            if !done { Err(format!("{status}: {words}").into()) } else { Ok(Some(())) }
        })
        .await
    }

    /// Waits until an environment is neither held nor rolled back, here and on the forge.
    async fn is_free(&mut self, environment: &str) -> TestResult {
        self.until(&format!("{environment} is free"), async |site: &Site, served: &Served| {
            let shown = served.environment(environment).await?.ok_or("not shown yet")?;
            let held = end::is_held(&site.forge.repository(REPOSITORY).await?, environment);
            Ok((shown["hold"].is_null() && shown["rollback"].is_null() && !held).then_some(()))
        })
        .await
    }

    /// Waits until the pull request of an environment promotes a dry commit, and our status is on its head.
    async fn is_proposed(&mut self, environment: &str, subject: &str) -> Fallible<PullRequest> {
        let key = format!("hydromote/{environment}");
        self.until(&format!("{subject} is proposed for {environment}"), async |site: &Site, _: &Served| {
            let forge = site.forge.repository(REPOSITORY).await?;
            let Some(pull) = forge.pulls.values().find(|pull| is_open(pull, environment)) else { return Ok(None) };
            let has_status = forge.statuses.iter().any(|one| one.sha == pull.head_sha && one.context == key);
            Ok((has_status && pull.title.contains(subject)).then(|| pull.clone()))
        })
        .await
    }

    async fn nothing_is_open(&mut self, environment: &str) -> TestResult {
        self.until(&format!("nothing is open for {environment}"), async |site: &Site, _: &Served| {
            let pulls = site.forge.pull_requests(REPOSITORY).await?;
            Ok((!pulls.iter().any(|pull| is_open(pull, environment))).then_some(()))
        })
        .await
    }

    /// Promotes to staging by a comment, until that is accepted: again to each service that has not heard of it.
    async fn promote(&mut self, subject: &str) -> TestResult {
        let pull = self.is_proposed("staging", subject).await?;
        let mut told = None;
        self.until(&format!("{subject} is accepted for staging"), async |site: &Site, served: &Served| {
            let statuses = site.forge.statuses(REPOSITORY, &pull.head_sha).await?;
            if statuses.iter().any(|one| one.context == "hydromote/promote/staging") {
                return Ok(Some(()));
            }
            if told.as_ref() != Some(&served.url) && served.environment("staging").await?.is_some() {
                site.forge.as_user(DEVELOPER).comment(REPOSITORY, pull.number, "/promote").await?;
                told = Some(served.url.clone());
            }
            Ok(None)
        })
        .await
    }

    /// Waits until nothing is left to do, and the end is the expected one or stays another; returns it.
    async fn come_to_rest(&mut self, expected: Option<&[String]>) -> Fallible<Vec<String>> {
        let dry = self.dry.clone();
        let (mut last, mut since) = (Vec::new(), tokio::time::Instant::now());
        // Without its database the service leaves what it said on pull requests that have ended.
        let may_leave = self.deaths > 0 && self.kept == Kept::Nothing;
        self.until("everything is at rest", async |site: &Site, served: &Served| {
            let strategy = served.strategy().await?.ok_or("not shown yet")?;
            let forge = site.forge.repository(REPOSITORY).await?;
            let ours: Vec<_> = forge.comments.iter().filter(|one| one.author == BOT).collect();
            let answered = may_leave || (!ours.is_empty() && ours.iter().all(|one| one.body.contains("has ended")));
            let at_rest = strategy["next"].as_array().is_some_and(Vec::is_empty) && strategy["trouble"].is_null();
            let open = forge.pulls.values().any(|pull| pull.state == PullState::Open);
            let end = if at_rest && answered && !open {
                end::read(site, served, &ENVIRONMENTS, &dry).await?
            } else {
                Vec::new()
            };
            if end != last {
                (last, since) = (end, tokio::time::Instant::now());
            }
            let stays = if expected.is_some() { STAYS_OTHER } else { STAYS };
            let is_it = expected == Some(last.as_slice()) || since.elapsed() > stays;
            Ok((is_it && !last.is_empty()).then(|| last.clone()))
        })
        .await
    }
}

fn is_open(pull: &PullRequest, environment: &str) -> bool {
    pull.state == PullState::Open && pull.base == format!("env/{environment}")
}

/// Starts the service, and has the forge tell it what happens.
async fn start(site: &Site, point: Option<&str>) -> Fallible<Served> {
    // A machine that plays two stories at once may be slow; nothing here is about time limits.
    let mut environment = vec![("HYDROMOTE__LIMITS__FORGE_TIMEOUT", "20s")];
    environment.extend(point.map(|point| ("HYDROMOTE_CRASH", point)));
    let served = site.serve(Start { poll: "2s", environment: &environment, ..Start::default() }).await?;
    site.tell(&served).await?;
    Ok(served)
}

/// Loses everything that the service has written.
fn forget(dir: &Path) -> TestResult {
    std::fs::remove_dir_all(dir.join("data"))?;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hydromote.db")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Returns an observer that remembers every call that writes.
fn recorder(writes: Arc<Mutex<Vec<(String, String, Value)>>>) -> Observer {
    Arc::new(move |observed| {
        if let Observed::Exchange(exchange) = observed
            && exchange.method != "GET"
        {
            let write =
                (exchange.method.clone(), exchange.path.clone(), exchange.request_body.clone().unwrap_or_default());
            writes.lock().unwrap_or_else(PoisonError::into_inner).push(write);
        }
    })
}

/// Reads from a log how often each act was passed.
fn acts(log: &str) -> Fallible<Acts> {
    let mut acts = Acts::new();
    for line in log.lines() {
        let Some((_, told)) = line.split_once("fail point: ") else { continue };
        let mut words = told.splitn(4, ' ');
        let (name, on) = (words.next().unwrap_or_default(), words.nth(2).unwrap_or_default());
        let act = Act::ALL.iter().find(|act| act.name() == name).ok_or_else(|| format!("not an act: {line}"))?;
        *acts.entry((*act, on.trim().to_owned())).or_default() += 1;
    }
    Ok(acts)
}
