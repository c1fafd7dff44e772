//! What is said about lanes.

use super::{said, told};
use crate::domain::{
    lane::Lanes,
    strategy::{Environment, parse_strategies},
};

fn said_of_lanes(lanes: &str, sources: &str) -> String {
    said(&format!(
        "  activeCommitStatuses: [{{key: health}}]
  environments: [{{branch: env/dev, vars: {{tier: low}}}}, {{branch: env/prod, vars: {{tier: high}}}}]
{lanes}  sources:\n{sources}"
    ))
}

#[test]
fn every_source_has_the_label_that_divides() {
    let sources =
        "  - {path: \"services/{service}/{environment}\", output: \"{service}\"}\n  - {path: \"db/{servce}\"}\n";
    insta::assert_snapshot!(said_of_lanes("  lanes: {by: service}\n", sources), @r#"
    error: roots of this source have no label `service`, by which `lanes` divides
      --> hydromote.yaml:10:5
       |
    10 |   - {path: "db/{servce}"}
       |     ^
       = help: divide by `servce`, or capture `{service}` in `path` or `each`
    "#);
    let vars = "  lanes: {by: team}\n  vars: {team: shop}\n";
    insta::assert_snapshot!(said_of_lanes(vars, sources), @"nothing");
}

#[test]
fn lanes_are_the_same_in_every_environment() {
    let sources = "  - {path: \"services/{service}/{environment}\"}\n";
    insta::assert_snapshot!(said_of_lanes("  lanes: {by: tier}\n", sources), @"
    error: the label `tier` differs from environment to environment, and lanes are the same in all of them
     --> hydromote.yaml:7:15
      |
    7 |   lanes: {by: tier}
      |               ^^^^
      = help: divide by a label that a source captures, or that `vars` of the strategy give
    ");
    insta::assert_snapshot!(said_of_lanes("  lanes: {by: environment}\n", sources), @"
    error: the label `environment` differs from environment to environment, and lanes are the same in all of them
     --> hydromote.yaml:7:15
      |
    7 |   lanes: {by: environment}
      |               ^^^^^^^^^^^
      = help: divide by a label that a source captures, or that `vars` of the strategy give
    ");
    insta::assert_snapshot!(said_of_lanes("  lanes: {by: \"{service}\"}\n", sources), @r#"
    error: `{service}` cannot be the name of a label
     --> hydromote.yaml:7:15
      |
    7 |   lanes: {by: "{service}"}
      |               ^^^^^^^^^^^
      = help: write the name of a label that the sources capture, such as `service`
    "#);
    insta::assert_snapshot!(said_of_lanes("  lanes: service\n", sources), @"
    error: a map belongs here
     --> hydromote.yaml:7:10
      |
    7 |   lanes: service
      |          ^^^^^^^
      = help: write `lanes: {by: service}`
    ");
    insta::assert_snapshot!(said_of_lanes("  lanes: {on: service}\n", sources), @"
    error: `on` is not a field here
     --> hydromote.yaml:7:11
      |
    7 |   lanes: {on: service}
      |           ^^
      = help: fields here are `by`
    ");
}

#[test]
fn at_least_one_pull_request_may_be_open() {
    let sources = "  - {path: \"services/{service}/{environment}\"}\n";
    insta::assert_snapshot!(said_of_lanes("  maxOpenPullRequests: 0\n", sources), @"
    error: with no pull request open nothing would ever be promoted
     --> hydromote.yaml:7:24
      |
    7 |   maxOpenPullRequests: 0
      |                        ^
      = help: write at least 1, or hold the environment to stop its promotions
    ");
    insta::assert_snapshot!(said_of_lanes("  maxOpenPullRequests: many\n", sources), @"
    error: this is not YAML: invalid u32
     --> hydromote.yaml:7:24
      |
    7 |   maxOpenPullRequests: many
      |                        ^^^^
      = help: check quotes, colons and indentation
    ");
}

/// Returns what is said of an environment with these fields, in a strategy with lanes or without.
fn said_of_environment(lanes: &str, fields: &str) -> String {
    let text = format!(
        "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata: {{name: shop}}\nspec:\n  \
         activeCommitStatuses: [{{key: health}}]\n{lanes}  sources: [{{path: \"services/{{service}}\"}}]\n  \
         environments:\n    - {{branch: env/prod, {fields}}}\n"
    );
    told(&parse_strategies(&[("hydromote.yaml", &text)]))
}

#[test]
fn all_lanes_may_share_a_pull_request_where_there_are_lanes() {
    let lanes = "  lanes: {by: service}\n";
    insta::assert_snapshot!(said_of_environment(lanes, "lanes: all"), @"nothing");
    insta::assert_snapshot!(said_of_environment("", "lanes: all"), @"
    error: there are no lanes that could share a pull request
     --> hydromote.yaml:8:33
      |
    8 |     - {branch: env/prod, lanes: all}
      |                                 ^^^
      = help: add `lanes: {by: …}` to the strategy, or remove it: one lane has one pull request
    ");
    insta::assert_snapshot!(said_of_environment(lanes, "lanes: [cart]"), @"
    error: a text belongs here
     --> hydromote.yaml:9:33
      |
    9 |     - {branch: env/prod, lanes: [cart]}
      |                                 ^
      = help: write one text; quote it when it begins with `{`, `[`, `*` or `&`
    ");
    insta::assert_snapshot!(said_of_environment(lanes, "lanes: each"), @"
    error: `each` is not a way to promote lanes
     --> hydromote.yaml:9:33
      |
    9 |     - {branch: env/prod, lanes: each}
      |                                 ^^^^
      = help: write `all`
    ");
    insta::assert_snapshot!(said_of_environment(lanes, "lanes: all, maxOpenPullRequests: 2"), @"
    error: all lanes of this environment share one pull request
     --> hydromote.yaml:9:59
      |
    9 |     - {branch: env/prod, lanes: all, maxOpenPullRequests: 2}
      |                                                           ^
      = help: remove `maxOpenPullRequests`, or `lanes: all`
    ");
}

#[test]
fn lanes_are_read() {
    let text = "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata: {name: shop}\nspec:\n  \
                lanes: {by: service}\n  maxOpenPullRequests: 5\n  sources: [{path: \"services/{service}\"}]\n  \
                environments: [{branch: env/dev}, {branch: env/prod, maxOpenPullRequests: 1}, {branch: env/all, lanes: all}]\n";
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    let strategy = &files[0].strategies.as_ref().unwrap_or_else(|_| panic!("{}", told(&files)))[0];
    assert_eq!(strategy.lanes, Lanes::by("service"));
    let most: Vec<_> = strategy.environments.iter().map(|e| e.most_open.map(u32::from)).collect();
    assert_eq!(most, [Some(5), Some(1), None]);
    assert_eq!(strategy.environments.iter().map(Environment::is_bundle).collect::<Vec<_>>(), [false, false, true]);
}
