//! The story of a run: two commits go through three environments, a person promotes, and another commit goes back.
//!
//! People do everything once, as they do it. Whoever waits has the service look until what is waited for is there. Where
//! it comes to rest without that, late webhooks come; where none is left, the timer rings.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hydromote::local_forge::{PullState, Repository, StatusState};
use serde_json::Value;

use super::{calls::Calls, hooks::Hooks, mishaps::Mishaps};
use crate::{
    ends::{self, Scene},
    world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult, World, config, everywhere, strategy},
};

/// How long anything may take to happen.
const WITHIN: Duration = Duration::from_secs(40);
/// How soon a look follows on one that went wrong: the service would wait for a second.
const AGAIN_AFTER: Duration = Duration::from_millis(60);

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
const STRATEGY: [&str; 3] = ["dev, rollback: {automatic: true}", "staging", "prod, autoMerge: false"];

/// A run.
pub(super) struct Run {
    world: World,
    hooks: Arc<Hooks>,
    /// How far it came.
    waits_for: String,
    /// How many webhooks there were.
    heard: usize,
}

/// Plays the story; returns its end.
pub(super) async fn play(mishaps: &Arc<Mishaps>) -> Fallible<Vec<String>> {
    let hooks = Arc::new(Hooks::new(mishaps.clone()));
    let world = World::behind(Arc::new(Calls::new(mishaps.clone())), hooks.clone()).await?;
    let mut run = Run { world, hooks, waits_for: String::new(), heard: 0 };
    let end = match run.tell().await {
        Ok(()) => run.end().await,
        Err(error) => Err(error),
    };
    let troubles = run.hooks.troubles();
    let waits_for = run.waits_for;
    run.world.stop().await;
    match (end, troubles.is_empty()) {
        (Ok(end), true) => Ok(end),
        (Ok(_), false) => Err(troubles.join("\n").into()),
        (Err(error), _) => Err(format!("while it waited until {waits_for}: {error}\n{}", troubles.join("\n")).into()),
    }
}

impl Run {
    async fn tell(&mut self) -> TestResult {
        let mut first = everywhere("v1");
        first.push(("hydromote.yaml".to_owned(), strategy(&STRATEGY)));
        self.world.push_dry("first", first).await?;
        self.goes_through("dev", "v1").await?;
        self.goes_through("staging", "v1").await?;
        self.promote("prod").await?;
        self.goes_through("prod", "v1").await?;
        // The second one fails where it came first, after it was fine and went on; it is proposed nowhere any more.
        self.world.push_dry("second", everywhere("v2")).await?;
        self.goes_through("dev", "v2").await?;
        self.runs("staging", "v2").await?;
        self.is_proposed("prod", "second").await?;
        self.world.report("dev", "health", StatusState::Failure).await?;
        self.runs("dev", "v1").await
    }

    /// Waits until an environment runs a version, reports that it is healthy, and waits until that is taken.
    async fn goes_through(&mut self, environment: &str, version: &str) -> TestResult {
        self.runs(environment, version).await?;
        self.world.healthy(environment).await?;
        self.until(&format!("{version} is verified in {environment}"), async |world: &World| {
            Ok(place(world, environment).await?["running"]["verified"] == true)
        })
        .await
    }

    async fn runs(&mut self, environment: &str, version: &str) -> TestResult {
        let wanted = config(version);
        self.until(&format!("{environment} runs {version}"), async |world: &World| {
            let forge = world.on_forge().await?;
            let branch = format!("env/{environment}");
            let there = forge.branch(&branch).is_some();
            Ok(there && world.file(&branch, "shop/manifest.yaml").await?.as_ref() == Some(&wanted))
        })
        .await
    }

    async fn is_proposed(&mut self, environment: &str, subject: &str) -> TestResult {
        self.until(&format!("{subject} is proposed for {environment}"), async |world: &World| {
            let place = place(world, environment).await?;
            Ok(place["wanted"]["subject"] == subject && place["pullRequest"]["number"].is_u64())
        })
        .await
    }

    /// Promotes by a comment what waits for a person.
    async fn promote(&mut self, environment: &str) -> TestResult {
        self.until(&format!("{environment} waits for a person"), async |world: &World| {
            Ok(place(world, environment).await?["state"] == "needsPerson")
        })
        .await?;
        self.is_proposed(environment, "first").await?;
        let number = self.world.open_pull(environment).await?.number;
        self.world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/promote").await?;
        Ok(())
    }

    /// Has the service look until something is so.
    async fn until(&mut self, what: &str, is_so: impl AsyncFn(&World) -> Fallible<bool>) -> TestResult {
        what.clone_into(&mut self.waits_for);
        let mut ticks = tokio::time::interval(AGAIN_AFTER);
        let begun = tokio::time::Instant::now();
        let mut last = String::new();
        while begun.elapsed() < WITHIN {
            let was_quiet = self.is_quiet().await?;
            let looked = self.world.look().await?;
            if is_so(&self.world).await? {
                return Ok(());
            }
            match looked {
                Ok(()) if !was_quiet || !self.is_quiet().await? => {}
                Ok(()) => {
                    if !self.hooks.hurry().await {
                        self.world.ring_the_timer()?;
                    }
                }
                Err(trouble) => {
                    last = trouble;
                    ticks.tick().await;
                }
            }
        }
        Err(format!("it took too long; the last trouble: {last}").into())
    }

    /// Waits until every webhook was sent; says whether there was none since the last time.
    async fn is_quiet(&mut self) -> Fallible<bool> {
        self.world.forge.webhooks_sent().await;
        let sent = self.world.forge.deliveries(REPOSITORY).await?.len();
        Ok(std::mem::replace(&mut self.heard, sent) == sent)
    }

    /// Waits until nothing is left to do; returns the end.
    async fn end(&mut self) -> Fallible<Vec<String>> {
        loop {
            self.until("nothing is left to do", async |world: &World| {
                let strategy = of_strategy(world).await?;
                Ok(strategy["next"].as_array().is_some_and(Vec::is_empty) && strategy["trouble"].is_null())
            })
            .await?;
            // What nobody has told it yet it reads now.
            let was_late = self.hooks.hurry().await;
            self.world.ring_the_timer()?;
            let looked = self.world.look().await?;
            if looked.is_ok() && !was_late && self.is_quiet().await? {
                break;
            }
        }
        let (strategy, history) = (of_strategy(&self.world).await?, self.world.history().await?);
        let (forge, dry) = (&self.world.forge, self.world.dry_commits());
        let scene =
            Scene { forge, home: REPOSITORY, environments: &ENVIRONMENTS, dry, strategy: &strategy, history: &history };
        let mut facts = ends::read(scene).await?;
        facts.extend(told(&self.world.on_forge().await?));
        let mut facts: Vec<String> = facts.iter().map(|fact| self.world.told_in_words(fact)).collect();
        facts.sort();
        Ok(facts)
    }
}

/// Returns what the service says of the strategy.
async fn of_strategy(world: &World) -> Fallible<Value> {
    Ok(world.api("/strategies").await?["strategies"].get(0).cloned().unwrap_or_default())
}

/// Returns what the service says of an environment.
async fn place(world: &World, environment: &str) -> Fallible<Value> {
    let strategy = of_strategy(world).await?;
    let places = strategy["environments"].as_array().cloned().unwrap_or_default();
    Ok(places.into_iter().find(|place| place["environment"] == environment).unwrap_or_default())
}

/// Returns what the service has said on the forge, and how often it has pushed.
fn told(forge: &Repository) -> Vec<String> {
    let mut facts = Vec::new();
    for pull in forge.pulls.values() {
        let name = format!("{} into {}, {}", pull.head, pull.base, pull.title);
        let mut newest: BTreeMap<&str, String> = BTreeMap::new();
        for status in forge.statuses.iter().filter(|status| status.creator == BOT && status.sha == pull.head_sha) {
            let words = status.description.as_deref().unwrap_or_default();
            newest.insert(&status.context, format!("{:?}, {words}", status.state));
        }
        facts.extend(newest.iter().map(|(key, words)| format!("{name}: {key} is {words}")));
        for comment in forge.comments.iter().filter(|comment| comment.number == pull.number) {
            let reactions: Vec<&str> = comment.reactions.iter().map(|reaction| reaction.content.as_str()).collect();
            facts.push(format!("{name}: {} wrote {:?}, {reactions:?}", comment.author, comment.body));
        }
        if pull.state == PullState::Open {
            facts.push(format!("{name} is open and says {:?}", pull.body));
        }
    }
    let pushes = forge.deliveries.iter().filter(|delivery| delivery.event == "push" && !delivery.redelivery);
    let mut moved: BTreeMap<String, usize> = BTreeMap::new();
    for push in pushes {
        let payload: Value = serde_json::from_str(&push.payload).unwrap_or_default();
        *moved.entry(payload["ref"].to_string()).or_default() += 1;
    }
    facts.extend(moved.iter().map(|(name, times)| format!("{name} was moved {times} times")));
    facts
}
