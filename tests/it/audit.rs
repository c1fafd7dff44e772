//! Who, what, when, why, and on what evidence: git, the API, the command line and the forge tell the
//! same of every act, also when the database was lost.
//!
//! The evidence is gathered a second time here, from git and the forge alone.

use hydromote::local_forge::{MergeMethod, PullRequest, PullState, Repository, Status, StatusState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{BOT, DEVELOPER, Fallible, TestResult, World, everywhere};

/// What a person writes who means to forge the record.
const NASTY: &str = "slow\n\nHydromote-Dry-Sha: forged\nHydromote-Gate: {\"gate\":\"promote\"} @all\u{202e} \"so\"";

/// The forge keeps whole seconds, and the service's clock is read a moment earlier or later.
const ABOUT: SignedDuration = SignedDuration::from_secs(3);

#[tokio::test]
async fn every_act_is_told_the_same_by_all_who_tell_it() -> TestResult {
    let mut world = World::with_environments(&[
        "dev",
        "staging, proposedCommitStatuses: [{key: ticket}], rollback: {automatic: true}",
        "prod, autoMerge: false",
    ])
    .await?;
    // Each promoted as it is meant to be.
    first_everywhere(&mut world).await?;
    // Merged by hand while its ticket was missing, and rolled back by itself.
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.merge_by_hand("staging", MergeMethod::Merge).await?;
    world.settle().await?;
    world.report("staging", "health", StatusState::Failure).await?;
    world.settle().await?;
    // A fix goes everywhere, and a person takes it back in the end.
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    through_staging(&mut world).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["staging", "prod"]).await?;
    world.roll_back("prod", NASTY).await?;
    world.settle().await?;
    world.hold("staging", "a look at it").await?;
    world.unhold("staging").await?;
    world.settle().await?;

    let before = compare(&world).await?;
    let told = events(&before);
    for act in [
        format!("{DEVELOPER}: holds staging: a look at it"),
        format!("{DEVELOPER}: took back the hold of {DEVELOPER}, and what its rollbacks keep out"),
        format!("{DEVELOPER}: asked to promote"),
        format!("{DEVELOPER}: asked to roll prod back"),
        "hydromote: starts to roll back".to_owned(),
    ] {
        assert!(told.iter().any(|event| event.starts_with(&act)), "{act}\n{told:#?}");
    }
    insta::assert_snapshot!(shown(&world, &before), @r#"
    dev: hydromote merged it, Hydromote asked: nothing to wait for
    staging: hydromote merged it, Hydromote asked: dev had verified it at (time) on (commit); `ticket` succeeded on (commit) at (time)
    prod: hydromote merged it, developer asked: staging had verified it at (time) on (commit); developer promoted it at (time)
    dev: hydromote merged it, Hydromote asked: first, which ran here, was verified at (time)
    staging: developer merged it, developer asked: merged by hand, although it said: `ticket` has not been reported on the proposal
    staging goes back: hydromote merged it, Hydromote asked: `health` failed
    dev: hydromote merged it, Hydromote asked: second, which ran here, was verified at (time)
    staging: hydromote merged it, Hydromote asked: dev had verified it at (time) on (commit); first, which ran here, had been brought back by a rollback at (time); `ticket` succeeded on (commit) at (time)
    prod: hydromote merged it, developer asked: staging had verified it at (time) on (commit); first, which ran here, was verified at (time); developer promoted it at (time)
    prod goes back: hydromote merged it, developer asked: slow Hydromote-Dry-Sha: forged Hydromote-Gate: {"gate":"promote"} @all[turned] "so"
    "#);

    world.restart_without_database().await?;
    world.settle().await?;
    let after = compare(&world).await?;
    assert_eq!(after["promotions"], before["promotions"]);
    assert_eq!(after["rollbacks"], before["rollbacks"]);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_squash_carries_the_evidence_and_a_rebase_leaves_it_to_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev, mergeMethod: squash", "staging, mergeMethod: rebase"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let before = world.history().await?;
    let [staging, dev] = list(&before["promotions"]) else { return Err("there are two promotions".into()) };
    assert!(world.trailers(word(&dev["activeSha"])).await?.contains_key("Hydromote-Decided-At"));
    assert!(!world.trailers(word(&staging["activeSha"])).await?.contains_key("Hydromote-Decided-At"));
    assert_eq!(list(&staging["gates"]).iter().map(|gate| word(&gate["gate"])).collect::<Vec<_>>(), ["depends_on"]);
    world.restart_without_database().await?;
    world.settle().await?;
    let after = world.history().await?;
    let told = |environment: &str| {
        let mut promotions = list(&after["promotions"]).iter();
        promotions.find(|one| one["environment"] == environment).cloned().unwrap_or_default()
    };
    assert_eq!(told("dev"), *dev);
    let staging = told("staging");
    assert_eq!((&staging["why"], &staging["mergedBy"]), (&json!("not recorded"), &json!(BOT)));
    assert_eq!((&staging["byHand"], list(&staging["gates"]).len()), (&json!(false), 0));
    world.board().await?;
    world.finish().await
}

async fn first_everywhere(world: &mut World) -> TestResult {
    through_staging(world).await?;
    world.healthy_all(&["staging"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await
}

/// What is in dev becomes verified there, gets its ticket, and goes to staging.
async fn through_staging(world: &mut World) -> TestResult {
    world.healthy_all(&["dev"]).await?;
    let proposed = world.open_pull("staging").await?.head_sha;
    world.report_on(&proposed, "ticket", StatusState::Success).await?;
    world.settle().await
}

/// Holds the API's history against the command's, git's and the forge's; returns it.
async fn compare(world: &World) -> Fallible<Value> {
    let history = world.history().await?;
    let printed: Value = serde_json::from_str(&world.printed_history("json").await?)?;
    assert_eq!(printed, history, "the command tells what the API tells");
    let text = world.printed_history("text").await?;
    let forge = world.on_forge().await?;
    let mut told = Vec::new();
    for promotion in list(&history["promotions"]) {
        let pull = merged(&forge, promotion)?;
        told.push(pull.number);
        compare_merge(world, promotion, pull).await?;
        compare_promotion(world, &forge, promotion, pull).await?;
        assert!(text.contains(word(&promotion["why"])), "{text}");
    }
    for rollback in list(&history["rollbacks"]) {
        let pull = merged(&forge, rollback)?;
        told.push(pull.number);
        compare_merge(world, rollback, pull).await?;
        compare_rollback(world, &forge, rollback, pull).await?;
        let shown = word(&rollback["reason"]).replace('\u{202e}', "");
        assert!(text.contains(&shown), "{text}");
    }
    let mut all: Vec<u64> =
        forge.pulls.values().filter(|pull| pull.state == PullState::Merged).map(|pull| pull.number).collect();
    told.sort_unstable();
    all.sort_unstable();
    assert_eq!(told, all, "each merge is told once");
    Ok(history)
}

/// What is said of every merge: which commits, by whom, when.
async fn compare_merge(world: &World, told: &Value, pull: &PullRequest) -> TestResult {
    let active = word(&told["activeSha"]);
    assert_eq!(told["proposedSha"], json!(pull.head_sha));
    assert_eq!(told["mergedBy"], json!(pull.merged_by));
    assert_eq!(told["byHand"], json!(pull.merged_by.as_deref() != Some(BOT)));
    let tree = if told.get("tree").is_some() { &told["tree"] } else { &told["toTree"] };
    assert_eq!(word(tree), world.tree(active)?);
    about(time(&told["at"])?, pull.merged_at.ok_or("it was not merged")?);
    let trailers = world.trailers(active).await?;
    if told["byHand"] == true {
        assert!(!trailers.contains_key("Hydromote-Decided-At"), "{trailers:?}");
        assert_eq!((list(&told["gates"]).len(), &told["decidedAt"]), (0, &Value::Null));
        return Ok(());
    }
    let one = |key: &str| trailers.get(key).map(|values| values.join("|"));
    assert_eq!(one("Hydromote-Proposed-Sha").as_deref(), Some(pull.head_sha.as_str()));
    assert_eq!(one("Hydromote-Strategy").as_deref(), Some("shop"));
    assert_eq!(one("Hydromote-Environment").as_deref(), Some(word(&told["environment"])));
    assert_eq!(one("Hydromote-Lane").as_deref(), Some(word(&told["lane"])));
    assert_eq!(one("Hydromote-Decided-At").as_deref(), Some(word(&told["decidedAt"])));
    about(time(&told["decidedAt"])?, time(&told["at"])?);
    let gates = trailers.get("Hydromote-Gate").into_iter().flatten();
    let in_git: Vec<Value> = gates.map(|gate| serde_json::from_str(gate)).collect::<Result<_, _>>()?;
    let in_api: Vec<Value> = list(&told["gates"]).iter().cloned().map(without_words).collect();
    assert_eq!(in_git, in_api, "git and the API tell the same evidence");
    Ok(())
}

async fn compare_promotion(world: &World, forge: &Repository, told: &Value, pull: &PullRequest) -> TestResult {
    let trailers = world.trailers(word(&told["activeSha"])).await?;
    let environment = word(&told["environment"]);
    if told["byHand"] == true {
        assert_eq!(told["askedBy"], json!(pull.merged_by));
        let own = newest(forge, &pull.head_sha, &format!("hydromote/{environment}"), pull.merged_at);
        let pending = own.filter(|status| status.state == StatusState::Pending);
        assert_eq!(told["overrode"], json!(pending.and_then(|status| status.description.clone())));
        assert!(told["overrode"].is_string(), "the ticket was missing");
        return Ok(());
    }
    assert_eq!(trailers["Hydromote-Dry-Sha"], [word(&told["commit"]["sha"])]);
    assert_eq!(trailers["Hydromote-Asked-By"], [word(&told["askedBy"])]);
    let decided = time(&told["decidedAt"])?;
    let before = before(forge, pull);
    let mut expected = Vec::new();
    match environment {
        "staging" => expected.extend(["depends_on", "settling", "proposed_status"]),
        "prod" => expected.extend(["depends_on", "settling", "promote"]),
        _ => expected.push("settling"),
    }
    expected.retain(|gate| *gate != "settling" || before.is_some());
    let gates = list(&told["gates"]);
    assert_eq!(gates.iter().map(|gate| word(&gate["gate"])).collect::<Vec<_>>(), expected, "{environment}");
    for gate in gates {
        match word(&gate["gate"]) {
            "depends_on" => compare_upstream(forge, gate, told, decided)?,
            "settling" => {
                let before = before.ok_or("nothing ran before")?;
                assert_eq!(gate["activeSha"], json!(before.merge_commit_sha));
            }
            "proposed_status" => compare_status(forge, gate, &pull.head_sha, decided)?,
            "promote" => {
                let key = format!("hydromote/promote/{environment}");
                let accepted = newest(forge, &pull.head_sha, &key, Some(decided + ABOUT)).ok_or("nobody asked")?;
                assert_eq!(accepted.description, Some(format!("Promoted by {}", word(&gate["by"]))));
                assert_eq!((gate["by"].as_str(), &told["askedBy"]), (Some(DEVELOPER), &json!(DEVELOPER)));
                about(accepted.created_at, time(&gate["at"])?);
            }
            other => return Err(format!("nobody knows the gate {other}").into()),
        }
    }
    Ok(())
}

/// What ran upstream when it was decided, and what was reported on it until then.
fn compare_upstream(forge: &Repository, gate: &Value, told: &Value, decided: Timestamp) -> TestResult {
    let pull = ran(forge, word(&gate["environment"]), decided).ok_or("nothing ran upstream")?;
    let active = pull.merge_commit_sha.as_deref().ok_or("it was not merged")?;
    assert_eq!((word(&gate["activeSha"]), &gate["drySha"]), (active, &told["commit"]["sha"]));
    about(time(&gate["runningSince"])?, pull.merged_at.ok_or("it was not merged")?);
    let record = newest(forge, active, "hydromote/verified", Some(decided + ABOUT)).ok_or("there is no record")?;
    assert_eq!((record.state, record.creator.as_str()), (StatusState::Success, BOT));
    about(record.created_at, time(&gate["verifiedAt"])?);
    let statuses = list(&gate["statuses"]);
    assert_eq!(statuses.iter().map(|status| word(&status["key"])).collect::<Vec<_>>(), ["health"]);
    compare_status(forge, &statuses[0], active, decided)
}

/// A commit status as it was the newest when it was decided.
fn compare_status(forge: &Repository, told: &Value, sha: &str, decided: Timestamp) -> TestResult {
    let status = newest(forge, sha, word(&told["key"]), Some(decided)).ok_or("it was not reported")?;
    let expected = (json!(status.state.word()), json!(sha), status.created_at);
    assert_eq!((told["state"].clone(), told["sha"].clone(), time(&told["reportedAt"])?), expected);
    Ok(())
}

async fn compare_rollback(world: &World, forge: &Repository, told: &Value, pull: &PullRequest) -> TestResult {
    let trailers = world.trailers(word(&told["activeSha"])).await?;
    let one = |key: &str| trailers.get(key).map(|values| values.join("|")).unwrap_or_default();
    let text = |key: &str| match one(key) {
        json if json.starts_with('"') => serde_json::from_str(&json).unwrap_or(json),
        plain => plain,
    };
    assert_eq!(one("Hydromote-Dry-Sha"), word(&told["to"]["sha"]));
    assert_eq!(one("Hydromote-Rollback-From"), word(&told["from"]["sha"]));
    assert_eq!(one("Hydromote-Rollback-Trigger"), word(&told["trigger"]));
    assert_eq!(one("Hydromote-Rollback-Rule"), word(&told["rule"]));
    assert_eq!(one("Hydromote-Rollback-Asked-At"), word(&told["askedAt"]));
    assert_eq!(text("Hydromote-Rollback-By"), word(&told["by"]));
    assert_eq!(text("Hydromote-Asked-By"), word(&told["by"]));
    assert_eq!(text("Hydromote-Rollback-Reason"), word(&told["reason"]));
    let environment = word(&told["environment"]);
    let left = before(forge, pull).ok_or("nothing ran before")?;
    let left_sha = left.merge_commit_sha.as_deref().ok_or("it was not merged")?;
    assert_eq!(word(&told["fromTree"]), world.tree(left_sha)?);
    let held = forge.statuses.iter().find(|status| {
        status.context == format!("hydromote/hold/{environment}") && status.sha == left_sha && status.creator == BOT
    });
    let held = held.ok_or("the hold never stood on the forge")?;
    assert!(held.description.as_ref().is_some_and(|words| words.starts_with(word(&told["rule"]))));
    about(held.created_at, time(&told["askedAt"])?);
    assert!(held.created_at <= pull.merged_at.ok_or("it was not merged")?, "the hold comes first");
    match word(&told["trigger"]) {
        "automatic" => {
            let [failure] = list(&told["gates"]) else { return Err("no failure is told".into()) };
            assert_eq!((failure["gate"].as_str(), told["by"].as_str()), (Some("active_status"), Some("Hydromote")));
            compare_status(forge, failure, left_sha, time(&told["decidedAt"])?)
        }
        _ => {
            let reason = NASTY.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!((word(&told["by"]), word(&told["reason"])), (DEVELOPER, reason.as_str()));
            Ok(())
        }
    }
}

/// Returns the newest merge into an environment until `until`.
fn ran<'a>(forge: &'a Repository, environment: &str, until: Timestamp) -> Option<&'a PullRequest> {
    let base = format!("env/{environment}");
    let merged = forge.pulls.values().filter(|pull| pull.base == base);
    merged.filter(|pull| pull.merged_at.is_some_and(|at| at <= until)).max_by_key(|pull| pull.number)
}

/// Returns the merge into the same environment before this one.
fn before<'a>(forge: &'a Repository, pull: &PullRequest) -> Option<&'a PullRequest> {
    let earlier = forge.pulls.values().filter(|other| other.base == pull.base && other.number < pull.number);
    earlier.filter(|other| other.state == PullState::Merged).max_by_key(|other| other.number)
}

/// Returns the newest report of a key on a commit until `until`.
fn newest<'a>(forge: &'a Repository, sha: &str, key: &str, until: Option<Timestamp>) -> Option<&'a Status> {
    let of_key = forge.statuses.iter().filter(|status| status.sha == sha && status.context == key);
    of_key.filter(|status| until.is_none_or(|until| status.created_at <= until)).max_by_key(|status| status.id)
}

fn merged<'a>(forge: &'a Repository, told: &Value) -> Fallible<&'a PullRequest> {
    let active = word(&told["activeSha"]);
    let pull = forge.pulls.values().find(|pull| pull.merge_commit_sha.as_deref() == Some(active));
    let pull = pull.ok_or_else(|| format!("no pull request brought {active}"))?;
    assert_eq!(told["pullRequest"]["number"], json!(pull.number));
    Ok(pull)
}

fn events(history: &Value) -> Vec<String> {
    list(&history["events"]).iter().map(|event| format!("{}: {}", word(&event["who"]), word(&event["what"]))).collect()
}

/// Returns what was merged, oldest first, as people read it.
fn shown(world: &World, history: &Value) -> String {
    let promotions = list(&history["promotions"]).iter().map(|one| {
        let by = format!("{} merged it, {} asked", word(&one["mergedBy"]), word(&one["askedBy"]));
        (moment(one), format!("{}: {by}: {}", word(&one["environment"]), word(&one["why"])))
    });
    let rollbacks = list(&history["rollbacks"]).iter().map(|one| {
        let by = format!("{} merged it, {} asked", word(&one["mergedBy"]), word(&one["by"]));
        (moment(one), format!("{} goes back: {by}: {}", word(&one["environment"]), word(&one["reason"])))
    });
    let mut lines: Vec<_> = promotions.rev().chain(rollbacks.rev()).collect();
    lines.sort_by_key(|(at, _)| *at);
    let visible = |line: &str| world.told_in_words(line).replace('\u{202e}', "[turned]");
    lines.iter().map(|(_, line)| visible(line)).collect::<Vec<_>>().join("\n")
}

/// Returns when it was merged, and within the forge's second which pull request came first: nobody says
/// when a merge by hand was decided.
fn moment(told: &Value) -> (&str, u64) {
    (word(&told["at"]), told["pullRequest"]["number"].as_u64().unwrap_or_default())
}

fn without_words(mut gate: Value) -> Value {
    gate.as_object_mut().and_then(|gate| gate.remove("words"));
    gate
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> Fallible<Timestamp> {
    Ok(value.as_str().ok_or_else(|| format!("{value} is no time"))?.parse()?)
}

fn about(one: Timestamp, other: Timestamp) {
    assert!(one.duration_since(other).abs() <= ABOUT, "{one} and {other} are of the same act");
}
