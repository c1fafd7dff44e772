//! gitops-promoter's strategies, and the gates beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    argocd::Application,
    documents::{Document, ImportMistake},
};
use crate::domain::strategy::{
    duration::parse_duration,
    proposal::{plain_name, rank},
};

const GROUP: &str = "promoter.argoproj.io";

/// What becomes one strategy.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) name: String,
    pub(super) active: Vec<String>,
    pub(super) proposed: Vec<String>,
    pub(super) environments: Vec<Stage>,
    /// What is not carried over.
    pub(super) lost: Vec<String>,
}

/// What becomes one environment.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) branch: String,
    pub(super) auto_merge: bool,
    pub(super) active: Vec<String>,
    pub(super) proposed: Vec<String>,
    pub(super) soak: Option<String>,
    pub(super) allow: Vec<Window>,
    pub(super) deny: Vec<Window>,
    pub(super) lost: Vec<String>,
}

/// One window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) cron: String,
    pub(super) duration: String,
    pub(super) timezone: String,
    pub(super) reason: Option<String>,
}

const KINDS: [&str; 12] = [
    "PromotionStrategy",
    "ChangeTransferPolicy",
    "ArgoCDCommitStatus",
    "TimedCommitStatus",
    "ScheduledCommitStatus",
    "GitCommitStatus",
    "WebRequestCommitStatus",
    "GitRepository",
    "ScmProvider",
    "ClusterScmProvider",
    "CommitStatus",
    "PullRequest",
];

pub(super) fn is_known(document: &Document) -> bool {
    document.group == GROUP && KINDS.contains(&document.kind.as_str())
}

/// Returns the strategies; one is made of the applications where there is none.
pub(super) fn pipelines(
    name: &str,
    documents: &[Document],
    applications: &[Application],
    notes: &mut Vec<String>,
) -> Result<Vec<Pipeline>, ImportMistake> {
    let of = |kind: &'static str| documents.iter().filter(move |d| d.group == GROUP && d.kind == kind);
    let mut pipelines: Vec<Pipeline> = of("PromotionStrategy").map(strategy).collect::<Result<_, _>>()?;
    let policies: Vec<&Document> = of("ChangeTransferPolicy").collect();
    if pipelines.is_empty() && !policies.is_empty() {
        pipelines.push(of_policies(name, &policies, notes)?);
    }
    if pipelines.is_empty() && !applications.is_empty() {
        pipelines.push(of_applications(name, applications, notes));
    }
    for document in documents.iter().filter(|document| document.group == GROUP) {
        match pipelines.iter_mut().find(|pipeline| is_for(document, pipeline)) {
            Some(pipeline) => gate(document, pipeline)?,
            None => notes.extend(beside(document)),
        }
    }
    Ok(pipelines)
}

fn is_for(document: &Document, pipeline: &Pipeline) -> bool {
    document.text("/spec/promotionStrategyRef/name") == Some(&pipeline.name)
}

fn keys(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(|status| status["key"].as_str().map(str::to_owned)).collect()
}

fn strategy(document: &Document) -> Result<Pipeline, ImportMistake> {
    let stages = document.list("/spec/environments");
    if stages.is_empty() {
        return Err(document.mistake("`spec.environments` is missing or empty; it names at least one `branch`"));
    }
    let mut branches = Vec::new();
    for (position, stage) in stages.iter().enumerate() {
        let branch = stage["branch"].as_str().filter(|branch| !branch.is_empty());
        let missing = || document.mistake(format!("`spec.environments[{position}].branch` is missing"));
        branches.push(branch.ok_or_else(missing)?.to_owned());
    }
    let names = names(&branches);
    let environments = stages.iter().zip(branches).zip(names).map(|((stage, branch), name)| {
        let list = |field: &str| keys(stage[field].as_array().map_or(&[], Vec::as_slice));
        let lost = stage["activePath"].as_str().map(active_path).into_iter().collect();
        Stage {
            name,
            branch,
            auto_merge: stage["autoMerge"] != false,
            active: list("activeCommitStatuses"),
            proposed: list("proposedCommitStatuses"),
            lost,
            ..Stage::default()
        }
    });
    let mut lost: Vec<String> = document.text("/spec/activePath").map(active_path).into_iter().collect();
    if document.at("/spec/pullRequest").is_some() {
        lost.push("`pullRequest` (labels by expression) is not carried over".to_owned());
    }
    Ok(Pipeline {
        name: document.name.clone(),
        active: keys(document.list("/spec/activeCommitStatuses")),
        proposed: keys(document.list("/spec/proposedCommitStatuses")),
        environments: environments.collect(),
        lost,
    })
}

fn active_path(path: &str) -> String {
    format!("`activePath: {path}` is not carried over: outputs say which folders of a branch are whose")
}

/// Returns a name for each branch: its last segment, or all of it where that is not enough.
fn names(branches: &[String]) -> Vec<String> {
    let last = |branch: &String| plain_name(branch.rsplit('/').next().unwrap_or(branch));
    let unique: BTreeSet<String> = branches.iter().map(|branch| last(branch).to_ascii_lowercase()).collect();
    let is_enough = unique.len() == branches.len();
    branches.iter().map(|branch| if is_enough { last(branch) } else { plain_name(&branch.replace('/', "-")) }).collect()
}

fn of_policies(name: &str, policies: &[&Document], notes: &mut Vec<String>) -> Result<Pipeline, ImportMistake> {
    let mut stages = Vec::new();
    for document in policies {
        let branch = document.text("/spec/activeBranch");
        let branch = branch.ok_or_else(|| document.mistake("`spec.activeBranch` is missing"))?.to_owned();
        let proposed = document.text("/spec/proposedBranch").filter(|proposed| *proposed != format!("{branch}-next"));
        let mut lost: Vec<String> =
            proposed.map(|p| format!("`proposedBranch: {p}` is always `{branch}-next` here")).into_iter().collect();
        lost.extend(document.text("/spec/activePath").map(active_path));
        stages.push(Stage {
            name: names(std::slice::from_ref(&branch)).remove(0),
            branch,
            auto_merge: document.at("/spec/autoMerge") != Some(&Value::Bool(false)),
            active: keys(document.list("/spec/activeCommitStatuses")),
            proposed: keys(document.list("/spec/proposedCommitStatuses")),
            lost,
            ..Stage::default()
        });
    }
    stages.sort_by_key(|stage| rank(&stage.name));
    notes.push("Policies say nothing about the order of environments: it was guessed by their names.".to_owned());
    Ok(Pipeline {
        name: plain_name(name),
        active: Vec::new(),
        proposed: Vec::new(),
        environments: stages,
        lost: Vec::new(),
    })
}

fn of_applications(name: &str, applications: &[Application], notes: &mut Vec<String>) -> Pipeline {
    let unique: BTreeSet<&String> = applications.iter().map(|application| &application.branch).collect();
    let branches: Vec<String> = unique.into_iter().cloned().collect();
    let named = names(&branches);
    let stage = |(branch, name)| Stage { name, branch, auto_merge: true, ..Stage::default() };
    let mut environments: Vec<Stage> = branches.into_iter().zip(named).map(stage).collect();
    environments.sort_by_key(|stage| rank(&stage.name));
    notes.push("No PromotionStrategy was given: environments, their order and gates were guessed.".to_owned());
    let active = vec!["health".to_owned()];
    Pipeline { name: plain_name(name), active, proposed: Vec::new(), environments, lost: Vec::new() }
}

/// Carries a gate over.
fn gate(document: &Document, pipeline: &mut Pipeline) -> Result<(), ImportMistake> {
    let key = |fallback: &str| document.text("/spec/key").unwrap_or(fallback).to_owned();
    match document.kind.as_str() {
        "TimedCommitStatus" => timed(document, &key("timer"), pipeline),
        "ScheduledCommitStatus" => scheduled(document, &key("schedule"), pipeline),
        "ArgoCDCommitStatus" => {
            let key = key("argocd-health");
            pipeline.lost.push(format!(
                "{}: Hydromote does not watch applications; have Argo CD's notifications report `{key}` on the commit \
                 that they synced",
                document.place()
            ));
        }
        "GitCommitStatus" => {
            let key = key("its key");
            pipeline.lost.push(format!(
                "{} (`{}`) is not carried over; a branch that somebody changes stops by itself here, anything else has to \
                 report `{key}`",
                document.place(),
                document.text("/spec/expression").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
            ));
        }
        "WebRequestCommitStatus" => {
            let key = key("its key");
            pipeline
                .lost
                .push(format!("{} is not carried over; whatever it asks has to report `{key}`", document.place()));
        }
        _ => pipeline.lost.push(format!("{} is not carried over", document.place())),
    }
    Ok(())
}

/// Says of a document that belongs to no strategy what becomes of it.
fn beside(document: &Document) -> Option<String> {
    let place = document.place();
    match document.kind.as_str() {
        "PromotionStrategy" | "ChangeTransferPolicy" | "PullRequest" => None,
        "GitRepository" => Some(format!("{place}: which repositories are served stands in hydromote.toml.")),
        "ScmProvider" | "ClusterScmProvider" => {
            Some(format!("{place}: forges and credentials stand in hydromote.toml."))
        }
        "CommitStatus" => Some(format!("{place}: report it on the forge, or with `hydromote report`.")),
        _ => Some(format!("{place} is for a strategy that was not given, and was not read.")),
    }
}

/// Each stage of a gate's list, by branch.
fn of_branches(document: &Document) -> BTreeMap<String, &Value> {
    let stages = document.list("/spec/environments").iter();
    stages.filter_map(|stage| Some((stage["branch"].as_str()?.to_owned(), stage))).collect()
}

/// A timer is a soak; its key goes.
fn timed(document: &Document, key: &str, pipeline: &mut Pipeline) {
    let timers = of_branches(document);
    let is_asked_everywhere = pipeline.active.iter().any(|active| active == key);
    pipeline.active.retain(|active| active != key);
    for stage in &mut pipeline.environments {
        let is_asked = is_asked_everywhere || stage.active.iter().any(|active| active == key);
        stage.active.retain(|active| active != key);
        let timer = timers.get(&stage.branch).and_then(|timer| timer["duration"].as_str());
        match timer.map(|text| (text, duration_text(text))) {
            Some((_, Some(text))) if is_asked => stage.soak = Some(text),
            Some((text, None)) => {
                stage.lost.push(format!("the timer `{text}` is no duration that could be carried over"))
            }
            Some((text, _)) => stage.lost.push(format!("the timer `{text}` was asked for by nothing (`{key}`)")),
            None if is_asked => stage.lost.push(format!("`{key}` was asked for, and has no timer for this branch")),
            None => {}
        }
    }
}

/// Returns a duration as the strategy writes it.
fn duration_text(text: &str) -> Option<String> {
    let text = text.trim();
    let parts = ["0s", "0m"].iter().fold(text, |text, end| {
        text.strip_suffix(end).filter(|rest| rest.ends_with(|c: char| c.is_ascii_alphabetic())).unwrap_or(text)
    });
    parse_duration(parts).map(|_| parts.to_owned())
}

fn scheduled(document: &Document, key: &str, pipeline: &mut Pipeline) {
    let zone = document.text("/spec/timezone").unwrap_or("UTC").to_owned();
    let whole = |field: &str| windows(document.list(&format!("/spec/{field}")), &zone);
    let (allow, deny) = (whole("allow"), whole("exclude"));
    pipeline.lost.extend(allow.1.into_iter().chain(deny.1));
    let (allow, deny) = (allow.0, deny.0);
    let stages = of_branches(document);
    pipeline.proposed.retain(|one| one != key);
    for stage in &mut pipeline.environments {
        stage.proposed.retain(|one| one != key);
        let own = stages.get(&stage.branch);
        let list = |field: &str| own.and_then(|own| own[field].as_array()).map_or(&[][..], Vec::as_slice);
        let (own_allow, own_deny) = (windows(list("allow"), &zone), windows(list("exclude"), &zone));
        stage.allow.extend(allow.iter().cloned().chain(own_allow.0));
        stage.deny.extend(deny.iter().cloned().chain(own_deny.0));
        stage.lost.extend(own_allow.1.into_iter().chain(own_deny.1));
    }
}

/// Returns the windows of a list, and words about those that cannot be carried over.
fn windows(list: &[Value], zone: &str) -> (Vec<Window>, Vec<String>) {
    let window = |value: &Value| {
        Some(Window {
            cron: value["cron"].as_str()?.to_owned(),
            duration: duration_text(value["duration"].as_str()?)?,
            timezone: value["timezone"].as_str().unwrap_or(zone).to_owned(),
            reason: value["description"].as_str().map(str::to_owned),
        })
    };
    let (mut read, mut lost) = (Vec::new(), Vec::new());
    for value in list {
        match window(value) {
            Some(window) => read.push(window),
            None => lost.push(format!(
                "the window {value} is not carried over: it needs a `cron` and a `duration` such as `2h`"
            )),
        }
    }
    (read, lost)
}
