//! Which dry SHA an existing branch counts as.

use git2::Oid;
use serde::Serialize;

use super::{
    super::{
        checkout::Checkout,
        renderer::{Renderer, Rendering},
        strategies::{self, Target},
    },
    Args, View,
};
use crate::{
    cli::output,
    domain::ids::DrySha,
    git::{history, other_hydrator},
    reconcile::hydrate::open_tree,
};

/// How many dry commits are rendered to find what a branch holds.
const SEARCHED: usize = 50;

/// How far a dry SHA that a branch names may be from the head of the dry branch, commits.
const LINE: usize = 5_000;

/// The dry commit, and what it renders to.
pub(super) struct Found {
    pub(super) dry: DrySha,
    pub(super) by: FoundBy,
    pub(super) target: Target,
    pub(super) rendering: Rendering,
}

/// How the dry commit was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FoundBy {
    /// It was given.
    Given,
    /// The metadata of another hydrator names it.
    Metadata,
    /// It is the newest that renders to what is there.
    Search,
}

/// Finds the dry commit; the inner error says why there is none.
pub(super) async fn find(
    checkout: &Checkout,
    renderer: &Renderer<'_>,
    args: &Args,
    target: &Target,
    head: Oid,
) -> anyhow::Result<Result<Found, String>> {
    let tip = checkout.resolve(args.rev.as_deref())?;
    let line = history::first_parents(&checkout.repository()?, &tip, LINE)?;
    if let Some(given) = &args.dry {
        let dry = checkout.resolve(Some(given))?;
        if !line.contains(&dry) {
            return Ok(Err(format!(
                "{} is not on the dry branch: what runs can only count as a commit of the first-parent history of {}",
                dry.short(),
                tip.short()
            )));
        }
        return at(checkout, renderer, args, target, dry, FoundBy::Given).await;
    }
    let claims = claims(checkout, head)?;
    let on_line = claims.iter().find_map(|claim| line.iter().find(|dry| dry.as_str() == claim));
    if let Some(dry) = on_line {
        return at(checkout, renderer, args, target, dry.clone(), FoundBy::Metadata).await;
    }
    if let Some(claim) = claims.first() {
        let short = claim.get(..7).unwrap_or(claim);
        output::progress(format_args!("the branch says it holds {short}, which is not on the dry branch; searching"));
    }
    search(checkout, renderer, args, target, head, &line).await
}

/// Returns the dry SHAs that another hydrator's metadata names, the most telling first.
fn claims(checkout: &Checkout, head: Oid) -> anyhow::Result<Vec<String>> {
    let repository = checkout.repository()?;
    let tree = repository.find_commit(head)?.tree()?;
    let files = crate::git::tree::files(&repository, tree.id())?;
    let mut paths: Vec<&String> =
        files.keys().filter(|path| path.rsplit('/').next() == Some(crate::git::metadata::FILE_NAME)).collect();
    paths.sort_by_key(|path| path.contains('/'));
    Ok(paths
        .into_iter()
        .filter_map(|path| Some(other_hydrator::metadata_at(&repository, &tree, path)?.dry_sha))
        .collect())
}

/// Renders one dry commit; a root that fails is a reason.
async fn at(
    checkout: &Checkout,
    renderer: &Renderer<'_>,
    args: &Args,
    target: &Target,
    dry: DrySha,
    by: FoundBy,
) -> anyhow::Result<Result<Found, String>> {
    let target = target_at(checkout, args, target, &dry).await?;
    let rendering = renderer.render(&dry, &target).await?;
    Ok(match rendering.failures.first() {
        Some(failure) => Err(format!("{} cannot be rendered to compare with: {failure}", dry.short())),
        None => Ok(Found { dry, by, target, rendering }),
    })
}

/// Returns the environment with the sources of a dry commit, or of the strategy as it is now where that
/// commit had none.
async fn target_at(checkout: &Checkout, args: &Args, target: &Target, dry: &DrySha) -> anyhow::Result<Target> {
    let tree = open_tree(checkout.mirror(), dry).await?;
    let then = strategies::read(checkout, &*tree, &args.strategy).unwrap_or_default();
    let then = then.into_iter().find(|strategy| strategy.name == target.strategy.name).and_then(|strategy| {
        let environment = strategy.environment(&target.environment.name)?.clone();
        Some(Target { strategy, environment })
    });
    Ok(then.unwrap_or_else(|| target.clone()))
}

/// Finds the newest dry commit that renders to what is on the branch.
async fn search(
    checkout: &Checkout,
    renderer: &Renderer<'_>,
    args: &Args,
    target: &Target,
    head: Oid,
    line: &[DrySha],
) -> anyhow::Result<Result<Found, String>> {
    let mut nearest: Option<(usize, DrySha)> = None;
    let mut tree_before = None;
    let mut tried = 0;
    for dry in line.iter().take(SEARCHED) {
        let tree = checkout.repository()?.find_commit(Oid::from_str(dry.as_str())?)?.tree_id();
        tried += 1;
        if tree_before.replace(tree) == Some(tree) {
            continue;
        }
        output::progress(format_args!("comparing with {}", dry.short()));
        let Ok(found) = at(checkout, renderer, args, target, dry.clone(), FoundBy::Search).await? else { continue };
        let view = View::of(&checkout.repository()?, head, &found.rendering, &args.take)?;
        match view.distance(&found.rendering) {
            0 if !found.rendering.content.is_empty() => return Ok(Ok(found)),
            distance if nearest.as_ref().is_none_or(|(best, _)| distance < *best) => {
                nearest = Some((distance, dry.clone()));
            }
            _ => {}
        }
    }
    let count = output::counted(tried, "newest dry commit");
    let nearest = nearest.filter(|(distance, _)| *distance < usize::MAX).map(|(distance, dry)| {
        format!("; {} comes nearest, with {}", dry.short(), output::counted(distance, "output folder") + " that differ")
    });
    Ok(Err(format!(
        "none of the {count} renders to what is on the branch{}; name the one that it counts as with `--dry`",
        nearest.unwrap_or_default()
    )))
}
