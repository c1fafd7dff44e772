use std::collections::BTreeMap;

use super::*;
use crate::domain::{
    content::Content,
    deployed::Tool,
    ids::{ActiveSha, DrySha, RenderingId},
    run_roots,
    selection::RootLabels,
    snapshot::{ActiveCommit, Record},
    status::Reporter,
    strategy::{StatusScope, key_pattern::KeyPattern},
    world::environment,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

fn rule(key: &str) -> StatusRule {
    let pattern = KeyPattern::parse(key).expect("a pattern");
    StatusRule { pattern, ..StatusRule::of(StatusKey::new(key).expect("a key")) }
}

fn changed(key: &str) -> StatusRule {
    StatusRule { scope: StatusScope::Changed, ..rule(key) }
}

fn at_least(number: u32, key: &str) -> StatusRule {
    StatusRule { at_least: std::num::NonZeroU32::new(number), ..rule(key) }
}

/// What an account reports, by the second.
fn said(key: &str, state: StatusState, second: i64) -> CommitStatus {
    CommitStatus {
        key: StatusKey::new(key).expect("a key"),
        state,
        source: StatusSource::Status,
        reported_at: at(second),
        id: u64::try_from(second).expect("a second"),
        description: String::new(),
        creator: Some(7),
        reporter: Some(Reporter::Account("flux-bot".into())),
    }
}

/// What is proposed with these reports waits for.
fn waits(rule: &StatusRule, reports: &[CommitStatus]) -> Option<String> {
    let reports: Vec<&CommitStatus> = reports.iter().collect();
    status_wait(rule, &reports, at(100)).map(|wait| wait.to_string())
}

/// A run of roots with renderings, that came in this second, with what was reported on its commit.
fn run(name: &str, second: i64, content: &[(&str, &str)], reports: &[CommitStatus]) -> Run {
    let sha = ActiveSha::new(name).expect("a word");
    let content: Content = content
        .iter()
        .map(|(root, id)| (RootName::new(*root).expect("a folder"), RenderingId::new(*id).expect("an id")))
        .collect();
    let report = |status: &CommitStatus| Report { commit: sha.clone(), status: status.clone() };
    Run {
        dry: DrySha::new(name).expect("a word"),
        content,
        commits: vec![ActiveCommit { sha: sha.clone(), arrived_at: at(second), existed_before: false }],
        record: None,
        reports: reports.iter().map(report).collect(),
        roots: Vec::new(),
        ended_at: None,
        restored: None,
        beside: false,
        adopted: None,
        taken_over: None,
    }
}

fn verified(run: Run) -> Run {
    let record = Some(Record::Verified { at: run.since() });
    Run { record, ..run }
}

/// Fills in the roots, newest run first; each root is of the service of its own name.
fn with_roots(mut runs: Vec<Run>) -> Vec<Run> {
    let roots: Vec<RootName> = runs.iter().flat_map(|run| run.content.iter().map(|(root, _)| root.clone())).collect();
    let labels = |root: &RootName| {
        BTreeMap::from([("environment".to_owned(), "dev".to_owned()), ("service".to_owned(), root.to_string())])
    };
    let labels: RootLabels = roots.into_iter().map(|root| (root.clone(), labels(&root))).collect();
    run_roots::fill(&mut runs, &labels);
    runs
}

/// Returns what the newest run waits for under these rules.
fn judged(rules: Vec<StatusRule>, runs: &[Run]) -> String {
    let mut environment = environment("dev", &[]);
    environment.active_statuses = rules;
    judge_run(&environment, &runs[0], at(100)).to_string()
}

const SUCCESS: StatusState = StatusState::Success;
const FAILURE: StatusState = StatusState::Failure;
const PENDING: StatusState = StatusState::Pending;

#[test]
fn all_keys_that_match_must_have_succeeded_and_one_at_least_must_be_there() {
    let all = rule("kustomization/web/*");
    let (east, west) = ("kustomization/web/east", "kustomization/web/west");
    assert_eq!(waits(&all, &[]).as_deref(), Some("has not been reported"));
    assert_eq!(waits(&all, &[said("kustomization/api/east", SUCCESS, 1)]).as_deref(), Some("has not been reported"));
    assert_eq!(waits(&all, &[said(east, SUCCESS, 1), said(west, SUCCESS, 2)]), None);
    assert_eq!(waits(&all, &[said(east, SUCCESS, 1), said(west, PENDING, 2)]).as_deref(), Some("is pending"));
    let flapped = [said(east, SUCCESS, 1), said(east, FAILURE, 2), said(west, SUCCESS, 3)];
    assert_eq!(waits(&all, &flapped).as_deref(), Some("failed"));
    let mended = [flapped.as_slice(), &[said(east, SUCCESS, 4)]].concat();
    assert_eq!(waits(&all, &mended), None, "the newest of each key counts");
}

#[test]
fn a_number_of_successes_is_enough_as_long_as_no_key_has_failed() {
    let (east, west) = ("kustomization/web/east", "kustomization/web/west");
    let reports = [said(east, SUCCESS, 1), said(west, PENDING, 2)];
    assert_eq!(waits(&at_least(1, "kustomization/web/*"), &reports), None);
    let two = at_least(2, "kustomization/web/*");
    assert_eq!(waits(&two, &reports).as_deref(), Some("has succeeded for 1 of 2"));
    assert_eq!(waits(&two, &[]).as_deref(), Some("has succeeded for 0 of 2"));
    let failed = [said(east, SUCCESS, 1), said(west, SUCCESS, 2), said("kustomization/web/north", FAILURE, 3)];
    assert_eq!(waits(&two, &failed).as_deref(), Some("failed"));
    let settling = StatusRule { settle: SignedDuration::from_secs(98), ..two };
    let reports = [said(east, SUCCESS, 1), said(west, SUCCESS, 50)];
    let until = status_wait(&settling, &reports.iter().collect::<Vec<_>>(), at(100)).and_then(|wait| wait.until());
    assert_eq!(until, Some(at(148)), "until the second of them stands");
}

#[test]
fn only_what_the_named_reporter_says_counts() {
    let key = "kustomization/web/east";
    let from = |from| StatusRule { from: Some(from), ..rule(key) };
    let bound = from(Reporter::Account("Flux-Bot".into()));
    assert_eq!(waits(&bound, &[said(key, SUCCESS, 1)]), None, "logins are the same in any case");
    for other in [Some(Reporter::Account("mallory".into())), Some(Reporter::Tool(Tool::Flux)), None] {
        let other = CommitStatus { reporter: other, ..said(key, SUCCESS, 1) };
        assert_eq!(waits(&bound, std::slice::from_ref(&other)).as_deref(), Some("has not been reported"));
        assert_eq!(waits(&rule(key), &[other]), None);
    }
    let tool = CommitStatus { reporter: Some(Reporter::Tool(Tool::Flux)), ..said(key, SUCCESS, 1) };
    assert_eq!(waits(&from(Reporter::Tool(Tool::Flux)), &[tool, said(key, FAILURE, 2)]), None, "nor does a failure");
    let account = CommitStatus { reporter: Some(Reporter::Account("flux".into())), ..said(key, SUCCESS, 1) };
    assert!(waits(&from(Reporter::Tool(Tool::Flux)), &[account]).is_some(), "an account may be called so");
}

#[test]
fn a_key_with_a_label_is_asked_of_each_root() {
    let asked = || vec![rule("kustomization/{service}/*")];
    let reports = [said("kustomization/web/x", SUCCESS, 11)];
    let content = [("web", "1"), ("api", "1")];
    let half = with_roots(vec![run("one", 10, &content, &reports)]);
    assert_eq!(judged(asked(), &half), "`kustomization/api/*` has not been reported");
    let reports = [reports.as_slice(), &[said("kustomization/api/x", SUCCESS, 12)]].concat();
    let whole = with_roots(vec![run("one", 10, &content, &reports)]);
    assert_eq!(judged(asked(), &whole), "is being recorded as verified");
    // Nobody knows what is asked of a root whose labels are not known.
    let unknown = vec![run("one", 10, &content, &reports)];
    assert_eq!(judged(asked(), &unknown), "`kustomization/{service}/*` has not been reported");
    // Roots of other sources have no such label.
    let mut other = whole;
    other[0].roots.iter_mut().for_each(|root| drop(root.labels.remove("service")));
    assert_eq!(judged(asked(), &other), "is being recorded as verified");
}

#[test]
fn only_roots_that_differ_from_what_was_verified_are_asked_about() {
    let asked = || vec![changed("kustomization/{service}/*")];
    let before = verified(run("one", 10, &[("web", "1"), ("api", "1")], &[]));
    let runs = |reports: &[CommitStatus]| {
        with_roots(vec![run("two", 20, &[("web", "2"), ("api", "1")], reports), before.clone()])
    };
    assert_eq!(judged(asked(), &runs(&[])), "`kustomization/web/*` has not been reported");
    let web = said("kustomization/web/x", SUCCESS, 21);
    assert_eq!(judged(asked(), &runs(std::slice::from_ref(&web))), "is being recorded as verified");
    assert_eq!(
        judged(asked(), &runs(&[web, said("kustomization/api/x", FAILURE, 22)])),
        "is being recorded as verified"
    );
    // A promotion that only takes roots away asks nothing.
    let fewer = with_roots(vec![run("two", 20, &[("web", "1")], &[]), before]);
    assert_eq!(judged(asked(), &fewer), "is being recorded as verified");
}

#[test]
fn what_was_never_verified_is_asked_about_after_the_next_commit_too() {
    let asked = || vec![changed("kustomization/{service}/*")];
    let base = verified(run("one", 10, &[("web", "1"), ("api", "1")], &[]));
    let broken = |reports: &[CommitStatus]| run("two", 20, &[("web", "2"), ("api", "2")], reports);
    let fix = |reports: &[CommitStatus]| run("three", 30, &[("web", "3"), ("api", "2")], reports);
    let web = said("kustomization/web/x", SUCCESS, 31);
    let runs = with_roots(vec![fix(std::slice::from_ref(&web)), broken(&[]), base.clone()]);
    assert_eq!(judged(asked(), &runs), "`kustomization/api/*` has not been reported");
    // What was reported of it on the commit before holds: it is the same rendering.
    let api = said("kustomization/api/x", SUCCESS, 21);
    let runs = with_roots(vec![fix(std::slice::from_ref(&web)), broken(std::slice::from_ref(&api)), base.clone()]);
    assert_eq!(judged(asked(), &runs), "is being recorded as verified");
    let late = said("kustomization/api/x", FAILURE, 33);
    let runs = with_roots(vec![fix(std::slice::from_ref(&web)), broken(&[api, late]), base.clone()]);
    assert_eq!(judged(asked(), &runs), "`kustomization/api/*` failed");
    // Of another rendering it says nothing, and of another root neither.
    let other = said("kustomization/web/x", SUCCESS, 21);
    let runs = with_roots(vec![fix(&[]), broken(&[other]), base]);
    assert_eq!(judged(asked(), &runs), "`kustomization/api/*` has not been reported");
}

#[test]
fn a_rendering_that_came_back_is_asked_about_again() {
    let asked = || vec![changed("kustomization/{service}/*")];
    let runs = with_roots(vec![
        run("three", 30, &[("web", "1")], &[]),
        run("two", 20, &[("web", "2")], &[]),
        verified(run("one", 10, &[("web", "1")], &[said("kustomization/web/x", SUCCESS, 11)])),
    ]);
    assert_eq!(judged(asked(), &runs), "`kustomization/web/*` has not been reported");
}

#[test]
fn a_failure_under_a_pattern_is_the_failure_of_its_key() {
    let mut environment = environment("dev", &[]);
    environment.active_statuses = vec![rule("kustomization/{service}/*")];
    let reports = [said("kustomization/web/x", SUCCESS, 11), said("kustomization/web/x", FAILURE, 12)];
    let runs = with_roots(vec![run("one", 10, &[("web", "1")], &reports)]);
    assert!(ever_failed(&environment, &runs[0]));
    assert_eq!(failure(&environment, &runs[0]).map(|report| report.status.id), Some(12));
    assert_eq!(successes(&environment, &runs[0]).len(), 1);
}

#[test]
fn a_check_that_two_apps_run_needs_both_and_the_newest_run_of_each() {
    let run = |app: &str, state, second| CommitStatus {
        source: StatusSource::CheckRun,
        reporter: Some(Reporter::Account(app.into())),
        ..said("ci", state, second)
    };
    use StatusState::{Failure, Pending, Success};
    let waits = |reports: &[CommitStatus]| waits(&rule("ci"), reports);
    assert_eq!(waits(&[run("one[bot]", Failure, 1), run("one[bot]", Success, 2)]), None);
    let masked = [run("one[bot]", Failure, 1), run("other[bot]", Success, 2)];
    assert_eq!(waits(&masked).as_deref(), Some("failed"));
    let again = [run("one[bot]", Success, 1), run("other[bot]", Success, 2), run("one[bot]", Pending, 3)];
    assert!(waits(&again).is_some_and(|wait| wait != "failed"));
    // Whoever posts a status says what it is now, as on every forge.
    let by = |who: &str, state, second| CommitStatus {
        reporter: Some(Reporter::Account(who.into())),
        ..said("ci", state, second)
    };
    assert_eq!(waits(&[by("ada", Failure, 1), by("grace", Success, 2)]), None);
}
