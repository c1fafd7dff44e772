//! Does one command: whose it is to give, which head it is bound to, and what it is answered.

use std::collections::BTreeMap;

use super::{
    CommentReader,
    subject::{Promotion, Subject},
};
use crate::{
    domain::{
        comment::{Command, Outcome, Rollback as RollbackCommand, RollbackTo, Verb},
        ids::{EnvironmentName, ProposedSha, RepositoryId, StrategyId},
        permission::{Grant, Grantee, OVERRIDE_NEEDS, Permission},
        plan::PlaceView,
        snapshot::PromoteRequest,
    },
    forge::{Account, Among, Comment, ForgeError, PullRequestState},
    git::patch,
    reconcile::{
        LookError,
        commands::{CommandError, accepted_on_forge, place_view},
        context::RepositoryContext,
        keys::{drift_key, own_status_key},
        mending::DriftOrder,
        stopping::{Destination, HoldOrder, RollbackOrder},
    },
};

/// The most bytes of differences that are shown.
const PATCH_LIMIT: usize = 12_000;

/// The files of ours that change with every promotion, and say nothing of what runs.
const BESIDE: [&str; 2] = ["hydrator.metadata", "README.md"];

/// The place that a command is about.
pub(super) struct At<'a> {
    /// Its strategy.
    pub(super) strategy: &'a StrategyId,
    /// The place as it was looked at last.
    pub(super) view: &'a PlaceView,
}

/// What somebody must have to give a command.
struct Needed {
    verb: Verb,
    /// The right on the repository.
    permission: Permission,
    /// The list of the strategy that stands for it.
    grant: Option<Grant>,
}

/// Whose right is asked for, and where.
struct Asked<'a> {
    home: &'a RepositoryContext,
    /// The strategy that may name its author.
    strategy: Option<&'a StrategyId>,
}

/// Whether the author of a comment is among the people that the strategy names.
enum Named {
    /// They are.
    Yes,
    /// They are not among those that could be read.
    No {
        /// The teams that could not be.
        unread: Vec<String>,
    },
}

impl CommentReader<'_> {
    /// Does a command of a comment, when its author may give it.
    pub(super) async fn act(
        &self,
        comment: &Comment,
        subject: &Subject,
        command: &Command,
    ) -> Result<Outcome, LookError> {
        let verb = command.verb();
        if let Some(refused) = self.lacks_right(comment, subject, verb).await? {
            return Ok(refused);
        }
        if let Some(refused) = subject.refuses(command) {
            return match (subject, command) {
                (Subject::Promotion(promotion), Command::Promote { environment, past_windows: None })
                    if environment.as_ref().is_none_or(|named| *named == promotion.place.place.environment) =>
                {
                    Ok(self.accepted_before(comment, promotion).await?.unwrap_or(refused))
                }
                _ => Ok(refused),
            };
        }
        match self.dispatch(comment, subject, command).await {
            Ok(outcome) => Ok(outcome),
            Err(CommandError::Forge(error)) => Err(error.into()),
            Err(CommandError::Store(error)) => Err(error.into()),
            Err(refused) => Ok(refused.into()),
        }
    }

    /// Has each command done: the one place to wire a new one.
    async fn dispatch(&self, comment: &Comment, subject: &Subject, command: &Command) -> Result<Outcome, CommandError> {
        let (verb, by) = (command.verb(), super::login(comment));
        match command {
            Command::Status => Ok(Outcome::Status),
            Command::Help => Ok(Outcome::Help),
            Command::Diff { environment } => self.diff(self.proposal(subject, verb, environment.as_ref())?.view).await,
            Command::Retry => {
                for strategy in subject.strategies() {
                    self.commands.retry(strategy, &by).await?;
                }
                Ok(Outcome::Retried)
            }
            Command::Promote { environment, past_windows } => {
                let at = self.proposal(subject, verb, environment.as_ref())?;
                self.promote(comment, subject, at, past_windows.as_deref()).await
            }
            Command::Hold { environment, reason } => {
                let At { strategy, view } = self.place(subject, verb, environment.as_ref())?;
                let at = &view.place;
                let order = HoldOrder { reason: reason.clone().unwrap_or_default(), ..HoldOrder::default() };
                let held = self.commands.hold(strategy, &at.environment, Some(&at.lane), &order, &by).await?;
                Ok(Outcome::Held { place: held.place })
            }
            Command::Unhold { environment } => {
                let At { strategy, view } = self.place(subject, verb, environment.as_ref())?;
                let at = &view.place;
                let released = self.commands.unhold(strategy, &at.environment, Some(&at.lane), None, &by).await?;
                Ok(Outcome::Released { place: released.place, what: released.what })
            }
            Command::Reject { dry, reason } => self.reject(comment, subject, dry.as_deref(), reason.as_deref()).await,
            Command::Unreject { dry } => self.unreject(comment, subject, dry.as_deref()).await,
            Command::Preview => self.ask_for_preview(comment.pull_request, subject).await,
            Command::Override { reason } => self.override_change(comment, subject, reason).await,
            Command::Rollback(order) => self.roll_back(comment, subject, order).await,
            Command::Restore { environment, reason } => {
                let At { strategy, view } = self.place(subject, verb, environment.as_ref())?;
                if self.drifted_since(comment, strategy, view).await? {
                    return Ok(Outcome::Moved { place: view.place.clone() });
                }
                let (at, order) = (&view.place, drift_order(view, reason.as_deref()));
                let done = self.commands.restore(strategy, &at.environment, Some(&at.lane), &order, &by).await?;
                Ok(Outcome::Restoring { over: done.over.short().to_owned(), place: done.place })
            }
            Command::Adopt { environment, reason } => {
                let At { strategy, view } = self.place(subject, verb, environment.as_ref())?;
                if self.drifted_since(comment, strategy, view).await? {
                    return Ok(Outcome::Moved { place: view.place.clone() });
                }
                let (at, order) = (&view.place, drift_order(view, reason.as_deref()));
                let done = self.commands.adopt(strategy, &at.environment, Some(&at.lane), &order, &by).await?;
                Ok(Outcome::Adopted { place: done.place, commit: done.commit })
            }
        }
    }

    async fn roll_back(
        &self,
        comment: &Comment,
        subject: &Subject,
        order: &RollbackCommand,
    ) -> Result<Outcome, CommandError> {
        let (number, by) = (comment.pull_request, super::login(comment));
        let order_of_all = RollbackOrder {
            destination: match &order.to {
                None => Destination::LastKnownGood,
                Some(RollbackTo::Dry(sha)) => Destination::To(sha.clone()),
                Some(RollbackTo::Steps(steps)) => Destination::Steps(*steps),
            },
            only: order.only.clone(),
            reason: order.reason.clone().unwrap_or_else(|| format!("asked for in {number}")),
            force: false,
            running: None,
        };
        let At { strategy, view } = self.place(subject, Verb::Rollback, Some(&order.environment))?;
        let (at, lane) = (&view.place.environment, Some(&view.place.lane));
        let accepted = self.commands.rollback(strategy, at, lane, &order_of_all, &by).await?;
        let (from, to) = (accepted.rollback.bad, accepted.rollback.target.dry);
        Ok(Outcome::RollingBack { place: accepted.place, from, to })
    }

    /// Returns the place that a command is about: the one that it names, else the pull request's own.
    fn place<'a>(
        &'a self,
        subject: &'a Subject,
        verb: Verb,
        environment: Option<&EnvironmentName>,
    ) -> Result<At<'a>, CommandError> {
        let promotion = match subject {
            Subject::Promotion(promotion) => promotion,
            Subject::Dry(dry) => return self.named_place(dry, verb, environment),
        };
        let Promotion { strategy, place, .. } = &**promotion;
        let view = match environment {
            Some(environment) if *environment != place.place.environment => {
                place_view(&self.boards[strategy], environment, None)?
            }
            _ => place,
        };
        Ok(At { strategy, view })
    }

    /// Returns the place whose proposal a command is about: on a dry pull request one that brings its commit.
    fn proposal<'a>(
        &'a self,
        subject: &'a Subject,
        verb: Verb,
        environment: Option<&EnvironmentName>,
    ) -> Result<At<'a>, CommandError> {
        match subject {
            Subject::Dry(dry) => self.bringing_place(dry, verb, environment),
            Subject::Promotion(_) => self.place(subject, verb, environment),
        }
    }

    async fn promote(
        &self,
        comment: &Comment,
        subject: &Subject,
        at: At<'_>,
        past_windows: Option<&str>,
    ) -> Result<Outcome, CommandError> {
        let place = at.view;
        let moved = Outcome::Moved { place: place.place.clone() };
        if place.proposed.is_some() && !self.is_what_the_author_saw(comment, at.strategy, place).await? {
            return Ok(moved);
        }
        // Between the acceptance and now the reaction was set, which takes its time.
        if let Some(refused) = self.lacks_right(comment, subject, Verb::Promote).await? {
            return Ok(refused);
        }
        let (to, by) = (&place.place, super::login(comment));
        let (environment, lane) = (&to.environment, Some(&to.lane));
        let promoted = match past_windows {
            None => self.commands.promote(at.strategy, environment, lane, None, &by).await?,
            Some(reason) => {
                if let Some(refused) = self.lacks_override(comment, subject).await? {
                    return Ok(refused);
                }
                self.commands.promote_past_windows(at.strategy, environment, lane, None, &by, reason).await?
            }
        };
        if Some(&promoted.proposed) != place.proposed.as_ref() {
            return Ok(moved);
        }
        Ok(Outcome::Promoting { place: to.clone(), proposed: promoted.proposed, dry: promoted.dry })
    }

    /// Returns the answer to a promotion that was accepted, where the forge's answer to that was lost and the pull
    /// request ended before it was asked again.
    async fn accepted_before(&self, comment: &Comment, promotion: &Promotion) -> Result<Option<Outcome>, LookError> {
        let (context, strategy, place) = (self.context, &promotion.strategy, &promotion.place.place);
        let ended = context.forge.pull_request(&context.id, comment.pull_request).await?;
        let Ok(proposed) = ProposedSha::new(ended.head_sha) else { return Ok(None) };
        let reports = context.forge.commit_statuses(&context.id, proposed.as_str()).await?;
        let proposer = self.boards[strategy].proposer(place);
        let accepted = accepted_on_forge(&proposer, &proposed, &reports, context.account.id);
        // The forge dates in whole seconds.
        let is_this = |accepted: &PromoteRequest| {
            accepted.by == super::login(comment) && accepted.at.as_second() >= comment.created_at.as_second()
        };
        if !accepted.as_ref().is_some_and(is_this) {
            return Ok(None);
        }
        let dry = context.shared.store.proposed_commits(strategy, place).await?.remove(&proposed);
        Ok(Some(Outcome::Promoting { place: place.clone(), proposed, dry }))
    }

    /// Says whether the head of a pull request, as we and the forge know it, is no newer than the comment.
    ///
    /// Our commits are dated like the dry ones. When a head came is told by the forge's clock, which
    /// dates comments too: by our first status on it.
    pub(super) async fn is_what_the_author_saw(
        &self,
        comment: &Comment,
        strategy: &StrategyId,
        place: &PlaceView,
    ) -> Result<bool, CommandError> {
        let (Some(proposed), Some(number)) = (&place.proposed, place.pull_request) else { return Ok(true) };
        let home = self.home(strategy);
        let (forge, repository) = (&home.forge, &home.id);
        let now = forge.pull_request(repository, number).await?;
        if now.state != PullRequestState::Open || now.head_sha != proposed.as_str() {
            return Ok(false);
        }
        let key = own_status_key(&self.boards[strategy].proposer(&place.place));
        let reports = forge.commit_statuses(repository, proposed.as_str()).await?;
        let ours = reports.iter().filter(|report| report.key == key && report.creator == Some(home.account.id));
        let came = ours.map(|report| report.reported_at).min();
        // The forge dates in whole seconds.
        Ok(came.is_some_and(|came| came.as_second() <= comment.created_at.as_second()))
    }

    /// Says whether drift is newer than the comment: its author has not seen it. When it came is told by the
    /// forge's clock, which dates comments too: by our first status on it.
    async fn drifted_since(
        &self,
        comment: &Comment,
        strategy: &StrategyId,
        view: &PlaceView,
    ) -> Result<bool, CommandError> {
        let Some(drift) = &view.drift else { return Ok(false) };
        let home = self.home(strategy);
        let (forge, repository, account) = (&home.forge, &home.id, home.account.id);
        let reports = forge.commit_statuses(repository, drift.newest.as_str()).await?;
        let key = drift_key(self.boards[strategy].told_apart(&view.place), &view.place);
        let ours = reports.iter().filter(|report| report.key == key && report.creator == Some(account));
        let came = ours.map(|report| report.reported_at).min();
        // The forge dates in whole seconds.
        Ok(came.is_none_or(|came| came.as_second() > comment.created_at.as_second()))
    }

    /// Looks up what the author may do now; returns the refusal when that is too little.
    async fn lacks_right(
        &self,
        comment: &Comment,
        subject: &Subject,
        verb: Verb,
    ) -> Result<Option<Outcome>, ForgeError> {
        self.who_lacks_right(comment.author.as_ref(), subject.strategies(), verb).await
    }

    /// Looks up whether the author may go past windows, beside promoting.
    async fn lacks_override(&self, comment: &Comment, subject: &Subject) -> Result<Option<Outcome>, ForgeError> {
        let needed = Needed { verb: Verb::Promote, permission: OVERRIDE_NEEDS, grant: Some(Grant::Override) };
        self.lacks(comment.author.as_ref(), subject.strategies(), needed).await
    }

    /// Looks up what somebody may do now to strategies; returns the refusal when that is too little.
    pub(super) async fn who_lacks_right(
        &self,
        who: Option<&Account>,
        strategies: &[StrategyId],
        verb: Verb,
    ) -> Result<Option<Outcome>, ForgeError> {
        self.lacks(who, strategies, Needed { verb, permission: verb.needs(), grant: verb.grant() }).await
    }

    async fn lacks(
        &self,
        who: Option<&Account>,
        strategies: &[StrategyId],
        Needed { verb, permission: needs, grant: listed }: Needed,
    ) -> Result<Option<Outcome>, ForgeError> {
        let mut asked: Vec<Asked<'_>> =
            strategies.iter().map(|id| Asked { home: self.asked_in(verb, id), strategy: Some(id) }).collect();
        if asked.is_empty() {
            asked.push(Asked { home: self.context, strategy: None });
        }
        let strange = asked.iter().find(|asked| asked.home.forge_name != self.context.forge_name);
        if let Some(Asked { home, .. }) = strange {
            return Ok(Some(on_another_forge(verb, home)));
        }
        // On a dry pull request the command may concern several strategies: each must let the author.
        let mut rights: BTreeMap<&RepositoryId, Option<Permission>> = BTreeMap::new();
        let (mut lacking, mut unread, mut grant) = (None, Vec::new(), None);
        for Asked { home, strategy } in asked {
            let has = match rights.get(&home.id) {
                Some(has) => *has,
                None => right_in(home, who).await?,
            };
            rights.insert(&home.id, has);
            if has.is_some_and(|has| has >= needs) {
                continue;
            }
            let named = strategy.map(|strategy| self.named(strategy, listed)).unwrap_or_default();
            grant = grant.or(listed.filter(|_| !named.is_empty()));
            match is_named(home, who, &named).await? {
                Named::Yes => {}
                Named::No { unread: teams } => {
                    unread.extend(teams);
                    lacking = lacking.or(Some((has, home)));
                }
            }
        }
        let Some((has, home)) = lacking else { return Ok(None) };
        let Some(has) = has else { return Ok(Some(cannot_look_up())) };
        let repository = (!home.is(self.context)).then(|| home.id.clone());
        Ok(Some(Outcome::LacksRight { verb, needs, has, grant, unread, repository }))
    }

    /// Returns the repository in which the author of a command needs the right: what changes environments is asked of
    /// where they are, as few may write there.
    fn asked_in(&self, verb: Verb, strategy: &StrategyId) -> &RepositoryContext {
        if verb.is_about_environments() { self.home(strategy) } else { self.context }
    }

    /// Says whether the right for both commands is asked for in the same repositories.
    pub(super) fn are_asked_alike(&self, subject: &Subject, [one, other]: [Verb; 2]) -> bool {
        subject.strategies().iter().all(|strategy| self.asked_in(one, strategy).is(self.asked_in(other, strategy)))
    }

    /// Returns the people who may give a command without the right on the repository, as the strategy
    /// in force at the dry branch's head names them.
    fn named(&self, strategy: &StrategyId, listed: Option<Grant>) -> Vec<Grantee> {
        let board = self.boards.get(strategy);
        let strategy = board.and_then(|board| board.looked.0.as_ref()).map(|(strategy, _)| strategy);
        let named = strategy.zip(listed).map(|(strategy, grant)| strategy.permissions.of(grant));
        named.unwrap_or_default().to_vec()
    }

    /// Returns what the promotion that is proposed for a place changes.
    async fn diff(&self, view: &PlaceView) -> Result<Outcome, CommandError> {
        let Some(proposed) = view.proposed.as_ref().filter(|_| view.pull_request.is_some()) else {
            return Ok(Outcome::Refused {
                message: format!("Nothing waits to be promoted to {}.", view.place),
                help: "There is nothing to compare.".to_owned(),
            });
        };
        let (old, new) = (view.active.as_ref().map(ToString::to_string), proposed.to_string());
        let told = |path: &str| !BESIDE.contains(&path.rsplit('/').next().unwrap_or(path));
        let compare = self
            .context
            .mirror
            .read(move |repository, _| patch::between(repository, old.as_deref(), &new, told, PATCH_LIMIT));
        match compare.await {
            Ok(patch) => Ok(Outcome::Diff {
                place: view.place.clone(),
                files: patch.files,
                added: patch.added,
                removed: patch.removed,
                patch: patch.text,
                cut: patch.cut,
            }),
            Err(error) => {
                tracing::warn!(environment.name = %view.place, %error, "could not compare what runs with what is proposed");
                Ok(Outcome::Refused {
                    message: "What runs and what is proposed could not be compared.".to_owned(),
                    help: "Write the command again in a moment.".to_owned(),
                })
            }
        }
    }
}

/// Returns what a comment says of drift, bound to what was there when it was read.
fn drift_order(view: &PlaceView, reason: Option<&str>) -> DriftOrder {
    let seen = view.drift.as_ref().map(|drift| drift.newest.clone());
    DriftOrder { seen, reason: reason.unwrap_or_default().to_owned() }
}

/// Looks up what somebody may do in a repository now; nothing when we may not ask.
async fn right_in(home: &RepositoryContext, who: Option<&Account>) -> Result<Option<Permission>, ForgeError> {
    let Some(author) = who else { return Ok(Some(Permission::None)) };
    match home.forge.permission(&home.id, author).await {
        Err(ForgeError::Unauthorised { .. }) => Ok(None),
        has => Ok(Some(has?)),
    }
}

/// Says whether somebody is among people now; who cannot be read does not count.
async fn is_named(home: &RepositoryContext, who: Option<&Account>, named: &[Grantee]) -> Result<Named, ForgeError> {
    let mut unread = Vec::new();
    for people in named {
        let Some(account) = who else { break };
        match home.forge.is_among(&home.id, people, account).await? {
            Among::Yes => return Ok(Named::Yes),
            Among::No => {}
            Among::Unknown => unread.push(people.to_string()),
        }
    }
    Ok(Named::No { unread })
}

/// Returns the answer to a command about environments on a forge that does not know its author.
fn on_another_forge(verb: Verb, home: &RepositoryContext) -> Outcome {
    Outcome::Refused {
        message: format!(
            "Not done: `{}` needs a right in {}, which is on another forge and does not know who you are here.",
            verb.word(),
            home.id
        ),
        help: "Give the command there, on the promotion's pull request.".to_owned(),
    }
}

/// Returns the answer where the service's own rights are too few to know those of others.
fn cannot_look_up() -> Outcome {
    Outcome::Refused {
        message: "Not done: the service may not look up who may do what in this repository.".to_owned(),
        help: "Its operator must give its account or App that right; it comes with write access.".to_owned(),
    }
}
