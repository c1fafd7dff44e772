//! Observes and merges bundles: what all lanes of an environment propose in one pull request.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    LookError,
    apply::Applier,
    closed_pull_requests::CLOSED_BY_US,
    context::StrategyContext,
    forge_view::ForgeView,
    keys::own_status_key,
    merging::Through,
    observe::{self, At, Head},
};
use crate::{
    domain::{
        bundle::{self, Bundle, BundleDecision, Step},
        decision::Decision,
        ids::{
            ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, TreeId,
        },
        lane::LaneBranch,
        snapshot::{OpenPullRequest, PostedStatus, Proposal},
        status::StatusState,
        strategy::Environment,
    },
    forge::{ForgeError, Merge, PullRequest, PullRequestState},
    git::{history, trailers::Trailers},
};

/// How many lanes stand in the subject of a merge.
const LANES_NAMED: usize = 8;

/// Reads what is proposed for all lanes of an environment.
pub(super) async fn observe(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
) -> Result<Bundle, LookError> {
    let branch = environment.proposed_branch(&LaneName::single());
    let mirror = &context.destination.mirror;
    let read = mirror.local(&branch);
    let head = mirror.read(move |repository, _| history::head_commit(repository, &read)).await?;
    let store = &context.shared.store;
    let pull_request = match open(view.pull_requests(context, &branch, &environment.branch).await?) {
        Some(open) => {
            let described = store.described(&context.destination.id, open.number).await?;
            Some(OpenPullRequest { described, ..open })
        }
        None => None,
    };
    Ok(Bundle {
        parts: head.as_ref().and_then(|head| head.trailers.as_ref()).map(parts_of).unwrap_or_default(),
        head: head.and_then(|head| ProposedSha::new(head.id.to_string()).ok()),
        pull_request,
        outdated: outdated(context, view, environment, &branch).await?,
    })
}

/// Returns the lanes that a commit names, each with its dry SHA.
fn parts_of(trailers: &Trailers) -> BTreeMap<LaneName, DrySha> {
    trailers.parts.iter().map(|part| (part.lane.clone(), part.dry.clone())).collect()
}

/// Returns the open pull requests that single lanes have had since before they were bundled.
async fn outdated(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    own: &BranchName,
) -> Result<BTreeMap<LaneName, OpenPullRequest>, LookError> {
    let mut outdated = BTreeMap::new();
    for branch in context.destination.mirror.branches_starting_with(own.as_str()).await? {
        let Some(LaneBranch::Proposed(lane)) = environment.lane_of_branch(&branch).filter(|_| branch != *own) else {
            continue;
        };
        if let Some(open) = open(view.pull_requests(context, &branch, &environment.branch).await?) {
            outdated.insert(lane, open);
        }
    }
    Ok(outdated)
}

fn open(pull_requests: Vec<PullRequest>) -> Option<OpenPullRequest> {
    let open = pull_requests.iter().find(|pull_request| pull_request.state == PullRequestState::Open)?;
    observe::open_pull_request(open)
}

/// Returns a bundle as one lane sees it, when that lane is in it.
pub(super) fn part_of(proposal: Proposal, at: &At<'_>, head: &Head) -> Option<Proposal> {
    let lanes: BTreeSet<LaneName> = parts_of(head.commit.trailers.as_ref()?).into_keys().collect();
    let fits = proposal.parent == *at.head
        || head.landed.as_ref().is_some_and(|landed| at.reading.would_hold_all(&lanes, &head.owned, &landed.content));
    lanes.contains(&at.place.lane).then_some(Proposal { fits, ..proposal })
}

impl Applier<'_> {
    pub(super) async fn bundle(&mut self, environment: &EnvironmentName, step: &Step) -> Result<(), LookError> {
        match step {
            Step::Propose { parts, expected_active, expected_proposed } => {
                self.propose(environment, parts, expected_active, expected_proposed.as_ref()).await
            }
            Step::Open { proposed, parts } => {
                let opened = self.open(environment, proposed, parts).await?;
                self.note_opened(opened);
                Ok(())
            }
            Step::Describe { number, proposed, parts } => self.describe(environment, *number, proposed, parts).await,
            Step::Merge { number, expected_active, decision, tree } => {
                self.merge_bundle(environment, *number, expected_active, decision, tree).await
            }
            Step::CloseOutdated { lane, number, head } => self.close_outdated(environment, lane, *number, head).await,
        }
    }

    async fn merge_bundle(
        &mut self,
        name: &EnvironmentName,
        number: PullRequestNumber,
        expected_active: &ActiveSha,
        decision: &BundleDecision,
        tree: &TreeId,
    ) -> Result<(), LookError> {
        let place = bundle::place_of(name);
        let environment = self.environment(&place);
        let _turn = self.turn_to_merge(environment, Some(number), expected_active).await?;
        self.check_holds().await?;
        self.check_windows(&place, &decision.shared)?;
        for part in &decision.parts {
            self.check_approvals(&Place { environment: name.clone(), lane: part.lane.clone() }, number).await?;
        }
        let newest = decision.dries().map(|(_, dry)| dry).max_by_key(|dry| self.snapshot.line.position(dry));
        let dry = newest.expect("because nothing is merged without a part").clone();
        let trailers = Trailers::of_bundle(dry.clone(), self.context.origin(&place), decision.parts.clone())
            .decided(decision.shared.clone());
        let of_lanes =
            decision.parts.iter().flat_map(|part| part.gates.iter().map(|gate| format!("{}: {gate}", part.lane)));
        let gates: Vec<String> = of_lanes.chain(decision.shared.gates.iter().map(ToString::to_string)).collect();
        let message = self.context.shared.messages.merge(&gates, &trailers.render())?;
        let head = self.proposed_branch(&place);
        let through = Through { number: Some(number), head: &head, base: expected_active };
        let merge = Merge {
            expected_head: decision.shared.proposed_sha.to_string(),
            onto: through.onto(environment),
            method: environment.merge_method,
            title: format!("Promote {} to {place} ({number})", lanes_in_words(decision)),
            message,
        };
        let parts: Vec<(Place, Decision)> = decision
            .parts
            .iter()
            .filter_map(|part| {
                let place = Place { environment: name.clone(), lane: part.lane.clone() };
                Some((place, decision.of_lane(&part.lane)?))
            })
            .collect();
        let act = format!("merge {number} into {place}");
        if let Some(active) = self.merge_parts(&parts, through, &merge, &act).await? {
            metrics::counter!("hydromote_promotions_total").increment(parts.len() as u64);
            tracing::info!(
                environment.name = %name, dry.sha = %dry, pull_request.number = number.0, active.sha = active,
                tree = %tree, "merged {number}: {place} runs {}", bundle::in_words(decision.dries())
            );
        }
        Ok(())
    }

    /// Closes the pull request of a lane that is bundled now.
    async fn close_outdated(
        &mut self,
        environment: &EnvironmentName,
        lane: &LaneName,
        number: PullRequestNumber,
        head: &ProposedSha,
    ) -> Result<(), LookError> {
        let place = Place { environment: environment.clone(), lane: lane.clone() };
        let (repository, forge) = (&self.context.destination.id, &self.context.destination.forge);
        if forge.pull_request(repository, number).await?.state != PullRequestState::Open {
            return Err(ForgeError::Moved { words: format!("{number} is not open any more") }.into());
        }
        // Written down first: what we close is never taken for a rejection, also after a crash.
        self.context.shared.store.save_closed_by_us(repository, number).await?;
        let words = format!("{CLOSED_BY_US}: all lanes of {environment} share one pull request now");
        self.post(head.as_str(), &own_status_key(&place), &PostedStatus::new(StatusState::Error, &words)).await?;
        self.intend(&format!("close {number}"), forge.close_pull_request(repository, number)).await?;
        self.view.forget_pull_requests(&self.environment(&place).branch_of_lane(lane));
        tracing::info!(environment.name = %environment, pull_request.number = number.0, "closed {number} for {place}");
        Ok(())
    }
}

/// Names the lanes of a merge with their dry SHAs, so many that it stays a subject.
fn lanes_in_words(decision: &BundleDecision) -> String {
    let mut words: Vec<String> =
        decision.dries().take(LANES_NAMED).map(|(lane, dry)| format!("{lane} {}", dry.short())).collect();
    match decision.parts.len() - words.len() {
        0 => {}
        more => words.push(format!("and {more} more")),
    }
    words.join(", ")
}
