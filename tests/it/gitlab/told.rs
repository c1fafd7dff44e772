//! Stories that are told on GitLab too in every run; `make test-gitlab` tells all that are the same there.

use crate::{
    approvals,
    comments::once,
    promotion, rollbacks,
    world::{TestResult, told_on::ToldOn},
};

#[test]
fn staging_waits_until_dev_reports_health() -> TestResult {
    ToldOn::GitLab.tell(promotion::staging_waits_until_dev_reports_health)
}

#[test]
fn a_failure_rolls_back_by_itself_and_nothing_brings_the_bad_content_back() -> TestResult {
    ToldOn::GitLab.tell(rollbacks::a_failure_rolls_back_by_itself_and_nothing_brings_the_bad_content_back)
}

#[test]
fn a_hold_stops_everything_and_is_found_again_without_the_database() -> TestResult {
    ToldOn::GitLab.tell(rollbacks::a_hold_stops_everything_and_is_found_again_without_the_database)
}

#[test]
fn an_objection_and_a_dismissal_take_an_approval_back() -> TestResult {
    ToldOn::GitLab.tell(approvals::an_objection_and_a_dismissal_take_an_approval_back)
}

#[test]
fn a_reaction_and_an_answer_whose_answers_are_lost_are_made_once() -> TestResult {
    ToldOn::GitLab.tell(once::a_reaction_and_an_answer_whose_answers_are_lost_are_made_once)
}
