//! What it takes to read a long history back, when the database is lost.
//!
//! The history is made by the product's own composing code and by merges on the local forge, as the service makes
//! them, without the waits between: it is as long as that of a year, and all of today.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use git2::{Oid, Repository};
use hydromote::{
    domain::{
        content::Content,
        hydration::RootInfo,
        ids::{DrySha, EnvironmentName, LaneName, Place, RootName, StrategyName},
    },
    git::{
        compose::{self, Composition},
        history,
        metadata::Origin,
        trailers::Trailers,
        tree,
    },
    local_forge::{MergeMethod, MergeOrder, NewPull, StatusState},
    messages::{Changes, DryText, Messages, PromotionText},
};

use super::{
    cost::{Cost, Meter},
    shop::ENVIRONMENTS,
};
use crate::world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult, World, everywhere};

/// After how many promotions the database is lost: a month, and a year.
const LENGTHS: [usize; 2] = [150, 2_000];
/// After how many dry commits the forge puts its objects into one pack, as forges do.
const REPACKED: usize = 50;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: `make bench-recovery`"]
async fn a_year_is_read_back() -> TestResult {
    let mut world = World::with_environments(&ENVIRONMENTS).await?;
    world.healthy_all(&ENVIRONMENTS).await?;
    let past = Past { manifest: world.file("env/dev", "shop/manifest.yaml").await?.ok_or("nothing runs in dev")? };
    let mut report = String::new();
    let mut lived = 1;
    for promotions in LENGTHS {
        world.stop().await;
        world.forge.lose_webhooks(u32::MAX);
        while lived * ENVIRONMENTS.len() < promotions {
            lived += 1;
            past.promote(&mut world, lived).await?;
            if lived.is_multiple_of(REPACKED) {
                repack(&world.forge.git_dir(REPOSITORY)?)?;
            }
        }
        world.forge.lose_webhooks(0);
        let before = world.calls();
        let meter = Meter::start()?;
        world.restart_without_database().await?;
        world.come_to_rest().await?;
        tell(&mut report, lived * ENVIRONMENTS.len(), meter.read()?, &before, &world.calls())?;
        let board = world.board().await?;
        let expected = ENVIRONMENTS.map(|environment| format!("{environment:<8} commit {lived}, is verified"));
        if board != expected.join("\n") {
            return Err(format!("it is not as it was:\n{board}\n{report}").into());
        }
    }
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-recovery.txt"), report)?;
    Ok(())
}

fn tell(
    report: &mut String,
    promotions: usize,
    cost: Cost,
    before: &BTreeMap<String, usize>,
    after: &BTreeMap<String, usize>,
) -> TestResult {
    let (wall, processor) = (cost.wall.as_secs_f64(), cost.processor.as_secs_f64());
    let calls: Vec<(&String, usize)> = after
        .iter()
        .filter(|(name, _)| name.contains('/'))
        .map(|(name, count)| (name, count - before.get(name).unwrap_or(&0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let all: usize = calls.iter().map(|(_, count)| count).sum();
    writeln!(report, "{promotions} promotions: at rest after {wall:.1} s, {processor:.1} s of processor, {all} calls")?;
    for (name, count) in calls {
        writeln!(report, "{count:>8}  {name}")?;
    }
    Ok(())
}

/// What every promotion of the past has in common.
struct Past {
    /// What runs in an environment, as it was rendered from the version `v1`.
    manifest: String,
}

impl Past {
    /// Pushes a dry commit and promotes it through every environment.
    async fn promote(&self, world: &mut World, number: usize) -> TestResult {
        let version = format!("v{number}");
        let dry = DrySha::new(world.push_dry(&format!("commit {number}"), everywhere(&version)).await?)?;
        for environment in ENVIRONMENTS {
            self.propose(&world.forge.git_dir(REPOSITORY)?, environment, &dry, &self.manifest.replace("v1", &version))?;
        }
        world.forge.refresh(REPOSITORY, BOT).await?;
        for environment in ENVIRONMENTS {
            let (head, base) = (format!("env/{environment}-next"), format!("env/{environment}"));
            let new = NewPull { head, base, title: format!("Promote {number}"), ..NewPull::default() };
            let bot = world.forge.as_user(BOT);
            let pull = bot.open_pull_request(REPOSITORY, new).await?;
            let order = MergeOrder {
                method: MergeMethod::Merge,
                message: Some(trailers(&dry, environment)?.render()),
                ..MergeOrder::default()
            };
            let merged = bot.merge(REPOSITORY, pull, order).await?;
            let success = StatusState::Success;
            world.forge.as_user(DEVELOPER).report_status(REPOSITORY, &merged, "health", success).await?;
            bot.report_status(REPOSITORY, &merged, "hydromote/verified", success).await?;
        }
        Ok(())
    }

    /// Moves the proposed branch of an environment to what a dry commit renders to.
    fn propose(&self, forge: &Path, environment: &str, dry: &DrySha, manifest: &str) -> TestResult {
        let git = Repository::open_bare(forge)?;
        let parent = git.refname_to_id(&format!("refs/heads/env/{environment}"))?;
        let owned = tree::owned(&git, git.find_commit(parent)?.tree_id())?;
        let files = BTreeMap::from([("manifest.yaml".to_owned(), manifest.as_bytes().to_vec())]);
        let root = RootName::new("shop")?;
        let labels = BTreeMap::from([("environment".to_owned(), environment.to_owned())]);
        let info = RootInfo { commands: Vec::new(), renderer: "plain".to_owned(), labels };
        let content: Content = [(root.clone(), compose::write_rendering(&git, &files)?)].into_iter().collect();
        let written = history::dry_commit(&git, dry)?;
        let text = PromotionText {
            dry: DryText::new(dry, &written.subject, &written.author),
            place: Place { environment: EnvironmentName::new(environment)?, lane: LaneName::single() },
            changes: Changes::between(&owned.content, &content),
            parts: Vec::new(),
            renderers: Vec::new(),
        };
        let trailers = trailers(dry, environment)?;
        let composition = Composition {
            parent: Some(parent),
            content,
            roots: BTreeMap::from([(root.clone(), info)]),
            dry: written,
            origin: trailers.origin.clone(),
            repo_url: "https://forge.example.com/acme/shop".to_owned(),
            readmes: BTreeMap::from([(root, format!("Rendered from {dry}.\n"))]),
            taken_over: BTreeSet::new(),
            is_undivided: true,
            dry_of: Default::default(),
            others: Default::default(),
        };
        let message = Messages::built_in().commit(&text, &trailers.render())?;
        let commit = compose::compose_commit(&git, &owned, &composition, &message)?.commit;
        move_branch(&git, &format!("refs/heads/env/{environment}-next"), commit)
    }
}

fn trailers(dry: &DrySha, environment: &str) -> Fallible<Trailers> {
    let (strategy, environment) = (StrategyName::new("shop")?, EnvironmentName::new(environment)?);
    Ok(Trailers::of_promotion(dry.clone(), Origin { strategy, environment, lane: LaneName::single() }))
}

fn move_branch(git: &Repository, name: &str, to: Oid) -> TestResult {
    git.reference(name, to, true, "pushed")?;
    Ok(())
}

fn repack(git_dir: &Path) -> TestResult {
    #[expect(clippy::disallowed_methods, reason = "the forge keeps its repository in order by itself")]
    let mut git = std::process::Command::new("git");
    let done = git.arg("--git-dir").arg(git_dir).args(["repack", "-adq"]).status()?;
    if done.success() { Ok(()) } else { Err("git could not repack".into()) }
}
