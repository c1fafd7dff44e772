//! Keys with patterns and labels, and whom and how many of them are asked for.

use super::{HEADER, said};
use crate::domain::{
    deployed::Tool,
    status::Reporter,
    strategy::{StatusRule, StatusScope, parse_strategies},
};

/// Returns what is said about a document with these statuses, and a source that captures `service`.
fn said_of_statuses(active: &str, proposed: &str) -> String {
    said(&spec(active, proposed))
}

fn spec(active: &str, proposed: &str) -> String {
    format!(
        "  vars: {{team: shop}}
  sources: [{{path: 'services/{{service}}/{{environment}}', output: '{{service}}'}}]
  environments:
  - {{branch: env/dev, vars: {{tier: 'low-{{environment}}'}}}}
  - {{branch: env/prod, vars: {{tier: high}}}}
  activeCommitStatuses:\n{active}
  proposedCommitStatuses:\n{proposed}"
    )
}

/// Returns the rules of dev.
fn rules(active: &str) -> Vec<StatusRule> {
    let text = format!("{HEADER}spec:\n{}", spec(active, "  - key: ticket\n"));
    let file = parse_strategies(&[("hydromote.yaml", text.as_str())]).remove(0);
    let strategy = file.strategies.expect("no mistakes").remove(0);
    strategy.environments[0].active_statuses.clone()
}

#[test]
fn a_key_may_have_patterns_labels_a_scope_a_reporter_and_a_number() {
    let rules = rules(
        "  - {key: 'kustomization/{service}/*', scope: changed, from: flux-bot, atLeast: 1}
  - {key: 'application/{team}-{tier}/*', from: argocd, atLeast: 2}
  - {key: deploy, from: 'github-actions[bot]'}
  - {key: other, from: 'user:flux', scope: all}\n",
    );
    let keys: Vec<&str> = rules.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(keys, ["kustomization/{service}/*", "application/shop-low-dev/*", "deploy", "other"]);
    let from: Vec<_> = rules.iter().filter_map(|rule| rule.from.clone()).collect();
    let account = |login: &str| Reporter::Account(login.to_owned());
    assert_eq!(
        from,
        [account("flux-bot"), Reporter::Tool(Tool::ArgoCd), account("github-actions[bot]"), account("flux")]
    );
    assert_eq!(rules[0].scope, StatusScope::Changed);
    assert_eq!(rules[1].at_least.map(std::num::NonZeroU32::get), Some(2));
}

#[test]
fn mistakes_in_keys_are_named() {
    let active = "  - key: 'kustomization/{servcie}/*'
  - key: 'kustomization/**'
  - key: '*/dev'
  - key: 'a{b'
  - key: 'hydromote/*'\n";
    insta::assert_snapshot!(said_of_statuses(active, "  - key: '{service}/scan'\n  - key: '{unknown}'\n"), @"
    error: the label `servcie` is used but never bound
      --> hydromote.yaml:11:10
       |
    11 |   - key: 'kustomization/{servcie}/*'
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: did you mean `{service}`?
    error: `**` has no meaning in a key
      --> hydromote.yaml:12:10
       |
    12 |   - key: 'kustomization/**'
       |          ^^^^^^^^^^^^^^^^^^
       = help: use `*` for anything within one segment; the number of segments is fixed
    error: `*/dev` would match what Hydromote reports itself, such as `hydromote/verified`
      --> hydromote.yaml:13:10
       |
    13 |   - key: '*/dev'
       |          ^^^^^^^
       = help: write the first segment out, such as `kustomization/*`
    error: `{` is never closed
      --> hydromote.yaml:14:10
       |
    14 |   - key: 'a{b'
       |          ^^^^^
       = help: write a label as `{name}`
    error: `hydromote/*` is a status that Hydromote reports itself
      --> hydromote.yaml:15:10
       |
    15 |   - key: 'hydromote/*'
       |          ^^^^^^^^^^^^^
       = help: name a status that your own checks or your delivery tool report
    error: `{service}` differs from root to root, and a proposal is asked about as a whole
      --> hydromote.yaml:18:10
       |
    18 |   - key: '{service}/scan'
       |          ^^^^^^^^^^^^^^^^
       = help: write `*` in its place, or ask in `activeCommitStatuses`
    error: the label `unknown` is used but never bound
      --> hydromote.yaml:19:10
       |
    19 |   - key: '{unknown}'
       |          ^^^^^^^^^^^
       = help: capture it with `{unknown}` in `path` or `each`, or add it to `vars`
    ");
}

#[test]
fn mistakes_in_scope_reporter_and_number_are_named() {
    let active = "  - {key: a, scope: changed}
  - {key: 'b/{service}', scope: chnaged}
  - {key: 'c/*', atLeast: 0}
  - {key: 'd/*', atLeast: -1}
  - {key: 'e/*', atLeast: 101}
  - {key: f, atLeast: 2}
  - {key: g, from: 'team:qa'}
  - {key: h, from: '@ada'}
  - {key: i, from: ''}\n";
    insta::assert_snapshot!(said_of_statuses(active, "  - {key: j, scope: changed}\n"), @"
    error: `a` is the same for every root, so none can be left out
      --> hydromote.yaml:11:21
       |
    11 |   - {key: a, scope: changed}
       |                     ^^^^^^^
       = help: use a label that tells roots apart in the key, such as `{service}`, or remove `scope`
    error: `chnaged` is not a choice of roots
      --> hydromote.yaml:12:33
       |
    12 |   - {key: 'b/{service}', scope: chnaged}
       |                                 ^^^^^^^
       = help: did you mean `changed`?
    error: no success is asked for
      --> hydromote.yaml:13:27
       |
    13 |   - {key: 'c/*', atLeast: 0}
       |                           ^
       = help: write `1` or more, or remove the status
    error: `-1` is no number of keys that can be asked for
      --> hydromote.yaml:14:27
       |
    14 |   - {key: 'd/*', atLeast: -1}
       |                           ^^
       = help: write a number from `1` to `100`
    error: `101` is no number of keys that can be asked for
      --> hydromote.yaml:15:27
       |
    15 |   - {key: 'e/*', atLeast: 101}
       |                           ^^^
       = help: write a number from `1` to `100`
    error: 2 keys are asked for, and without `*` there is only one
      --> hydromote.yaml:16:23
       |
    16 |   - {key: f, atLeast: 2}
       |                       ^
       = help: write `*` where the keys differ, or remove `atLeast`
    error: `team:qa` is nobody who reports
      --> hydromote.yaml:17:20
       |
    17 |   - {key: g, from: 'team:qa'}
       |                    ^^^^^^^^^
       = help: a team does not report; name one account, `argocd` or `flux`
    error: `@ada` is nobody who reports
      --> hydromote.yaml:18:20
       |
    18 |   - {key: h, from: '@ada'}
       |                    ^^^^^^
       = help: write `ada`
    error: `` is nobody who reports
      --> hydromote.yaml:19:20
       |
    19 |   - {key: i, from: ''}
       |                    ^^
       = help: write `argocd`, `flux`, or a login as the forge shows it, such as `github-actions[bot]`
    error: a status of a proposal is asked of the whole, not of roots
      --> hydromote.yaml:22:14
       |
    22 |   - {key: j, scope: changed}
       |              ^^^^^
       = help: remove `scope`
    ");
}
