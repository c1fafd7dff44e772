//! Everything that a text may have to say, once each: what proves the texts of users at the start.
//!
//! They are made by the functions that make the real contexts, so that they cannot differ in form.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Changes, DryText, Form, PartText, PromotionText, RendererChange, RestoreText, RollbackText,
    comment::{Standing, StatusText, answer_context, status_context},
    dry_comment::{DryRow, DryStage, DryStatusText, dry_status_context},
    merge_context,
    overdue::{OverdueText, overdue_context},
    promotion_context, pull_request_context, readme_context, restore_context, rollback_context,
    strategy::{StrategyOutcome, StrategySection},
    template::{
        ANSWER, BODY, COMMIT, DRY_STATUS, MERGE, OVERDUE, README, RESTORE_BODY, RESTORE_COMMIT, RESTORE_TITLE,
        ROLLBACK_BODY, ROLLBACK_COMMIT, ROLLBACK_TITLE, STATUS, TITLE,
    },
};
use crate::domain::{
    comment::{Answer, Outcome, Verb},
    drift::{Drift, Restore},
    fate::Fate,
    gate::{ClosedGate, Gate, Verdict},
    hydration::HydrationFailure,
    ids::{
        ActiveSha, BranchName, DrySha, EnvironmentName, HeadSha, LaneName, Place, ProposedSha, PullRequestNumber,
        RepositoryId, RootName, StrategyId, StrategyName,
    },
    overdue::{Overdue, Wait, Waiting},
    permission::{Grant, Grantee, Permission},
    plan::{Notice, PlaceView, RunningView},
    preview::{
        ChangedResource, Counts, EnvironmentResult, Extent, Preview, Previewed, PreviewedEnvironment, Resource,
        ResourceChange, Risk,
    },
    strategy_change::{ChangeOverride, Effect, Loss, StrategyChange},
};

const SERVICE: Option<&str> = Some("https://hydromote.example.com");

const PAGE: Option<&str> = Some("https://hydromote.example.com/strategies/acme/shop/shop");

/// Returns the contexts of every text, by its name.
pub(super) fn contexts() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (text, page, automatic) in
        [(promotion(), PAGE, true), (first_promotion(), None, false), (bundle(), PAGE, false)]
    {
        let pull_request = |form| pull_request_context(&text, automatic, "hydromote/dev", page, form);
        let (rollback, restore) = (rollback(automatic), restore(automatic));
        all.extend([
            (COMMIT, promotion_context(&text, Form::Plain)),
            (TITLE, pull_request(Form::Plain)),
            (BODY, pull_request(Form::Markdown)),
            (README, readme_context(&root("shop"), &text.dry, "https://example.com/acme/shop", &commands())),
            (ROLLBACK_TITLE, rollback.context(Form::Plain)),
            (ROLLBACK_COMMIT, rollback.context(Form::Plain)),
            (ROLLBACK_BODY, rollback_context(&rollback, page)),
            (RESTORE_TITLE, restore.context(Form::Plain)),
            (RESTORE_COMMIT, restore.context(Form::Plain)),
            (RESTORE_BODY, restore_context(&restore, page)),
        ]);
    }
    all.push((MERGE, merge_context(&["dev is verified".to_owned(), "`change-ticket` succeeded".to_owned()])));
    all.push((MERGE, merge_context(&[])));
    all.extend(comments());
    all
}

fn comments() -> Vec<(&'static str, Value)> {
    let (busy, idle) = (busy_place(), idle_place());
    let answers: Vec<Answer> = outcomes()
        .into_iter()
        .map(|outcome| Answer { by: "ada".to_owned(), line: "/promote".to_owned(), outcome })
        .collect();
    let places = std::slice::from_ref(&busy);
    let text = |place, standing, status_url| StatusText {
        place,
        bundle: &[],
        places,
        standing,
        answers: &answers,
        bot: "hydromote[bot]",
        status_url,
    };
    let open = text(&busy, Standing::Open, PAGE);
    let mut all: Vec<_> =
        answers.iter().map(|answer| (ANSWER, answer_context(answer, &[&busy], "hydromote[bot]"))).collect();
    let said = [(&answers[0], "This comment says how it stands.".to_owned())];
    all.extend([
        (STATUS, status_context(&open, &said)),
        (STATUS, status_context(&text(&busy, Standing::Ended, None), &said)),
        (STATUS, status_context(&text(&idle, Standing::Open, None), &[])),
        (STATUS, status_context(&text(&idle, Standing::Ended, PAGE), &[])),
        (STATUS, status_context(&StatusText { bundle: &[&busy, &idle], ..open }, &said)),
    ]);
    all.extend(dry_comments(&busy, &idle, &said));
    all.extend(
        [(&[Grantee::User("ada".to_owned())][..], PAGE), (&[], None)]
            .map(|(people, page)| (OVERDUE, overdue(people, page))),
    );
    all
}

fn overdue(people: &[Grantee], status_url: Option<&str>) -> Value {
    let waiting = Waiting::Proposal { proposed: proposed("proposed-1"), number: PullRequestNumber(7) };
    let overdue = Overdue { wait: Wait::new("approvals", &waiting), words: "waits for an approval".to_owned() };
    let overdue = &[overdue];
    overdue_context(&OverdueText { place: &place(), overdue, people, organisation: "acme", status_url })
}

fn dry_comments(
    busy: &PlaceView,
    idle: &PlaceView,
    said: &[(&Answer, String)],
) -> impl Iterator<Item = (&'static str, Value)> {
    let strategy = |name| StrategyId {
        repository: RepositoryId::new("acme/shop").expect("because it is an owner and a name"),
        name: StrategyName::new(name).expect("because it is a name"),
    };
    let (shop, web) = (strategy("shop"), strategy("web"));
    let (branch, head) = (BranchName::new("main").expect("because it is a branch"), head());
    let row = |strategy, view, fate: Option<Fate>| {
        let foretold = fate.as_ref().map(|fate| *fate == Fate::Pending);
        DryRow { strategy, view, fate, foretold }
    };
    let (previews, strategies) = (previews(), strategies());
    let known = [row(&shop, busy, Some(Fate::Proposed)), row(&web, idle, Some(Fate::Pending))];
    let unknown = [row(&shop, busy, None), row(&shop, idle, None)];
    let merged = DryStage::Merged(dry());
    let stages: [(_, &[DryRow<'_>], _, _); 7] = [
        (&DryStage::Open, &unknown, false, SERVICE),
        (&DryStage::Open, &[], false, SERVICE),
        (&DryStage::Closed, &unknown, true, None),
        (&merged, &known, false, SERVICE),
        (&merged, &known, true, None),
        (&merged, &unknown, false, SERVICE),
        (&merged, &[], false, SERVICE),
    ];
    let mut contexts = Vec::new();
    for (stage, rows, over, public_url) in stages {
        for preview in previews.iter().map(Some).chain([None]) {
            let (bot, awaits) = ("hydromote[bot]", Some(&head).filter(|_| preview.is_none()));
            let text = DryStatusText {
                branch: &branch,
                stage,
                rows,
                preview,
                strategies: if preview.is_some() { &strategies } else { &[] },
                awaits,
                over,
                answers: &[],
                bot,
                public_url,
            };
            contexts.push((DRY_STATUS, dry_status_context(&text, said)));
        }
    }
    contexts.into_iter()
}

/// Returns a strategy of each sort.
fn strategies() -> Vec<StrategySection> {
    let place =
        Place { environment: EnvironmentName::new("prod").expect("because it is a name"), lane: LaneName::single() };
    let gate =
        Loss::Gate { place: place.clone(), dry: dry(), what: "would be merged without a person asking for it".into() };
    let change = StrategyChange { effects: vec![Effect::Merges { place, dry: dry() }], losses: vec![gate] };
    let word = ChangeOverride { by: "ada".into(), reason: "the audit is over".into(), at: Timestamp::UNIX_EPOCH };
    let outcomes = [
        StrategyOutcome::Mistakes("hydromote.yaml:3:1: `surces` is not a field here".into()),
        StrategyOutcome::New,
        StrategyOutcome::Changes { change: StrategyChange::default(), accepted: None },
        StrategyOutcome::Changes { change: change.clone(), accepted: None },
        StrategyOutcome::Changes { change, accepted: Some(word) },
    ];
    let name = StrategyName::new("shop").expect("because it is a name");
    outcomes.into_iter().map(|outcome| StrategySection { name: name.clone(), outcome }).collect()
}

/// Returns a preview of each sort.
fn previews() -> Vec<Preview> {
    let environment = |name: &str, result| PreviewedEnvironment {
        strategy: StrategyName::new("shop").expect("because it is a name"),
        environment: EnvironmentName::new(name).expect("because it is a name"),
        result,
    };
    let counts = Counts { removed: 1, changed: 2, added: 0 };
    let kept = BTreeMap::from([(root("web"), "web/values.yaml:3: no map".to_owned())]);
    let file = Some("deploy/a.yaml".to_owned());
    let failure = HydrationFailure { file, line: Some(3), message: "no map".to_owned(), retry_at: None };
    let environments = vec![
        environment(
            "dev",
            EnvironmentResult::Changes {
                counts,
                roots: BTreeMap::new(),
                kept,
                broken: BTreeSet::new(),
                uncompared: BTreeSet::new(),
            },
        ),
        environment("prod", EnvironmentResult::Failed { failure }),
        environment("test", EnvironmentResult::Mended { roots: BTreeMap::new() }),
        environment("old", EnvironmentResult::Gone),
    ];
    let (kind, name) = ("Namespace".to_owned(), "shop".to_owned());
    let changed = ChangedResource {
        resource: Resource { group: String::new(), kind, namespace: String::new(), name },
        change: ResourceChange::Removed,
        risk: Some(Risk::Namespace),
        environments: vec!["dev".to_owned()],
        difference: "-a\n".to_owned(),
        extent: Extent::Whole,
    };
    let unknown = ChangedResource { risk: None, difference: String::new(), ..changed.clone() };
    let rendered = Previewed::Rendered { environments, resources: vec![changed, unknown], more: 2 };
    let nothing = Previewed::Rendered { environments: Vec::new(), resources: Vec::new(), more: 0 };
    let conflict = Previewed::Conflict { paths: vec!["deploy/a.yaml".to_owned()] };
    let unavailable = Previewed::Unavailable { message: "it could not be read".to_owned() };
    let preview = |outcome| Preview { head: head(), dry: dry(), strategy_files: None, outcome };
    [rendered, nothing, conflict, unavailable].map(preview).into()
}

fn head() -> HeadSha {
    HeadSha::new("fedcba9876543210fedcba9876543210fedcba98").expect("because it is an id")
}

/// Returns every outcome of a command; a test holds them against the built-in answers.
pub(super) fn outcomes() -> Vec<Outcome> {
    let (dry, verb) = (dry(), Verb::Promote);
    let promoting = |sha: &str| Outcome::Promoting { place: place(), proposed: proposed(sha), dry: Some(dry.clone()) };
    let lacks_right = |grant, unread: &[&str]| Outcome::LacksRight {
        verb,
        needs: Permission::Write,
        has: Permission::Read,
        grant,
        unread: unread.iter().map(|people| (*people).to_owned()).collect(),
        repository: None,
    };
    let diff = |files, cut| Outcome::Diff { place: place(), files, added: 1, removed: 0, patch: "+a".to_owned(), cut };
    vec![
        Outcome::Status,
        Outcome::Help,
        diff(0, false),
        diff(2, true),
        promoting("proposed-1"),
        promoting("proposed-0"),
        Outcome::Held { place: place() },
        Outcome::Released { place: place(), what: "the hold of ada".to_owned() },
        Outcome::RollingBack { place: place(), from: dry.clone(), to: dry.clone() },
        Outcome::Restoring { place: place(), over: "b1a2c3d".to_owned() },
        Outcome::Adopted { place: place(), commit: active("b1a2c3d4") },
        Outcome::Rejected { dry: dry.clone(), runs_in: vec![place()] },
        Outcome::Rejected { dry: dry.clone(), runs_in: Vec::new() },
        Outcome::Unrejected { dry: dry.clone() },
        Outcome::Overridden { head: head() },
        Outcome::Previewing { head: head() },
        Outcome::Retried,
        Outcome::Refused { message: "No.".to_owned(), help: "Yes.".to_owned() },
        lacks_right(None, &[]),
        lacks_right(Some(Grant::Promote), &["team:qa"]),
        Outcome::Moved { place: place() },
        Outcome::Ended { place: place(), open: Some(PullRequestNumber(9)) },
        Outcome::Ended { place: place(), open: None },
        Outcome::TooMany { limit: 10 },
        Outcome::NotYet { verb },
        Outcome::Interrupted,
        Outcome::Forgotten,
    ]
}

fn promotion() -> PromotionText {
    let changes = Changes {
        added: vec!["`web`".to_owned()],
        changed: vec!["`shop`".to_owned(), "`api`".to_owned()],
        removed: vec!["`old`".to_owned()],
    };
    let shop = root("shop");
    let renderers = RendererChange::of([(&shop, "helm v3.17.3", "helm v4.3.1")].into_iter());
    PromotionText { dry: commit(), place: place(), changes, parts: Vec::new(), renderers }
}

/// Returns one that two lanes share.
fn bundle() -> PromotionText {
    let part = |lane: &str| PartText {
        lane: LaneName::new(lane).expect("because it is a name"),
        dry: commit(),
        changes: Changes {
            changed: vec![format!("`{lane}`")],
            added: vec!["`web`".to_owned()],
            removed: vec!["`old`".to_owned()],
        },
    };
    PromotionText { parts: vec![part("cart"), part("pay")], ..promotion() }
}

/// Returns one that changes no root: only the commit is another.
fn first_promotion() -> PromotionText {
    PromotionText {
        dry: commit(),
        place: place(),
        changes: Changes::default(),
        parts: Vec::new(),
        renderers: Vec::new(),
    }
}

fn rollback(automatic: bool) -> RollbackText {
    let text = RollbackText::new(&place(), commit(), commit(), "ada", automatic, "`health` failed");
    if automatic { text } else { text.only(&BTreeSet::from([root("shop")])) }
}

/// Returns one that somebody gave a reason for, and whose author is known; or neither.
fn restore(known: bool) -> RestoreText {
    let drift = Drift::of_commit(active("b1a2c3d4"), "eve".into(), vec!["shop".into(), "web".into()], None);
    let drift = Drift { author: drift.author.clone().filter(|_| known), ..drift };
    let reason = if known { "nobody asked for it" } else { "" };
    let restore =
        Restore { of: drift.newest.clone(), by: "ada".into(), reason: reason.into(), at: Timestamp::UNIX_EPOCH };
    RestoreText::new(&place(), commit(), &drift, &restore)
}

fn active(name: &str) -> ActiveSha {
    ActiveSha::new(name).expect("a word")
}

fn commit() -> DryText {
    DryText::new(&dry(), "bump the image", "ada <ada@example.com>")
}

fn commands() -> Vec<String> {
    vec!["kustomize build overlays/dev".to_owned()]
}

/// Returns a place where something waits, and everything is known.
pub(super) fn busy_place() -> PlaceView {
    let notice = Notice::HydrationFailed { dry: dry(), message: "deploy/a.yaml:3: no map".to_owned(), retry_at: None };
    let gate = Gate::Forge { words: "a review is missing".to_owned() };
    let running =
        RunningView { dry: dry(), since: Timestamp::UNIX_EPOCH, verdict: Verdict::Verified, roots: 1, adopted: None };
    PlaceView {
        running: Some(running),
        wanted: Some(dry()),
        proposed: Some(proposed("proposed-1")),
        pull_request: Some(PullRequestNumber(7)),
        gates: vec![ClosedGate { gate, since: Timestamp::UNIX_EPOCH, until: None, deadline: None, is_overdue: false }],
        notices: vec![notice],
        ..idle_place()
    }
}

/// Returns a place where nothing runs and nothing waits.
fn idle_place() -> PlaceView {
    PlaceView {
        active: Some(ActiveSha::new("active-1").expect("because it is an id")),
        ..PlaceView::empty(place(), BranchName::new("env/dev").expect("because it is a branch"))
    }
}

fn place() -> Place {
    let environment = EnvironmentName::new("dev").expect("because it is a name");
    Place { environment, lane: LaneName::single() }
}

fn dry() -> DrySha {
    DrySha::new("0123456789abcdef0123456789abcdef01234567").expect("because it is an id")
}

fn proposed(id: &str) -> ProposedSha {
    ProposedSha::new(id).expect("because it is an id")
}

fn root(name: &str) -> RootName {
    RootName::new(name).expect("because it is a folder")
}

#[cfg(test)]
mod tests {
    use super::{super::TEMPLATES, *};

    /// Adds the names of everything that a template can say.
    fn names(value: &Value, name: &str, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    names(field, &if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, into);
                }
            }
            Value::Array(entries) if entries.iter().any(Value::is_object) => {
                entries.iter().for_each(|entry| names(entry, &format!("{name}[]"), into));
            }
            // What is in no list that is empty is in one that is not.
            Value::Array(entries) if entries.is_empty() => {}
            _ => drop(into.insert(name.to_owned())),
        }
    }

    #[test]
    fn the_variables_that_are_named_are_those_that_are_there() {
        for template in TEMPLATES {
            let mut there = BTreeSet::new();
            for (_, context) in contexts().into_iter().filter(|(name, _)| *name == template.name) {
                names(&context, "", &mut there);
            }
            let named: BTreeSet<String> = template.variables.iter().map(|v| v.name.to_owned()).collect();
            assert_eq!(there, named, "{}", template.name);
        }
    }

    #[test]
    fn every_outcome_that_is_answered_is_a_sample_and_is_documented() {
        let template = TEMPLATES.iter().find(|template| template.name == ANSWER).expect("is there");
        let answered: BTreeSet<&str> =
            template.built_in.split("outcome == \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let contexts: Vec<Value> = contexts().into_iter().filter(|(name, _)| *name == ANSWER).map(|(_, c)| c).collect();
        let samples: BTreeSet<&str> = contexts.iter().filter_map(|context| context["outcome"].as_str()).collect();
        assert_eq!(samples, answered);
        for variable in template.variables {
            let with = contexts.iter().filter(|c| c.get(variable.name.split('[').next().unwrap_or_default()).is_some());
            let with: BTreeSet<&str> = with.filter_map(|context| context["outcome"].as_str()).collect();
            let is_named = |outcome: &&str| variable.about.contains(&format!("`{outcome}`"));
            let named: BTreeSet<&str> = samples.iter().copied().filter(|outcome| is_named(outcome)).collect();
            assert!(with == samples || with == named, "`{}` is there for {with:?}, not {named:?}", variable.name);
        }
        let outcome = template.variables.iter().find(|variable| variable.name == "outcome").expect("is there");
        assert!(samples.iter().all(|name| outcome.about.contains(&format!("`{name}`"))), "{}", outcome.about);
    }
}
