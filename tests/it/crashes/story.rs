//! What every story is played with; who acts in it is in [`acting`](super::acting).

use std::{
    os::unix::process::ExitStatusExt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hydromote::{
    crash::Act,
    local_forge::{Observed, Observer, PullState},
};
use serde_json::Value;

use super::{chain, elsewhere, lanes, runs::Acts};
use crate::{
    ends::{self, Scene},
    program::{Served, Site, Start, forget},
    world::{BOT, Fallible, REPOSITORY, TestResult, home::ENVIRONMENTS},
};

/// The strategy's routes.
pub(super) const ROUTES: &str = "/strategies/acme/shop/shop";
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
    Elsewhere(elsewhere::Length),
}

impl Plot {
    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chain(_) => "chain",
            Self::Lanes(_) => "lanes",
            Self::Elsewhere(_) => "elsewhere",
        }
    }

    /// Returns the repository with its environments.
    fn home(self) -> &'static str {
        if matches!(self, Self::Elsewhere(_)) { ENVIRONMENTS } else { REPOSITORY }
    }

    /// Returns how many times of an act on one thing are disturbed, where more were done. A long story, in which each
    /// lane has its own branches and keys, does everything on many things.
    pub(super) fn times(self) -> usize {
        match self {
            Self::Chain(_) => 3,
            Self::Lanes(_) | Self::Elsewhere(_) => 2,
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
    pub(super) dry: Vec<(String, String)>,
}

impl<'a> Story<'a> {
    /// Plays the story; the service is killed at `point`, and started again with what is kept.
    pub(super) async fn play(point: &'a str, kept: Kept, plot: Plot, expected: Option<&[String]>) -> Fallible<Told> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let site = Site::with_home(plot.home(), Some(recorder(writes.clone()))).await?;
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
            Plot::Elsewhere(length) => {
                elsewhere::tell(self, length).await?;
                &elsewhere::ENVIRONMENTS
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

    /// Waits until nothing is left to do, and the end is the expected one or stays another; returns it.
    async fn come_to_rest(&mut self, environments: &[&str], expected: Option<&[String]>) -> Fallible<Vec<String>> {
        let dry = self.dry.clone();
        let (mut last, mut since) = (Vec::new(), tokio::time::Instant::now());
        // Without its database the service leaves what it said on pull requests that have ended.
        let may_leave = self.deaths > 0 && self.kept == Kept::Nothing;
        self.until("everything is at rest", async |site: &Site, served: &Served| {
            let strategy = served.strategy().await?.ok_or("not shown yet")?;
            let forge = site.forge.repository(site.home).await?;
            let ours: Vec<_> = forge.comments.iter().filter(|one| one.author == BOT).collect();
            let answered = may_leave || (!ours.is_empty() && ours.iter().all(|one| one.body.contains("has ended")));
            let at_rest = strategy["next"].as_array().is_some_and(Vec::is_empty) && strategy["trouble"].is_null();
            let open = forge.pulls.values().any(|pull| pull.state == PullState::Open);
            let end = if at_rest && answered && !open {
                let history = served.api(&format!("{ROUTES}/history")).await?;
                let (forge, dry) = (&site.forge, dry.as_slice());
                let scene = Scene { forge, home: site.home, environments, dry, strategy: &strategy, history: &history };
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
