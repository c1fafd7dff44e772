//! Merging a pull request, and what its refusal means.
//!
//! Gitea refuses a merge with the code 405 and one and the same text while it still checks the pull request, when it
//! conflicts, and when there is nothing to merge; with the same code when a required status or approval is missing,
//! when we may not merge, for a draft, and for one that is merged. So the answer decides nothing here: before and
//! after each try the pull request is read, and what it *is* decides.
//!
//! - A merge is tried again only after the forge has refused it, never after its answer was lost.
//! - No merge says where it goes, and who may write can have a pull request go into any branch: that and where its base
//!   is by now are read with it.
//! - While the forge checks (after each push, in a queue that is looked at every two seconds by default) we wait, for
//!   a limited time.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    client::Client,
    heads,
    model::{PullBody, RepositoryBody},
    pulls::read_body,
};
use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, Merge, PullRequestState,
        github_like::{
            self,
            pulls::{self, method_word},
        },
    },
};

/// How soon after a look the next one follows, at first; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a merge is sent that the forge refuses as out of date: several merges into one base get in each other's
/// way, and a hook of the forge's own refuses with the same code for good.
const MOST_TRIES: u32 = 8;

/// One merge under way.
pub(super) struct Merging<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a RepositoryId,
    pub(super) number: PullRequestNumber,
    pub(super) merge: &'a Merge,
}

/// What a pull request is, for its merge.
enum Standing {
    /// It was merged with the expected head; the commit on the base branch.
    Merged(String),
    /// Nothing stands against sending the merge.
    Ready,
    /// The forge has to do something first.
    NotYet(ForgeError),
    /// It cannot be merged as it was decided.
    Never(ForgeError),
}

impl Merging<'_> {
    /// Merges exactly the expected head; returns the commit on the base branch.
    pub(super) async fn run(&self, patience: Duration) -> Result<String, ForgeError> {
        let end = Instant::now() + patience;
        let (mut pause, mut tries) = (FIRST_PAUSE, 0);
        loop {
            let not_yet = match self.look().await? {
                Standing::Merged(sha) => return Ok(sha),
                Standing::Never(error) => return Err(error),
                Standing::NotYet(error) => error,
                Standing::Ready => {
                    tries += 1;
                    match self.send().await? {
                        Ok(sha) => return Ok(sha),
                        Err(refusal) if tries >= MOST_TRIES => return Err(refusal),
                        Err(refusal) => refusal,
                    }
                }
            };
            if Instant::now() + pause > end {
                return Err(not_yet);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads the pull request, and what the forge has taken in of it.
    async fn look(&self) -> Result<Standing, ForgeError> {
        let body = read_body(self.client, self.repository, self.number).await?;
        let standing = self.standing(&body).await?;
        if !matches!(standing, Standing::Ready) {
            return Ok(standing);
        }
        // The head that an ended pull request had is known by this reference alone, and the forge moves it only while
        // the pull request is open.
        let taken_in = heads::taken_in(self.client, self.repository, self.number).await?;
        Ok(match taken_in {
            Some(head) if head == self.merge.expected_head => Standing::Ready,
            _ => Standing::NotYet(self.refused("has not taken in the newest push to it yet")),
        })
    }

    /// Sends the merge once; returns the commit on the base branch, or a refusal after which it may be sent again.
    async fn send(&self) -> Result<Result<String, ForgeError>, ForgeError> {
        let call = pulls::merge(self.repository, self.number);
        let request = json!({
            "Do": method_word(self.merge.method),
            "head_commit_id": self.merge.expected_head,
            "MergeTitleField": self.merge.title,
            "MergeMessageField": self.merge.message,
            "delete_branch_after_merge": false,
        });
        let error = match self.client.write(Method::POST, &call, &request).await {
            // The answer is empty, and a merge that was only scheduled is a success, too.
            Ok(_) => None,
            Err(error @ (ForgeError::Unauthorised { .. } | ForgeError::RateLimited { .. })) => return Err(error),
            Err(error) => Some(error),
        };
        let Ok(body) = read_body(self.client, self.repository, self.number).await else {
            return Err(error.unwrap_or_else(|| self.unclear("the forge said that it merged, and does not show it")));
        };
        if let (None, Some(sha)) = (&error, body.merge_sha()) {
            // It was accepted for the expected head alone.
            return Ok(Ok(sha.to_owned()));
        }
        match (self.standing(&body).await?, error) {
            (Standing::Merged(sha), _) => Ok(Ok(sha)),
            (Standing::Never(error), _) => Err(error),
            (_, None) => Err(self.unclear("the forge said that it merged, and shows it open")),
            (Standing::NotYet(_), Some(error @ ForgeError::Unavailable { .. })) => Err(error),
            (Standing::NotYet(waits), Some(_)) => Ok(Err(waits)),
            // The base moved meanwhile, or another merge holds it.
            (Standing::Ready, Some(ForgeError::Moved { words })) => Ok(Err(self.refused_in_words(words))),
            // It would merge, but for a rule of the branch or for our rights.
            (Standing::Ready, Some(ForgeError::Refused { what, words })) => {
                if self.may_push().await? {
                    Err(ForgeError::Refused { what, words })
                } else {
                    Err(ForgeError::Unauthorised { what, words, invalid: false })
                }
            }
            (Standing::Ready, Some(error)) => Err(error),
        }
    }

    /// Says what a pull request is for this merge.
    async fn standing(&self, body: &PullBody) -> Result<Standing, ForgeError> {
        let expected = &self.merge.expected_head;
        let moved = |what: &str| Standing::Never(ForgeError::Moved { words: format!("{} {what}", self.number) });
        Ok(match body.state() {
            PullRequestState::Merged => match (self.merged_head().await?, body.merge_sha()) {
                (Some(head), Some(sha)) if head == *expected => Standing::Merged(sha.to_owned()),
                (_, None) => Standing::Never(self.unclear("it is merged, and the forge does not say as which commit")),
                _ => moved("was merged with another head"),
            },
            PullRequestState::Closed => moved("was closed"),
            PullRequestState::Open if body.head.sha != *expected => moved("has another head"),
            PullRequestState::Open if body.base.label != self.merge.onto.branch.as_str() => {
                moved(&format!("goes into `{}` by now", body.base.label))
            }
            PullRequestState::Open if body.base.sha != self.merge.onto.head.as_str() => {
                moved(&format!("goes onto a `{}` that has moved", body.base.label))
            }
            PullRequestState::Open if body.draft => {
                Standing::Never(self.refused("takes it for a draft, by the beginning of its title"))
            }
            PullRequestState::Open if body.merge_base.as_ref() == Some(expected) => {
                let words = format!("finds nothing to merge: `{}` has this head already", body.base.label);
                Standing::Never(self.refused(&words))
            }
            PullRequestState::Open if !body.mergeable => {
                let words =
                    format!("still checks it, or it conflicts with `{}`; it says the same of both", body.base.label);
                Standing::NotYet(self.refused(&words))
            }
            PullRequestState::Open => Standing::Ready,
        })
    }

    async fn merged_head(&self) -> Result<Option<String>, ForgeError> {
        heads::taken_in(self.client, self.repository, self.number).await
    }

    /// Says whether we may write to the repository, which merging needs.
    async fn may_push(&self) -> Result<bool, ForgeError> {
        let body: RepositoryBody = github_like::repository(self.client, self.repository).await?;
        Ok(body.permissions.is_none_or(|rights| rights.push))
    }

    fn what(&self) -> String {
        pulls::merge(self.repository, self.number).what
    }

    fn refused(&self, words: &str) -> ForgeError {
        self.refused_in_words(format!("Gitea {words}"))
    }

    fn refused_in_words(&self, words: String) -> ForgeError {
        ForgeError::Refused { what: self.what(), words }
    }

    fn unclear(&self, words: &'static str) -> ForgeError {
        ForgeError::Unavailable { what: self.what(), source: anyhow::anyhow!(words) }
    }
}
