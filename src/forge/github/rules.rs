//! What the rules of a branch still ask of a merge that the forge refused.
//!
//! GitHub says of a refusal what comes first, or nothing at all. The rules tell the rest: those of rulesets are seen by
//! whoever may read, those of classic protection by administrators; others see its required checks alone.
//!
//! It explains, and decides nothing: what cannot be read is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{client::Client, model::RepositoryBody, reviews, statuses};
use crate::{
    domain::{
        approvals::{Opinion, Review},
        ids::{PullRequestNumber, RepositoryId},
        status::{CommitStatus, StatusState},
        strategy::MergeMethod,
    },
    forge::{
        ForgeError, Reviews,
        calls::{Call, encoded},
        github_like::{self, pulls::method_word},
    },
};

/// The most rules that are read of one branch.
const MAX_PAGES: usize = 5;
/// The most that is told, each a few words.
const MOST_TOLD: usize = 8;

/// A merge that was refused.
pub(super) struct Refused<'a> {
    pub(super) repository: &'a RepositoryId,
    pub(super) number: PullRequestNumber,
    /// The branch that it is to be merged into.
    pub(super) base: &'a str,
    /// The head.
    pub(super) head: &'a str,
    pub(super) method: MergeMethod,
}

/// A rule of a ruleset: <https://docs.github.com/rest/repos/rules#get-rules-for-a-branch>.
#[derive(Deserialize)]
struct RuleBody {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Parameters,
}

/// What the kinds of rules that we know say.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    required_status_checks: Vec<CheckBody>,
    required_approving_review_count: u64,
    require_code_owner_review: bool,
    required_review_thread_resolution: bool,
    allowed_merge_methods: Vec<String>,
    required_deployment_environments: Vec<String>,
}

/// Classic protection: <https://docs.github.com/rest/branches/branch-protection#get-branch-protection>.
#[derive(Deserialize)]
struct ProtectionBody {
    required_status_checks: Option<ChecksBody>,
    required_pull_request_reviews: Option<ReviewsBody>,
    required_linear_history: Option<Switch>,
    required_signatures: Option<Switch>,
    required_conversation_resolution: Option<Switch>,
    lock_branch: Option<Switch>,
}

/// What everybody sees of it with the branch.
#[derive(Deserialize)]
struct BranchBody {
    #[serde(default)]
    protection: Summary,
}

#[derive(Deserialize, Default)]
struct Summary {
    required_status_checks: Option<ChecksBody>,
}

#[derive(Deserialize)]
struct ChecksBody {
    #[serde(default)]
    contexts: Vec<String>,
}

#[derive(Deserialize)]
struct CheckBody {
    context: String,
}

#[derive(Deserialize)]
struct ReviewsBody {
    #[serde(default)]
    required_approving_review_count: u64,
    #[serde(default)]
    require_code_owner_reviews: bool,
}

#[derive(Deserialize)]
struct Switch {
    #[serde(default)]
    enabled: bool,
}

/// What all rules of a branch ask for together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rules {
    checks: BTreeSet<String>,
    approvals: u64,
    /// What is asked for and cannot be told to be missing.
    further: BTreeSet<&'static str>,
    deployments: BTreeSet<String>,
    /// Ways to merge that are allowed; all when absent.
    methods: Option<BTreeSet<String>>,
    has_queue: bool,
}

impl Rules {
    fn add(&mut self, rule: RuleBody) {
        let parameters = rule.parameters;
        match rule.kind.as_str() {
            "required_status_checks" => {
                self.checks.extend(parameters.required_status_checks.into_iter().map(|check| check.context));
            }
            "pull_request" => {
                self.approvals = self.approvals.max(parameters.required_approving_review_count);
                self.ask(parameters.require_code_owner_review, "a review of a code owner");
                self.ask(parameters.required_review_thread_resolution, "every conversation resolved");
                if !parameters.allowed_merge_methods.is_empty() {
                    self.allow_only(parameters.allowed_merge_methods.into_iter().collect());
                }
            }
            "merge_queue" => self.has_queue = true,
            "required_linear_history" => self.allow_only(linear()),
            "required_deployments" => self.deployments.extend(parameters.required_deployment_environments),
            "required_signatures" => self.ask(true, "signed commits"),
            "update" => self.ask(true, "the right to move a branch that is locked"),
            _ => {}
        }
    }

    fn add_protection(&mut self, body: ProtectionBody) {
        let is_on = |switch: Option<Switch>| switch.is_some_and(|switch| switch.enabled);
        self.checks.extend(body.required_status_checks.into_iter().flat_map(|checks| checks.contexts));
        if let Some(reviews) = body.required_pull_request_reviews {
            self.approvals = self.approvals.max(reviews.required_approving_review_count);
            self.ask(reviews.require_code_owner_reviews, "a review of a code owner");
        }
        if is_on(body.required_linear_history) {
            self.allow_only(linear());
        }
        self.ask(is_on(body.required_signatures), "signed commits");
        self.ask(is_on(body.required_conversation_resolution), "every conversation resolved");
        self.ask(is_on(body.lock_branch), "the right to move a branch that is locked");
    }

    fn add_repository(&mut self, body: &RepositoryBody) {
        let ways = [
            ("merge", body.allow_merge_commit),
            ("squash", body.allow_squash_merge),
            ("rebase", body.allow_rebase_merge),
        ];
        if ways.iter().any(|(_, is_allowed)| *is_allowed == Some(false)) {
            let allowed = ways.into_iter().filter(|(_, is_allowed)| *is_allowed != Some(false));
            self.allow_only(allowed.map(|(way, _)| way.to_owned()).collect());
        }
    }

    fn ask(&mut self, is_asked: bool, what: &'static str) {
        if is_asked {
            self.further.insert(what);
        }
    }

    fn allow_only(&mut self, methods: BTreeSet<String>) {
        self.methods = Some(match self.methods.take() {
            Some(before) => before.intersection(&methods).cloned().collect(),
            None => methods,
        });
    }

    /// Returns what is missing, in words.
    fn missing(&self, method: MergeMethod, reports: &[CommitStatus], reviews: &[Review]) -> Vec<String> {
        let mut missing = Vec::new();
        if self.has_queue {
            missing.push(
                "the branch is merged into through a merge queue, which would test and merge other commits than those \
                 that were decided on: leave it out of that rule, or let the account of the service bypass it"
                    .to_owned(),
            );
        }
        let word = method_word(method);
        if let Some(allowed) = self.methods.as_ref().filter(|allowed| !allowed.contains(word)) {
            missing.push(match allowed.first() {
                Some(first) => {
                    format!("`{word}` is no way to merge there: set `mergeMethod: {first}` for the environment")
                }
                None => "no way to merge is allowed there".to_owned(),
            });
        }
        missing
            .extend(self.checks.iter().filter_map(|context| Some(format!("`{context}` {}", lacks(context, reports)?))));
        let given = approvals(reviews);
        if given < self.approvals {
            let (asked, reviews) = (self.approvals, if self.approvals == 1 { "review" } else { "reviews" });
            missing.push(format!("it needs {asked} approving {reviews} by people with write access, and has {given}"));
        }
        missing.extend(self.deployments.iter().map(|environment| format!("it needs a deployment to `{environment}`")));
        missing.extend(self.further.iter().map(|what| format!("it may need {what}")));
        missing.truncate(MOST_TOLD);
        missing
    }
}

fn linear() -> BTreeSet<String> {
    ["squash", "rebase"].map(str::to_owned).into()
}

/// Returns what is wrong with a required check; `reports` has the newest first.
fn lacks(context: &str, reports: &[CommitStatus]) -> Option<&'static str> {
    match reports.iter().find(|report| report.key.as_str() == context).map(|report| report.state) {
        Some(StatusState::Success) => None,
        Some(StatusState::Pending) => Some("is pending"),
        Some(StatusState::Failure | StatusState::Error) => Some("has failed"),
        None => Some("has not been reported"),
    }
}

/// Returns how many people approve, by the last word of each.
fn approvals(reviews: &[Review]) -> u64 {
    let mut last: BTreeMap<u64, Opinion> = BTreeMap::new();
    for review in reviews {
        last.insert(review.by.id, review.opinion);
    }
    last.values().filter(|opinion| **opinion == Opinion::Approved).map(|_| 1).sum()
}

/// Returns what a merge lacks that was refused, in words; nothing when that cannot be known.
pub(super) async fn missing(client: &Client, refused: &Refused<'_>) -> Vec<String> {
    let rules = match read(client, refused.repository, refused.base).await {
        Ok(rules) => rules,
        Err(error) => {
            tracing::debug!(repository = %refused.repository, error = &error as &dyn std::error::Error, "the rules of a branch were not read");
            return Vec::new();
        }
    };
    let reports = match rules.checks.is_empty() {
        true => Ok(Vec::new()),
        false => statuses::read(client, refused.repository, refused.head).await,
    };
    let reviews = match rules.approvals {
        0 => Ok(Reviews::All(Vec::new())),
        _ => reviews::list(client, refused.repository, refused.number).await,
    };
    match (reports, reviews) {
        (Ok(reports), Ok(Reviews::All(reviews))) => rules.missing(refused.method, &reports, &reviews),
        _ => Vec::new(),
    }
}

/// Returns what the rules of a branch ask of anything that is merged into it in this way.
pub(super) async fn asked(
    client: &Client,
    repository: &RepositoryId,
    base: &str,
    method: MergeMethod,
) -> Result<Vec<String>, ForgeError> {
    let rules = read(client, repository, base).await?;
    let checks = rules.checks.iter().map(|context| format!("`{context}` must be reported as a success"));
    let told = Rules { checks: Default::default(), ..rules.clone() }.missing(method, &[], &[]);
    Ok(checks.chain(told).collect())
}

async fn read(client: &Client, repository: &RepositoryId, base: &str) -> Result<Rules, ForgeError> {
    let mut rules = Rules::default();
    let call = |route, path: String| Call::new(route, path, format!("show the rules of `{base}` in `{repository}`"));
    let branch = format!("/repos/{repository}/branches/{}", encoded(base));
    let of_rulesets = call(
        "/repos/{owner}/{repo}/rules/branches/{branch}",
        format!("/repos/{repository}/rules/branches/{}", encoded(base)),
    );
    match client.pages::<Vec<RuleBody>>(&of_rulesets, MAX_PAGES).await {
        Ok(all) => all.into_iter().for_each(|rule| rules.add(rule)),
        // Enterprise servers of before 3.11 have none.
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => {}
        Err(error) => return Err(error),
    }
    let classic = call("/repos/{owner}/{repo}/branches/{branch}/protection", format!("{branch}/protection"));
    match client.get::<ProtectionBody>(&classic).await {
        Ok(protection) => rules.add_protection(protection),
        Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => {
            let summary: BranchBody = client.get(&call("/repos/{owner}/{repo}/branches/{branch}", branch)).await?;
            let checks = summary.protection.required_status_checks;
            rules.checks.extend(checks.into_iter().flat_map(|checks| checks.contexts));
        }
        Err(error) => return Err(error),
    }
    rules.add_repository(&github_like::repository(client, repository).await?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::{approvals::Reviewer, ids::StatusKey, status::StatusSource};

    fn rules(all: serde_json::Value) -> Rules {
        let mut rules = Rules::default();
        let all: Vec<RuleBody> = serde_json::from_value(all).expect("because the tests write rules");
        all.into_iter().for_each(|rule| rules.add(rule));
        rules
    }

    fn report(key: &str, state: StatusState) -> CommitStatus {
        CommitStatus {
            key: StatusKey::new(key).expect("because it is a key"),
            state,
            source: StatusSource::CheckRun,
            reported_at: Timestamp::UNIX_EPOCH,
            id: 1,
            description: String::new(),
            creator: None,
            reporter: None,
        }
    }

    fn review(by: u64, opinion: Opinion) -> Review {
        let by = Reviewer { id: by, login: by.to_string() };
        Review { id: 1, by, opinion, commit: "head".to_owned(), at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn all_rules_of_a_branch_hold_together() {
        let rules = rules(json!([
            {"type": "deletion"},
            {"type": "something_new", "parameters": {"of": "tomorrow"}},
            {"type": "pull_request", "parameters": {"required_approving_review_count": 1, "allowed_merge_methods": ["squash", "merge"]}},
            {"type": "pull_request", "parameters": {"required_approving_review_count": 2, "require_code_owner_review": true}},
            {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "ci"}, {"context": "scan", "integration_id": 1}]}},
            {"type": "required_linear_history"},
            {"type": "required_deployments", "parameters": {"required_deployment_environments": ["qa"]}},
        ]));
        let reports = [report("ci", StatusState::Success), report("scan", StatusState::Error)];
        let reviews = [
            review(1, Opinion::ChangesRequested),
            review(2, Opinion::Approved),
            review(1, Opinion::Approved),
            review(2, Opinion::Dismissed),
        ];
        assert_eq!(
            rules.missing(MergeMethod::Merge, &reports, &reviews),
            [
                "`merge` is no way to merge there: set `mergeMethod: squash` for the environment",
                "`scan` has failed",
                "it needs 2 approving reviews by people with write access, and has 1",
                "it needs a deployment to `qa`",
                "it may need a review of a code owner",
            ]
        );
        assert_eq!(Rules::default().missing(MergeMethod::Rebase, &[], &[]), Vec::<String>::new());
    }

    #[test]
    fn classic_protection_and_the_repository_say_the_same_in_other_words() {
        let mut rules = Rules::default();
        let protection = json!({
            "required_status_checks": {"strict": true, "contexts": ["ci"], "checks": [{"context": "ci", "app_id": null}]},
            "required_pull_request_reviews": {"required_approving_review_count": 1},
            "required_signatures": {"url": "u", "enabled": true},
            "lock_branch": {"enabled": false},
        });
        rules.add_protection(serde_json::from_value(protection).expect("because it is one"));
        let repository = json!({
            "default_branch": "main", "html_url": "u", "clone_url": "c",
            "allow_merge_commit": false, "allow_squash_merge": false, "allow_rebase_merge": true,
        });
        rules.add_repository(&serde_json::from_value(repository).expect("because it is one"));
        assert_eq!(
            rules.missing(MergeMethod::Squash, &[report("ci", StatusState::Pending)], &[]),
            [
                "`squash` is no way to merge there: set `mergeMethod: rebase` for the environment",
                "`ci` is pending",
                "it needs 1 approving review by people with write access, and has 0",
                "it may need signed commits",
            ]
        );
    }
}
