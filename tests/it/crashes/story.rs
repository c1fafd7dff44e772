//! What every story is told with: who acts in it, and what they wait for.
//!
//! They behave like people and machines do: health is reported by what runs, a command that was not acknowledged is
//! given again, and a service that died is started again. An approval is given once: the forge has it, and whoever
//! gave it has gone.
//!
//! A *place* is an environment, or one lane of it: `dev`, `dev/shop`.

use std::{
    os::unix::process::ExitStatusExt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use git2::{Oid, Signature, Time, build::TreeUpdateBuilder};
use hydromote::{
    crash::Act,
    local_forge::{Observed, Observer, PullRequest, PullState, ReviewState, StatusState},
};
use serde_json::{Value, json};

use super::{chain, lanes, runs::Acts};
use crate::{
    ends::{self, Scene},
    program::{Served, Site, Start, forget},
    world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult, config},
};

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

/// Which story is played, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plot {
    Chain(chain::Length),
    Lanes(lanes::Length),
}

impl Plot {
    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chain(_) => "chain",
            Self::Lanes(_) => "lanes",
        }
    }

    /// Returns how many times of an act on one thing are disturbed, where more were done. A long story, in which each
    /// lane has its own branches and keys, does everything on many things.
    pub(super) fn times(self) -> usize {
        match self {
            Self::Chain(_) => 3,
            Self::Lanes(_) => 2,
        }
    }
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
    pub(super) site: Site,
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
    pub(super) async fn play(point: &'a str, kept: Kept, plot: Plot, expected: Option<&[String]>) -> Fallible<Told> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let site = Site::observed(Some(recorder(writes.clone()))).await?;
        let served = start(&site, Some(point)).await?;
        let mut story = Self { site, served, point, kept, deaths: 0, log: String::new(), dry: Vec::new() };
        match story.tell(plot, expected).await {
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

    async fn tell(&mut self, plot: Plot, expected: Option<&[String]>) -> Fallible<Vec<String>> {
        let environments: &[&str] = match plot {
            Plot::Chain(length) => {
                chain::tell(self, length).await?;
                &chain::ENVIRONMENTS
            }
            Plot::Lanes(length) => {
                lanes::tell(self, length).await?;
                &lanes::ENVIRONMENTS
            }
        };
        self.come_to_rest(environments, expected).await
    }

    /// Asks until there is an answer; starts the service again when it was killed.
    pub(super) async fn until<T>(
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
            let held = ends::is_held(&site.forge.repository(REPOSITORY).await?, place);
            Ok((shown["hold"].is_null() && shown["rollback"].is_null() && !held).then_some(()))
        })
        .await
    }

    /// Waits until a pull request in a place's name says this in its title, and our status is on its head.
    pub(super) async fn is_proposed(&mut self, place: &str, title: &str) -> Fallible<PullRequest> {
        let key = format!("hydromote/{place}");
        let dry = self.dry.clone();
        self.until(&format!("{title} is proposed for {place}"), async |site: &Site, _: &Served| {
            let forge = site.forge.repository(REPOSITORY).await?;
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
            let pulls = site.forge.pull_requests(REPOSITORY).await?;
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
            let statuses = site.forge.statuses(REPOSITORY, &pull.head_sha).await?;
            if statuses.iter().any(|one| one.context == key) {
                return Ok(Some(()));
            }
            if told.as_ref() != Some(&served.url) && served.strategy().await?.is_some() {
                site.forge.as_user(DEVELOPER).comment(REPOSITORY, pull.number, "/promote").await?;
                told = Some(served.url.clone());
            }
            Ok(None)
        })
        .await
    }

    /// Approves what is proposed in a place's name.
    pub(super) async fn approve(&mut self, place: &str, title: &str) -> TestResult {
        let pull = self.is_proposed(place, title).await?;
        self.site.forge.as_user(DEVELOPER).review(REPOSITORY, pull.number, ReviewState::Approved, "").await?;
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

    /// Waits until nothing is left to do, and the end is the expected one or stays another; returns it.
    async fn come_to_rest(&mut self, environments: &[&str], expected: Option<&[String]>) -> Fallible<Vec<String>> {
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
                let history = served.api(&format!("{ROUTES}/history")).await?;
                let (forge, dry) = (&site.forge, dry.as_slice());
                let scene = Scene { forge, environments, dry, strategy: &strategy, history: &history };
                ends::read(scene).await?
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

/// Says whether a pull request is open and promotes in a place's name.
fn is_open(pull: &PullRequest, place: &str) -> bool {
    let (environment, lane) = place.split_once('/').unwrap_or((place, ""));
    let of_lane = if lane.is_empty() { String::new() } else { format!("-{lane}") };
    pull.state == PullState::Open && pull.head == format!("env/{environment}-next{of_lane}")
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
