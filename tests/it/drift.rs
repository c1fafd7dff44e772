//! Commits by other people on environment branches.

use hydromote::local_forge::CommitFiles;

use crate::{
    program::{self, Served, Site, Start, until},
    world::{DEVELOPER, Fallible, Files, TestResult, World, config, everywhere},
};

#[tokio::test]
async fn a_foreign_change_of_our_files_stops_the_environment_until_it_is_taken_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), config("by-hand"))]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second
             - stranger changed `shop` on the branch in (commit)
    staging  first, is verified; wants second in #3
             - waits for dev, which does not run it yet
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), config("v1"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #3
             - waits for `health` on dev, which has not been reported
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.finish().await
}

/// The words of a promotion make none of other content, also when nobody knows any more what was to come.
#[tokio::test]
async fn what_copies_the_words_of_a_promotion_stays_drift() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    world.promote("dev").await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    let proposed = world.branch("env/dev-next").await?;
    let message = world.message(&proposed)?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    world.promote("dev").await?;
    world.settle().await?;
    let files = vec![("shop/manifest.yaml".to_owned(), config("by-hand"))];
    world.push_with_words("env/dev", &message, files).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      third, `health` has not been reported
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.forget_hydrations().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

#[tokio::test]
async fn a_foreign_commit_beside_our_files_is_taken_along_and_resets_no_soak() -> TestResult {
    let mut world = World::with_environments(&["dev, soak: 10m", "staging"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.pass_minutes(6)?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @ops\n".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, soaks until (time)
    staging  nothing; wants first in #2
             - waits for dev, which soaks until (time)
    ");
    world.pass_minutes(6)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @ops\n"));
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, `health` has not been reported; wants second in #4
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn an_active_branch_that_somebody_deletes_stops_the_environment_until_it_is_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let was_at = world.delete_by_hand("dev").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing
             - somebody deleted `env/dev`; push it again to go on, it was at (commit)
    staging  first, is verified; wants second in #3
             - waits for dev, which does not run it yet
    ");
    world.fast_forward_by_hand("dev", &was_at).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #3
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_file_of_somebody_else_in_our_way_is_shown_and_never_overwritten() -> TestResult {
    let mut world = World::empty().await?;
    let branch = "env/dev".to_owned();
    let theirs = vec![("shop/manifest.yaml".to_owned(), "theirs: true\n".to_owned())];
    let commit = hydromote::local_forge::CommitFiles { branch, message: "theirs".to_owned(), files: theirs };
    world.home().commit_files(world.home_name(), crate::world::STRANGER, commit).await?;
    let strategy = crate::world::strategy(&["dev"]);
    let files = everywhere("v1").into_iter().chain([("hydromote.yaml".to_owned(), strategy)]).collect();
    world.push_dry("first", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first
             - `shop/manifest.yaml` on the branch was not written by Hydromote, and would be overwritten; `hydromote take-over dev` takes the branch over
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?.as_deref(), Some("theirs: true\n"));
    world.finish().await
}

#[tokio::test]
async fn what_was_promoted_last_is_restored_by_command_and_files_of_others_stay() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let theirs = |version| {
        vec![("shop/manifest.yaml".to_owned(), config(version)), ("CODEOWNERS".to_owned(), format!("* @{version}\n"))]
    };
    world.push_foreign("dev", theirs("by-hand")).await?;
    world.settle().await?;
    world.restore("dev", "nobody asked for it").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @by-hand\n"));
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    ");
    world.finish().await
}

/// Two environments run `second` and are verified.
async fn second_everywhere() -> Fallible<World> {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    Ok(world)
}

fn manifest(version: &str) -> Files {
    vec![("shop/manifest.yaml".to_owned(), config(version))]
}

#[tokio::test]
async fn what_is_adopted_runs_and_verifies_nothing_until_something_newer_replaces_it() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy("dev").await?;
    world.push_foreign("dev", manifest("by-hand")).await?;
    world.settle().await?;
    world.adopt("dev", "it is a hotfix").await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here: it is a hotfix; it verifies nothing
    staging  first, `health` has not been reported
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here: it is a hotfix; it verifies nothing
    staging  first, `health` has not been reported
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("by-hand")));
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    ");
    world.finish().await
}

/// The hotfix goes into the dry branch too: then a dry commit has exactly what was adopted.
#[tokio::test]
async fn a_dry_commit_with_the_content_that_was_adopted_is_verified_by_what_runs() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_foreign("dev", manifest("v2")).await?;
    world.settle().await?;
    world.adopt("dev", "").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, runs what developer adopted, which verifies nothing; second changes nothing
             ! developer adopted what others put here; it verifies nothing
    staging  first, is verified; wants second in #3
             - waits for `health` on dev, which has not been reported
    ");
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, runs what developer adopted, which verifies nothing; second changes nothing
             ! developer adopted what others put here; it verifies nothing
    staging  second, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn a_forced_push_to_what_ran_before_is_found_and_restored() -> TestResult {
    let mut world = second_everywhere().await?;
    let before = world.before("env/dev").await?;
    world.force_push("env/dev", &before).await?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants third
             - somebody unknown changed `shop` with a forced push, which took (commit) away
    staging  second, is verified; wants third in #5
             - waits for dev, which does not run it yet
    hydromote/drift/dev on (commit): somebody unknown changed `shop` with a forced push, which took (commit) away
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    world.restore("dev", "nobody may do that").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported; wants third in #7
             - what runs here is not settled: `health` has not been reported
    staging  second, is verified; wants third in #5
             - waits for dev, which does not run it yet
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    staging  second, is verified; wants third in #5
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn what_a_forced_push_brought_back_is_adopted_until_something_newer_comes() -> TestResult {
    let mut world = second_everywhere().await?;
    let before = world.before("env/dev").await?;
    world.force_push("env/dev", &before).await?;
    world.settle().await?;
    world.adopt("dev", "it loses orders").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here: it loses orders; it verifies nothing
    staging  second, is verified
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    world.restart().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here: it loses orders; it verifies nothing
    staging  second, is verified
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    staging  second, is verified; wants third in #6
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_forced_push_to_unrelated_history_is_restored_beside_what_it_brought() -> TestResult {
    let mut world = second_everywhere().await?;
    let unrelated = world.unrelated_commit("NOTES", "mine\n")?;
    world.force_push("env/dev", &unrelated).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants second
             - somebody unknown changed `shop` with a forced push, which took (commit) away
    staging  second, is verified
    hydromote/drift/dev on (commit): somebody unknown changed `shop` with a forced push, which took (commit) away
    ");
    world.restore("dev", "").await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    assert_eq!(world.file("env/dev", "NOTES").await?.as_deref(), Some("mine\n"));
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v2")));
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    staging  second, is verified; wants third in #7
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn history_that_is_rewritten_with_the_same_content_is_no_drift() -> TestResult {
    let mut world = second_everywhere().await?;
    world.rewrite("env/dev").await?;
    world.settle().await?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported; wants third in #5
             - what runs here is not settled: `health` has not been reported
    staging  second, is verified; wants third in #6
             - waits for dev, which does not run it yet
    ");
    world.finish().await
}

#[tokio::test]
async fn a_command_about_drift_is_refused_when_somebody_has_changed_the_branch_again() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let nothing = world.restore("dev", "").await.expect_err("nothing has drifted");
    insta::assert_snapshot!(nothing, @"Nobody has changed what Hydromote owns in dev: there is nothing to restore.");
    world.push_foreign("dev", manifest("by-hand")).await?;
    world.settle().await?;
    let seen = world.branch("env/dev").await?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @ops\n".to_owned())]).await?;
    world.push_foreign("dev", manifest("by-hand-again")).await?;
    world.settle().await?;
    for refused in [
        world.restore_over("dev", Some(&seen), "").await.expect_err("it is another"),
        world.adopt_as_seen("dev", Some(&seen), "").await.expect_err("it is another"),
    ] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(world.in_words(&refused.to_string()), @"Somebody changed dev again, in (commit); you saw (commit).");
        }
    }
    let now = world.branch("env/dev").await?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @dev\n".to_owned())]).await?;
    world.settle().await?;
    world.restore_over("dev", Some(&now), "").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @dev\n"));
    world.finish().await
}

#[tokio::test]
async fn the_pull_request_that_restores_follows_the_branch_until_it_can_be_merged() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_foreign("dev", manifest("by-hand")).await?;
    world.settle().await?;
    world.refuse_merges(u32::MAX);
    world.restore("dev", "a mistake").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
             - stranger changed `shop` on the branch in (commit)
             - the forge does not merge it: Server Error
             ! developer has the branch restored with #2
    #2 is open: Restore dev to what first brought: first
    ");
    let refused = world.adopt("dev", "").await.expect_err("it is being restored");
    insta::assert_snapshot!(refused, @"dev is being restored already (developer).");
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @ops\n".to_owned())]).await?;
    world.settle().await?;
    world.home().clear_faults();
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @ops\n"));
    world.finish().await
}

#[tokio::test]
async fn closing_the_pull_request_that_restores_leaves_the_drift() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_foreign("dev", manifest("by-hand")).await?;
    world.settle().await?;
    world.refuse_merges(u32::MAX);
    world.restore("dev", "a mistake").await?;
    world.settle().await?;
    world.close_by_hand("dev").await?;
    world.home().clear_faults();
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    #2 was closed: Restore dev to what first brought: first
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    #2 was closed: Restore dev to what first brought: first
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.adopt("dev", "then it stays").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here: then it stays; it verifies nothing
    #2 was closed: Restore dev to what first brought: first
    ");
    world.finish().await
}

#[tokio::test]
async fn work_of_others_on_a_proposed_branch_is_shown_and_never_overwritten_without_a_word() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.push_to("env/staging-next", manifest("by-hand")).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  nothing; wants second in #2
             - stranger pushed (commit) onto the proposal, which changes `shop`; `restore` proposes anew
    ");
    let refused = world.adopt("staging", "").await.expect_err("a promotion holds what was hydrated");
    insta::assert_snapshot!(refused, @"What others pushed onto the proposal for staging cannot be promoted.");
    world.restart_without_database().await?;
    world.settle().await?;
    world.restore("staging", "it is in the dry branch now").await?;
    world.settle().await?;
    world.healthy("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn a_branch_that_somebody_deleted_is_made_again_by_command() -> TestResult {
    let mut world = second_everywhere().await?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @ops\n".to_owned())]).await?;
    world.settle().await?;
    let was_at = world.delete_by_hand("dev").await?;
    world.settle().await?;
    let refused = world.adopt("dev", "").await.expect_err("there is nothing");
    insta::assert_snapshot!(refused, @"`env/dev` is not there, so there is nothing to adopt.");
    world.restore("dev", "").await?;
    world.settle().await?;
    assert_eq!(world.branch("env/dev").await?, was_at);
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    world.finish().await
}

/// Returns what happened of drift to an environment, once the service shows it.
async fn shown(served: &Served, wanted: impl Fn(&serde_json::Value) -> bool) -> Fallible<serde_json::Value> {
    until("dev is shown so", async || {
        let shown = served.environment("dev").await?.unwrap_or_default();
        Ok(wanted(&shown).then_some(shown))
    })
    .await
}

#[tokio::test]
async fn drift_is_explained_with_its_difference_and_restored_by_the_command_line() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start::default()).await?;
    site.tell(&served).await?;
    let first = everywhere("v1").into_iter().chain([("hydromote.yaml".to_owned(), crate::world::strategy(&["dev"]))]);
    let dry = site.push("first", first.collect()).await?;
    served.runs("dev", &dry).await?;
    let commit =
        CommitFiles { branch: "env/dev".to_owned(), message: "by hand".to_owned(), files: manifest("by-hand") };
    let foreign = site.forge.commit_files(crate::world::REPOSITORY, DEVELOPER, commit).await?;
    let drift = shown(&served, |shown| shown["driftSha"] == foreign.as_str()).await?;
    assert_eq!(drift["state"], "drifted");
    let token = site.dir.path().join("api-token");
    let service = ["--server", &served.url, "--token-file", token.to_str().ok_or("a path")?];
    let told = program::run(site.dir.path(), &[&["explain", "dev"], &service[..]].concat()).await?;
    assert!(told.contains("-  version: v1") && told.contains("+  version: by-hand"), "{told}");
    let (asked, seen) = (["restore", "dev", "--reason", "nobody asked for it", "--seen"], foreign.clone());
    let told = program::run(site.dir.path(), &[&asked[..], &[&seen], &service[..]].concat()).await?;
    assert!(told.contains("dev gets back what was promoted last"), "{told}");
    shown(&served, |shown| shown["drift"].is_null()).await?;
    assert_eq!(site.file("dev", "shop/manifest.yaml").await?, Some(config("v1")));
    let told = program::run(site.dir.path(), &[&["history"], &service[..]].concat()).await?;
    assert!(told.contains("asked to restore dev"), "{told}");
    served.terminate().await?;
    Ok(())
}
