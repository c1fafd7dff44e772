//! What is said about several strategies, and about large ones.

use super::{HEADER, said_of_environments, said_of_sources, told};
use crate::domain::strategy::parse_strategies;

#[test]
fn strategies_of_one_repository_have_their_own_names_and_branches() {
    let document = |name: &str, branch: &str| {
        format!(
            "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata:\n  name: {name}\nspec:\n  \
             sources: [{{path: a}}]\n  activeCommitStatuses: [{{key: health}}]\n  environments:\n  - branch: {branch}\n"
        )
    };
    let first = format!("{}---\n{}", document("shop", "env/dev"), document("search", "env/search"));
    let files = [(".hydromote/a.yaml", first), (".hydromote/b.yaml", document("Shop", "env/dev"))];
    insta::assert_snapshot!(told(&parse_strategies(&files)), @"
    error: another strategy, at .hydromote/a.yaml:4, is called `Shop` too
     --> .hydromote/b.yaml:4:9
      |
    4 |   name: Shop
      |         ^^^^
      = help: give each strategy of a repository its own name; upper and lower case count as equal
    error: promotions of the strategy at .hydromote/a.yaml:9 are proposed on `env/dev-next` too
     --> .hydromote/b.yaml:9:13
      |
    9 |   - branch: env/dev
      |             ^^^^^^^
      = help: strategies share an active branch when each proposes on a branch of its own: name one with `proposedBranch`, such as `env/dev-Shop-next`
    ");
}

#[test]
fn strategies_keep_out_of_each_others_proposed_branches() {
    let document = |name: &str, dry: &str, branch: &str| {
        format!(
            "apiVersion: hydromote.dev/v1alpha1\nkind: PromotionStrategy\nmetadata: {{name: {name}}}\nspec:\n  \
             dryBranch: {dry}\n  sources: [{{path: a}}]\n  activeCommitStatuses: [{{key: health}}]\n  \
             environments: [{{branch: {branch}}}]\n"
        )
    };
    let files = [
        ("a.yaml", document("a", "main", "env/dev")),
        ("b.yaml", document("b", "main", "env/dev-next")),
        ("c.yaml", document("c", "main", "env")),
        ("d.yaml", document("d", "release", "main")),
        ("e.yaml", document("e", "main", "other")),
    ];
    insta::assert_snapshot!(told(&parse_strategies(&files)), @"
    error: the strategy at a.yaml:8 uses the branch `env/dev-next` too, for something else
     --> b.yaml:8:27
      |
    8 |   environments: [{branch: env/dev-next}]
      |                           ^^^^^^^^^^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    error: git cannot hold both `env` and `env/dev`, which the strategy at a.yaml:8 uses
     --> c.yaml:8:27
      |
    8 |   environments: [{branch: env}]
      |                           ^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    error: the strategy at a.yaml:5 uses the branch `main` too, for something else
     --> d.yaml:8:27
      |
    8 |   environments: [{branch: main}]
      |                           ^^^^
      = help: give each strategy its own branches, such as `env/shop/dev` and `env/search/dev`
    ");
}

#[test]
fn there_are_limits_to_what_a_strategy_holds() {
    let environments: String = (0..101).map(|i| format!("\n  - branch: env/e{i}")).collect();
    insta::assert_snapshot!(said_of_environments(&environments), @r"
    error: there are 101 environments; at most 100 can be in a strategy
     --> hydromote.yaml:7:3
      |
    7 |   environments:
      |   ^^^^^^^^^^^^
      = help: divide them into several strategies
    ");
    insta::assert_snapshot!(said_of_environments(&format!("\n  - {{name: a, branch: {}}}\n", "b".repeat(161))), @r"
    error: the name of the branch is longer than 160 characters
     --> hydromote.yaml:9:23
      |
    9 |   - {name: a, branch: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: choose a shorter one; proposals add to it
    ");
    let many = "\n  - {path: /}".repeat(300);
    assert_eq!(said_of_sources(&many).matches("error:").count(), 100);
}

#[test]
fn warnings_never_crowd_out_a_mistake() {
    let document = |prefix: &str, tail: &str| {
        let environments: String = (0..100).map(|i| format!("  - branch: {prefix}/e{i}\n")).collect();
        format!("{HEADER}spec:\n  sources: [{{path: a}}]\n  environments:\n{environments}{tail}---\n")
    };
    let text = [document("a", ""), document("b", "    soak: soon\n")].concat().replacen("name: shop", "name: a", 1);
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    assert_eq!(files[0].warnings.len(), 100);
    assert_eq!(files[0].strategies.as_ref().map_err(Vec::len), Err(1));
}
