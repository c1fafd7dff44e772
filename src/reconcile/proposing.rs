//! Proposes: composes what lanes want into one commit, pushes it, and opens its pull request.
//!
//! A lane that goes by itself and a bundle take one and the same path; a bundle has more parts.

use std::collections::{BTreeMap, BTreeSet};

use super::{LookError, apply::Applier, keys::own_status_key};
use crate::{
    domain::{
        bundle::{self, Part},
        candidate::Wish,
        content::Content,
        ids::{
            ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RootName,
            StrategyName, TreeId,
        },
        plan::Action,
        snapshot::Obstacle,
    },
    forge::{NewPullRequest, PullRequest},
    git::{
        GitError,
        compose::{self, Composed, Composition},
        history::DryCommit,
        mirror::Push,
        trailers::Trailers,
    },
    messages::{Changes, DryText, PartText, PromotionText, PullRequestText, RendererChange},
};

/// What is proposed together: what each lane in it wants.
pub(super) type Parts = BTreeMap<LaneName, Wish>;

/// A pull request that was opened now.
pub(super) struct Opened {
    head: BranchName,
    pull_request: PullRequest,
}

/// A proposal that is composed and not pushed yet.
struct Composing {
    environment: EnvironmentName,
    /// What is proposed, for whom, in words.
    what: String,
    proposer: Place,
    newest: DrySha,
    proposed: ProposedSha,
    push: Push,
}

impl Applier<'_> {
    /// Moves the proposed branch to one commit of these parts.
    pub(super) async fn propose(
        &mut self,
        environment: &EnvironmentName,
        parts: &Parts,
        expected_active: &ActiveSha,
        expected_proposed: Option<&ProposedSha>,
    ) -> Result<(), LookError> {
        let composed = self.compose_proposal(environment, parts, expected_active, expected_proposed).await?;
        self.push_proposals(Vec::from_iter(composed)).await
    }

    /// Proposes to several places with one push; other actions are left out.
    pub(super) async fn propose_together(&mut self, actions: &[Action]) -> Result<(), LookError> {
        let mut composed = Vec::new();
        for action in actions {
            let Action::Propose { place, dry, content, expected_active, expected_proposed } = action else { continue };
            let wish = Wish { dry: dry.clone(), content: content.clone() };
            let parts = Parts::from([(place.lane.clone(), wish)]);
            let expected_proposed = expected_proposed.as_ref();
            composed
                .extend(self.compose_proposal(&place.environment, &parts, expected_active, expected_proposed).await?);
        }
        self.push_proposals(composed).await
    }

    /// Composes a proposal; nothing when there is nothing to push.
    async fn compose_proposal(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
        expected_active: &ActiveSha,
        expected_proposed: Option<&ProposedSha>,
    ) -> Result<Option<Composing>, LookError> {
        if self.is_proposed_already(environment, parts, expected_active).await? {
            return Ok(None);
        }
        let composed = match self.compose(environment, parts, expected_active).await {
            Ok(composed) => composed,
            Err(LookError::Git(GitError::Obstacle { message })) => {
                self.note_obstacles(environment, parts, expected_active, &message).await?;
                return Ok(None);
            }
            Err(LookError::Git(GitError::Missing { id })) => {
                self.forget_renderings(environment, parts, &id).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let proposed = self.save_proposal(environment, parts, &composed).await?;
        let proposer = self.proposer(environment, parts);
        let expected = expected_proposed.and_then(|sha| git2::Oid::from_str(sha.as_str()).ok());
        let push = Push { branch: self.proposed_branch(&proposer), expected, new: Some(composed.commit) };
        let (environment, what, newest) = (environment.clone(), in_words(parts), self.newest(parts));
        Ok(Some(Composing { environment, what, proposer, newest, proposed, push }))
    }

    /// Pushes proposals, all or none; where one is refused, each by itself, so that it keeps no other one back.
    async fn push_proposals(&mut self, composed: Vec<Composing>) -> Result<(), LookError> {
        if composed.is_empty() {
            return Ok(());
        }
        match self.push_at_once(&composed).await {
            Err(LookError::Git(GitError::Refused { .. })) if composed.len() > 1 => {
                for one in composed {
                    self.push_at_once(std::slice::from_ref(&one)).await?;
                    self.note_proposal(&one);
                }
            }
            pushed => {
                pushed?;
                composed.iter().for_each(|one| self.note_proposal(one));
            }
        }
        Ok(())
    }

    async fn push_at_once(&self, composed: &[Composing]) -> Result<(), LookError> {
        let acts: Vec<String> =
            composed.iter().map(|one| format!("propose {} in {}", one.what, one.proposer)).collect();
        let pushes: Vec<Push> = composed.iter().map(|one| one.push.clone()).collect();
        let remote = self.context.remote().await?;
        Ok(self.intend(&acts.join(", "), self.context.destination.mirror.push(&remote, &pushes)).await?)
    }

    fn note_proposal(&mut self, one: &Composing) {
        let Composing { environment, what, proposer, newest, proposed, push } = one;
        self.view.note_push(&push.branch, proposed.as_str());
        tracing::info!(
            environment.name = %environment, dry.sha = %newest, proposed.sha = %proposed,
            "proposed {what} for {proposer}"
        );
    }

    /// Says whether what is proposed is what composing these parts gives where it stands, and writes that down.
    ///
    /// A store that was lost does not know our proposals any more. While nothing else was merged, composing again
    /// gives the same commit. Once it was, it would give another one, and take away what people said of this one.
    async fn is_proposed_already(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
        active: &ActiveSha,
    ) -> Result<bool, LookError> {
        let proposal = |(lane, wish): (&LaneName, &Wish)| {
            let proposal = self.snapshot.places.get(&place(environment, lane))?.proposal.as_ref()?;
            (proposal.fits && !proposal.composed && proposal.dry == wish.dry).then_some(proposal)
        };
        let Some(proposals) = parts.iter().map(proposal).collect::<Option<Vec<_>>>() else { return Ok(false) };
        let Some(stands) = proposals.first().filter(|stands| stands.parent != *active) else { return Ok(false) };
        let composed = match self.compose(environment, parts, &stands.parent).await {
            Ok(composed) => composed,
            // Then it is made again on the head, where the same is told of or mended.
            Err(LookError::Git(GitError::Obstacle { .. } | GitError::Missing { .. })) => return Ok(false),
            Err(error) => return Err(error),
        };
        if composed.commit.to_string() != stands.sha.as_str() {
            return Ok(false);
        }
        let proposed = self.save_proposal(environment, parts, &composed).await?;
        tracing::info!(environment.name = %environment, proposed.sha = %proposed, "recognised what is proposed");
        Ok(true)
    }

    /// Writes down what a proposal of ours stands for.
    async fn save_proposal(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
        composed: &Composed,
    ) -> Result<ProposedSha, LookError> {
        let proposed = ProposedSha::new(composed.commit.to_string()).expect("because git's ids are hexadecimal");
        let tree = TreeId::new(composed.tree.to_string()).expect("because git's ids are hexadecimal");
        let store = &self.context.shared.store;
        for (lane, wish) in parts {
            store.save_proposal(&self.context.id, &place(environment, lane), &proposed, &tree, &wish.dry).await?;
        }
        Ok(proposed)
    }

    /// Writes down what is in the way, for the lanes in whose way it is.
    async fn note_obstacles(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
        active: &ActiveSha,
        message: &str,
    ) -> Result<(), LookError> {
        let store = &self.context.shared.store;
        let mut hindered = Vec::new();
        for (lane, wish) in parts.iter().filter(|_| parts.len() > 1) {
            let alone = Parts::from([(lane.clone(), wish.clone())]);
            if let Err(LookError::Git(GitError::Obstacle { message })) = self.compose(environment, &alone, active).await
            {
                hindered.push((lane, wish, message));
            }
        }
        if hindered.is_empty() {
            hindered = parts.iter().map(|(lane, wish)| (lane, wish, message.to_owned())).collect();
        }
        for (lane, wish, message) in hindered {
            let obstacle = Obstacle { dry: wish.dry.clone(), active: active.clone(), message };
            store.save_note(&self.context.id, &place(environment, lane), &obstacle).await?;
        }
        Ok(())
    }

    /// Has renderings made again that the mirror does not have any more.
    async fn forget_renderings(&self, environment: &EnvironmentName, parts: &Parts, id: &str) -> Result<(), LookError> {
        let shared = &self.context.shared;
        shared.hydrator.forget(self.context.dry.mirror.path()).await;
        for dry in parts.values().map(|wish| &wish.dry).collect::<BTreeSet<_>>() {
            tracing::warn!(dry.sha = %dry, id, "a rendering is gone from the mirror and is made again");
            shared.store.forget_hydration(&self.context.id, environment, dry).await?;
        }
        Ok(())
    }

    async fn compose(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
        active: &ActiveSha,
    ) -> Result<Composed, LookError> {
        let shared = &self.context.shared;
        let repo_url = self.context.dry.details.web_url.clone();
        let text = self.text(environment, parts).await?;
        let (mut roots, mut readmes, mut dry_of) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for wish in parts.values() {
            let commit = self.dry_commit(&wish.dry).await?;
            let dry = dry_text(&commit);
            for (root, info) in shared.store.hydrated_roots(&self.context.id, environment, &wish.dry).await? {
                if wish.content.get(&root).is_some() {
                    readmes.insert(root.clone(), shared.messages.readme(&root, &dry, &repo_url, &info.commands)?);
                    dry_of.insert(root.clone(), wish.dry.clone());
                    roots.insert(root, info);
                }
            }
        }
        let origin = self.context.origin(&self.proposer(environment, parts));
        let dry = self.dry_commit(&self.newest(parts)).await?;
        let trailers = Trailers {
            parts: self.told_parts(environment, parts),
            ..Trailers::of_promotion(dry.sha.clone(), origin.clone())
        };
        let message = shared.messages.commit(&text, &trailers.render())?;
        let mut composition = Composition {
            parent: git2::Oid::from_str(active.as_str()).ok(),
            content: bundle::content(parts),
            roots,
            dry,
            dry_of,
            origin,
            repo_url,
            readmes,
            taken_over: BTreeSet::new(),
            is_undivided: self.context.is_undivided(self.environment(&self.proposer(environment, parts))),
            others: BTreeMap::new(),
        };
        let lanes: Vec<(Content, Content)> = parts
            .iter()
            .map(|(lane, wish)| (self.running_content(&place(environment, lane)), wish.content.clone()))
            .collect();
        let sharing = self.context.sharing(
            self.environment(&self.proposer(environment, parts)),
            composition.content.iter().map(|(root, _)| root),
        );
        let has_lanes = self.context.strategy.lanes.label().is_some();
        let composed = self.context.destination.mirror.read(move |repository, cache| {
            let base = match composition.parent {
                Some(parent) => Some(repository.find_commit(parent)?.tree_id()),
                None => None,
            };
            let all = match base {
                Some(base) => cache.read(repository, base)?,
                None => Default::default(),
            };
            let owned = sharing.part(&all);
            composition.others = all.without(&owned);
            let is_of_none = |(root, strategy): (&RootName, &StrategyName)| {
                (*strategy != composition.origin.strategy).then(|| root.clone())
            };
            composition.taken_over = owned.strategies.iter().filter_map(is_of_none).collect();
            if has_lanes {
                let is_of_others = |root: &RootName| lanes.iter().all(|(running, _)| running.get(root).is_none());
                let of_others = owned.content.only(is_of_others);
                let taken_over = lanes.iter().flat_map(|(running, content)| {
                    content.iter().map(|(root, _)| root).filter(|root| running.get(root).is_none())
                });
                composition.taken_over.extend(taken_over.filter(|root| owned.content.get(root).is_some()).cloned());
                composition.content = of_others.laid_under(&composition.content);
            }
            compose::compose_commit(repository, &owned, &composition, &message)
        });
        Ok(composed.await?)
    }

    /// Returns what trailers say of each lane, where lanes share a pull request.
    fn told_parts(&self, environment: &EnvironmentName, parts: &Parts) -> Vec<Part> {
        if !self.is_bundle(environment) {
            return Vec::new();
        }
        let part =
            |(lane, wish): (&LaneName, &Wish)| Part { lane: lane.clone(), dry: wish.dry.clone(), gates: Vec::new() };
        parts.iter().map(part).collect()
    }

    /// Opens a pull request; returns it, unless the forge refuses it and that was written down.
    pub(super) async fn open(
        &self,
        environment: &EnvironmentName,
        proposed: &ProposedSha,
        parts: &Parts,
    ) -> Result<Option<Opened>, LookError> {
        let proposer = self.proposer(environment, parts);
        let text = self.pull_request_text(environment, parts).await?;
        let base = self.environment(&proposer).branch.clone();
        let branch = self.snapshot.places_of(environment).find_map(|(_, state)| state.branch());
        if let Some(branch) = branch.filter(|_| !self.view.has_pushed(proposed.as_str())) {
            // A merge by hand is told of as an ended pull request before the branch is read again.
            self.check_base(&base, &branch.head).await?;
        }
        let head = self.proposed_branch(&proposer);
        let new = NewPullRequest { head, base, title: text.title, body: text.body };
        let forge = &self.context.destination.forge;
        let opening = forge.open_pull_request(&self.context.destination.id, &new);
        let opened = match self.intend(&format!("open a pull request for {proposer}"), opening).await {
            Ok(opened) => opened,
            Err(error) => {
                let places: Vec<Place> = parts.keys().map(|lane| place(environment, lane)).collect();
                self.note_unopened(&places, proposed, error).await?;
                return Ok(None);
            }
        };
        let store = &self.context.shared.store;
        store.save_described(&self.context.destination.id, opened.number, proposed).await?;
        tracing::info!(
            environment.name = %environment, pull_request.number = opened.number.0, dry.sha = %self.newest(parts),
            "opened {} to promote {} to {proposer}", opened.number, in_words(parts)
        );
        Ok(Some(Opened { head: new.head, pull_request: opened }))
    }

    pub(super) fn note_opened(&mut self, opened: Option<Opened>) {
        if let Some(Opened { head, pull_request }) = opened {
            self.view.remember_pull_request(&head, pull_request);
        }
    }

    pub(super) async fn describe(
        &self,
        environment: &EnvironmentName,
        number: PullRequestNumber,
        proposed: &ProposedSha,
        parts: &Parts,
    ) -> Result<(), LookError> {
        let text = self.pull_request_text(environment, parts).await?;
        let repository = &self.context.destination.id;
        self.context.destination.forge.edit_pull_request(repository, number, &text.title, &text.body).await?;
        self.context.shared.store.save_described(repository, number, proposed).await?;
        Ok(())
    }

    async fn pull_request_text(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
    ) -> Result<PullRequestText, LookError> {
        let proposer = self.proposer(environment, parts);
        let renderers = self.other_renderers(environment, parts).await?;
        let text = PromotionText { renderers, ..self.text(environment, parts).await? };
        let (auto_merge, key) = (self.environment(&proposer).auto_merge, own_status_key(&proposer));
        let page = self.context.page();
        Ok(self.context.shared.messages.pull_request(&text, auto_merge, key.as_str(), page.as_deref())?)
    }

    async fn text(&self, environment: &EnvironmentName, parts: &Parts) -> Result<PromotionText, LookError> {
        let mut told = Vec::new();
        let mut running = Content::default();
        for (lane, wish) in parts {
            let now = self.running_content(&place(environment, lane));
            let changes = Changes::between(&now, &wish.content);
            running = running.laid_under(&now);
            if self.is_bundle(environment) {
                told.push(PartText { lane: lane.clone(), dry: dry_text(&self.dry_commit(&wish.dry).await?), changes });
            }
        }
        Ok(PromotionText {
            dry: dry_text(&self.dry_commit(&self.newest(parts)).await?),
            place: self.proposer(environment, parts),
            changes: Changes::between(&running, &bundle::content(parts)),
            parts: told,
            renderers: Vec::new(),
        })
    }

    /// Returns what was rendered by another version of a renderer than what runs there.
    async fn other_renderers(
        &self,
        environment: &EnvironmentName,
        parts: &Parts,
    ) -> Result<Vec<RendererChange>, LookError> {
        let Some(branch) = self.snapshot.places_of(environment).find_map(|(_, state)| state.branch()) else {
            return Ok(Vec::new());
        };
        let tree = git2::Oid::from_str(branch.tree.as_str()).map_err(GitError::from)?;
        let owned = self.context.destination.mirror.read(move |repository, cache| cache.read(repository, tree)).await?;
        let mut by = BTreeMap::new();
        for (lane, wish) in parts {
            let now = self.running_content(&place(environment, lane));
            let is_changed =
                |root: &RootName| wish.content.get(root).is_some() && now.get(root) != wish.content.get(root);
            let infos = self.context.shared.store.hydrated_roots(&self.context.id, environment, &wish.dry).await?;
            by.extend(infos.into_iter().filter(|(root, _)| is_changed(root)).map(|(root, info)| (root, info.renderer)));
        }
        let pairs = by.iter().filter_map(|(root, by)| Some((root, owned.renderers.get(root)?.as_str(), by.as_str())));
        Ok(RendererChange::of(pairs))
    }

    /// Returns what is proposed for a lane that goes by itself.
    pub(super) fn proposed_part(&self, place: &Place, dry: &DrySha) -> Parts {
        let state = self.snapshot.places.get(place);
        let content = state.and_then(|s| s.proposal.as_ref()).map(|p| p.content.clone()).unwrap_or_default();
        Parts::from([(place.lane.clone(), Wish { dry: dry.clone(), content })])
    }

    /// Returns the place in whose name these parts are proposed.
    fn proposer(&self, environment: &EnvironmentName, parts: &Parts) -> Place {
        let lane = parts.keys().next().cloned().unwrap_or_else(LaneName::single);
        self.context.proposer(&place(environment, &lane))
    }

    /// Returns the newest dry SHA of the parts.
    pub(super) fn newest(&self, parts: &Parts) -> DrySha {
        let newest = parts.values().map(|wish| &wish.dry).max_by_key(|dry| self.snapshot.line.position(dry));
        newest.expect("because nothing is proposed without a part").clone()
    }

    fn is_bundle(&self, environment: &EnvironmentName) -> bool {
        self.context.strategy.environment(environment).is_some_and(|environment| environment.is_bundle())
    }

    pub(super) fn running_content(&self, place: &Place) -> Content {
        self.snapshot.places.get(place).map(|state| state.running_content()).unwrap_or_default()
    }
}

fn place(environment: &EnvironmentName, lane: &LaneName) -> Place {
    Place { environment: environment.clone(), lane: lane.clone() }
}

fn dry_text(commit: &DryCommit) -> DryText {
    DryText::new(&commit.sha, &commit.subject, &commit.author)
}

/// Says what is proposed, in words.
fn in_words(parts: &Parts) -> String {
    match parts.values().next() {
        Some(wish) if parts.len() == 1 => wish.dry.short().to_owned(),
        _ => bundle::in_words(parts.iter().map(|(lane, wish)| (lane, &wish.dry))),
    }
}
