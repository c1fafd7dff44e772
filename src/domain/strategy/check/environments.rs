//! Environments, each by itself: names, branches, durations.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{approvals, identifier, lanes, name_of, permissions, statuses, windows};
use crate::domain::{
    ids::{BranchName, EnvironmentName},
    strategy::{
        Environment, MergeMode, Newer, Proposing, default_proposed,
        document::{DurationText, EnvironmentDocument, RollbackDocument, Spec, Vars},
        duration::{is_too_long, parse_duration},
        mistake::Report,
        position::{At, Position},
    },
    windows::EnvironmentWindows,
};

/// More environments are refused: each is compared with each other.
const MOST: usize = 100;

/// Longer active branches are refused: the branches of proposals and rollbacks add to the name.
const LONGEST_BRANCH: usize = 160;

/// Longer soaks are refused: a mistake more likely than a wish.
const LONGEST_SOAK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Says whether there are so many environments that nothing more is checked, and reports it.
pub(super) fn are_too_many(spec: &Spec, report: &mut Report<'_>) -> bool {
    let count = spec.environments.value.len();
    if count > MOST {
        let position = report.key("environments", spec.environments.position);
        let message = format!("there are {count} environments; at most {MOST} can be in a strategy");
        report.mistake(position, message, "divide them into several strategies");
    }
    count > MOST
}

/// Returns the environments of `spec` in its order; nothing for one with a mistake.
pub(super) fn environments(spec: &Spec, report: &mut Report<'_>) -> Vec<Option<Environment>> {
    let documents = &spec.environments;
    if documents.value.is_empty() {
        let position = report.key("environments", documents.position);
        report.mistake(position, "there are no environments", "list at least one, with its `branch`");
    }
    refuse_duplicate_names(spec, report);
    let strategy = statuses::Both::read(&spec.active_commit_statuses, &spec.proposed_commit_statuses, report);
    let windows = windows::Common::read(spec.windows.as_ref(), report);
    let most_open = lanes::most_open(spec.max_open_pull_requests.as_ref(), report);
    let approvals = spec.approvals.as_ref().map(|document| approvals::rule(document, report));
    let notify = permissions::grantees(&spec.notify, report);
    let mode = spec.merge_mode.as_ref().map(|mode| (mode.position(), mode.read(report)));
    let inherited = spec.newer.as_ref().and_then(|newer| newer.read(report));
    documents
        .value
        .iter()
        .enumerate()
        .map(|(index, document)| {
            let before = index.checked_sub(1).and_then(|before| documents.value.get(before));
            let mut environment =
                environment(document, before.map(|before| &before.value), &strategy, &spec.vars, report)?;
            let automatic = document.value.rollback.as_ref().and_then(is_automatic);
            environment.windows.strategy = windows.with(document.value.windows.as_ref(), report);
            let own_most = lanes::most_open(document.value.max_open_pull_requests.as_ref(), report);
            environment.proposing = lanes::proposing(document, spec.lanes.is_some(), report);
            environment.most_open = own_most.or(most_open).filter(|_| !environment.is_bundle());
            let own_approvals = document.value.approvals.as_ref().map(|document| approvals::rule(document, report));
            environment.approvals = own_approvals.or_else(|| approvals.clone());
            environment.merge_mode = merge_mode(document, &environment, mode, report);
            environment.notify = notify.clone();
            let own = permissions::grantees(&document.value.notify, report).into_iter();
            environment.notify.extend(own.filter(|people| !notify.contains(people)));
            let is_bound = !environment.proposed_statuses.is_empty() || environment.approvals.is_some();
            environment.newer = document
                .value
                .newer
                .as_ref()
                .map_or(inherited, |own| own.read(report))
                .unwrap_or(if is_bound { Newer::Finish } else { Newer::Supersede });
            environment.automatic_rollback =
                automatic.or(spec.rollback.as_ref().and_then(is_automatic)).unwrap_or(false);
            Some(environment)
        })
        .collect()
}

/// Returns how promotions reach an environment, `inherited` unless it says so itself; what needs a pull request of ours
/// keeps it from going another way.
fn merge_mode(
    document: &At<EnvironmentDocument>,
    environment: &Environment,
    inherited: Option<(Position, Option<MergeMode>)>,
    report: &mut Report<'_>,
) -> MergeMode {
    let own = document.value.merge_mode.as_ref().map(|mode| (mode.position(), mode.read(report)));
    let Some((position, Some(mode))) = own.or(inherited) else { return MergeMode::default() };
    let name = &environment.name;
    if mode == MergeMode::Direct && environment.approvals.is_some() {
        report.mistake(
            position,
            format!("without a pull request nobody can approve what is promoted to {name}"),
            "write `mergeMode: pull-request` there, or remove `approvals`",
        );
    }
    if mode != MergeMode::PullRequest && environment.is_bundle() {
        report.mistake(
            position,
            format!("{name} takes all lanes in one pull request of Hydromote's"),
            "write `mergeMode: pull-request` there, or remove `lanes: all`",
        );
    }
    mode
}

fn is_automatic(rollback: &RollbackDocument) -> Option<bool> {
    rollback.automatic.as_ref().map(|automatic| automatic.value)
}

fn environment(
    At { value: document, position }: &At<EnvironmentDocument>,
    before: Option<&EnvironmentDocument>,
    strategy: &statuses::Both,
    vars: &Vars,
    report: &mut Report<'_>,
) -> Option<Environment> {
    let name = match &document.name {
        Some(name) => identifier(name, EnvironmentName::new, report),
        None => unnamed(&document.branch, report),
    };
    let branch = identifier(&document.branch, BranchName::new, report);
    refuse_long(&document.branch, branch.as_ref(), report);
    let proposed =
        document.proposed_branch.as_ref().map_or(Some(None), |named| proposed(named, branch.as_ref(), report));
    let statuses = strategy.with(&document.active_commit_statuses, &document.proposed_commit_statuses, report);
    if statuses.active.is_empty() {
        report.warning(
            *position,
            format!("environment `{}` has no active commit status", name_of(document)),
            "content counts as verified when it is merged and its soak has passed; add `activeCommitStatuses` to ask more",
        );
    }
    let depends_on = match (&document.depends_on, before) {
        (Some(names), _) => names.iter().filter_map(|name| EnvironmentName::new(name.value.as_str()).ok()).collect(),
        (None, Some(before)) => EnvironmentName::new(name_of(before)).into_iter().collect(),
        (None, None) => Vec::new(),
    };
    let soak = document.soak.as_ref().map_or(Some(SignedDuration::ZERO), |text| soak(text, report));
    let deadline = document.deadline.as_ref().map_or(Some(None), |text| deadline(text, report).map(Some));
    let merge_method = document.merge_method.as_ref().map_or(Some(Default::default()), |method| method.read(report));
    let name = name?;
    let labels = [&document.vars, vars];
    Some(Environment {
        active_statuses: statuses::bind(statuses.active, &name, labels),
        proposed_statuses: statuses::bind(statuses.proposed, &name, labels),
        name,
        branch: branch?,
        proposed: proposed?,
        depends_on,
        auto_merge: document.auto_merge.unwrap_or(true),
        soak: soak?,
        approvals: None,
        deadline: deadline?,
        notify: Vec::new(),
        newer: Newer::Supersede,
        merge_method: merge_method?,
        merge_mode: MergeMode::default(),
        automatic_rollback: false,
        windows: EnvironmentWindows::default(),
        most_open: None,
        proposing: Proposing::default(),
    })
}

/// Returns the branch on which promotions are proposed, when the document names one of its own.
fn proposed(named: &At<String>, active: Option<&BranchName>, report: &mut Report<'_>) -> Option<Option<BranchName>> {
    let proposed = identifier(named, BranchName::new, report)?;
    refuse_long(named, Some(&proposed), report);
    let is_default = active.is_some_and(|active| default_proposed(active.as_str()) == proposed.as_str());
    Some(Some(proposed).filter(|_| !is_default))
}

fn refuse_long(text: &At<String>, branch: Option<&BranchName>, report: &mut Report<'_>) {
    if branch.is_some_and(|branch| branch.as_str().len() > LONGEST_BRANCH) {
        let message = format!("the name of the branch is longer than {LONGEST_BRANCH} characters");
        report.mistake(text.position, message, "choose a shorter one; proposals add to it");
    }
}

/// Returns how long content soaks; so long nothing newer is merged over it.
fn soak(text: &At<DurationText>, report: &mut Report<'_>) -> Option<SignedDuration> {
    let soak = duration(text, report)?;
    if soak > LONGEST_SOAK {
        let message = format!("nothing newer would be promoted for `{}` after each promotion", text.value.0);
        report.mistake(text.position, message, "write a shorter soak, such as `1h`; at most `30d`");
    }
    Some(soak)
}

/// Returns the last segment of the branch as a name.
fn unnamed(branch: &At<String>, report: &mut Report<'_>) -> Option<EnvironmentName> {
    let segment = branch.value.rsplit('/').next().unwrap_or_default();
    let name = EnvironmentName::new(segment).ok();
    if name.is_none() && BranchName::new(branch.value.as_str()).is_ok() {
        report.mistake(
            branch.position,
            format!("the environment has no name, and `{segment}`, the end of its branch, cannot be one"),
            "add `name:` with letters, digits, `-`, `_` and `.`",
        );
    }
    name
}

fn refuse_duplicate_names(spec: &Spec, report: &mut Report<'_>) {
    let mut lines = BTreeMap::new();
    for At { value: document, .. } in &spec.environments.value {
        let name = name_of(document);
        let position = document.name.as_ref().unwrap_or(&document.branch).position;
        if let Some(line) = lines.insert(name.to_lowercase(), position.line) {
            report.mistake(
                position,
                format!("another environment, in line {line}, is called `{name}` too"),
                "give each environment its own `name`; upper and lower case count as equal",
            );
        }
    }
}

/// Returns the deadline that `text` spells, or reports a mistake.
pub(super) fn deadline(text: &At<DurationText>, report: &mut Report<'_>) -> Option<SignedDuration> {
    let deadline = duration(text, report)?;
    if deadline.is_zero() {
        let message = "the deadline is over when the wait begins";
        report.mistake(text.position, message, "write how long it may take, such as `8h`, or remove it");
    }
    Some(deadline)
}

/// Returns the duration that `text` spells, or reports a mistake.
pub(super) fn duration(text: &At<DurationText>, report: &mut Report<'_>) -> Option<SignedDuration> {
    let duration = parse_duration(&text.value.0);
    if is_too_long(&text.value.0) {
        let message = format!("`{}` is longer than a year", text.value.0);
        report.mistake(text.position, message, "write a shorter time, such as `10m` or `2d`");
    } else if duration.is_none() {
        report.mistake(
            text.position,
            format!("`{}` is not a duration", text.value.0),
            "write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year",
        );
    }
    duration
}
