//! What is asked of people, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, DurationText};

/// Which reviews the promotion pull request needs before it is merged. Approvals count on exactly the commit that is
/// proposed: one that is proposed anew needs new ones.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalsDocument {
    /// How many people must approve. Default: 1.
    #[schemars(range(min = 1, max = 20))]
    pub count: Option<At<i64>>,
    /// Teams of the repository's organisation, by their slugs; only the approvals of their members count. Default:
    /// everybody with write access.
    pub teams: Option<At<Vec<At<String>>>>,
    /// Whether each changed file that has owners in `CODEOWNERS` on the active branch needs the approval of one of them.
    /// Default: false.
    #[serde(default)]
    pub code_owners: bool,
    /// Whether the approvals of those who wrote a dry commit that is promoted do not count. Default: false.
    #[serde(default)]
    pub not_author: bool,
    /// After how long of waiting people are told, from the proposal on; also, how long `newer: finish` keeps a proposal
    /// that something newer could replace. Default: `24h`.
    pub deadline: Option<At<DurationText>>,
}
