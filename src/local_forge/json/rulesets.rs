//! The rules of a branch as rulesets tell them.

use serde_json::{Value, json};

use crate::local_forge::state::Protection;

/// Returns what GitHub tells of the rules of a branch, one by one.
pub(in crate::local_forge) fn rules(key: &str, protection: &Protection) -> Vec<Value> {
    let rule = |kind: &str, parameters: Value| {
        let mut rule =
            json!({"type": kind, "ruleset_source_type": "Repository", "ruleset_source": key, "ruleset_id": 1});
        if !parameters.is_null() {
            rule["parameters"] = parameters;
        }
        rule
    };
    let mut rules = Vec::new();
    if !protection.allow_deletions {
        rules.push(rule("deletion", Value::Null));
    }
    if !protection.allow_force_pushes {
        rules.push(rule("non_fast_forward", Value::Null));
    }
    if !protection.required_contexts.is_empty() || protection.strict {
        let checks: Vec<Value> = protection.required_contexts.iter().map(|name| json!({"context": name})).collect();
        let strict = protection.strict;
        let parameters = json!({"required_status_checks": checks, "strict_required_status_checks_policy": strict});
        rules.push(rule("required_status_checks", parameters));
    }
    if protection.required_approvals > 0 || protection.require_pull_request {
        let parameters = json!({
            "required_approving_review_count": protection.required_approvals,
            "dismiss_stale_reviews_on_push": protection.dismiss_stale_reviews,
            "require_code_owner_review": false,
            "require_last_push_approval": false,
            "required_review_thread_resolution": false,
        });
        rules.push(rule("pull_request", parameters));
    }
    if protection.merge_queue {
        let parameters = json!({
            "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "merge_method": "MERGE", "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        });
        rules.push(rule("merge_queue", parameters));
    }
    rules
}
