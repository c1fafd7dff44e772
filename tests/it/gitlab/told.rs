//! Stories that are told on GitLab too in every run; `make test-gitlab` tells all that are the same there.
//!
//! They are told by a process of their own: in one, a story's snapshots are compared once.

use crate::world::{TestResult, told_on};

const STORIES: [&str; 5] = [
    "promotion::staging_waits_until_dev_reports_health",
    "rollbacks::a_failure_rolls_back_by_itself_and_nothing_brings_the_bad_content_back",
    "rollbacks::a_hold_stops_everything_and_is_found_again_without_the_database",
    "approvals::an_objection_and_a_dismissal_take_an_approval_back",
    "comments::once::a_reaction_and_an_answer_whose_answers_are_lost_are_made_once",
];

#[tokio::test]
async fn the_same_stories_end_the_same() -> TestResult {
    #[expect(clippy::disallowed_methods, reason = "the stories are run as a person runs them")]
    let mut stories = tokio::process::Command::new(std::env::current_exe()?);
    stories.args(STORIES).args(["--exact", "--test-threads", "2"]).env(told_on::VARIABLE, "gitlab");
    let output = stories.kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{} passed", STORIES.len())), "{said}");
    Ok(())
}
