//! What every adapter has in common, and a forge to talk to.

mod renewal;
pub(super) mod scripted;
mod transports;

use super::*;
use crate::domain::{ids::StatusKey, status::StatusState};

#[test]
fn long_descriptions_are_cut_between_characters() {
    let shortened = |description: String| {
        let key = StatusKey::new("hydromote/dev").expect("because it is a key");
        NewStatus { key, state: StatusState::Pending, description, target_url: None }.short_description()
    };
    assert_eq!(shortened("é".repeat(140)), "é".repeat(140));
    let cut = shortened("é".repeat(141));
    assert_eq!(cut.chars().count(), 140);
    assert!(cut.ends_with("é…"));
    assert_eq!(shortened(format!("{} {}", "a".repeat(138), "b".repeat(9))), format!("{}…", "a".repeat(138)));
}

#[test]
fn each_forge_has_pages_of_its_own() {
    let branch = BranchName::new("env/dev").expect("because it is a branch");
    let pages = |pages: Pages| {
        [pages.commit("R", "abc"), pages.branch("R", &branch), pages.pull_request("R", PullRequestNumber(7))]
    };
    assert_eq!(pages(Pages::GitHub), ["R/commit/abc", "R/tree/env/dev", "R/pull/7"]);
    assert_eq!(pages(Pages::Gitea), ["R/commit/abc", "R/src/branch/env/dev", "R/pulls/7"]);
}
