//! What is said about the destination, environments, their order, branches and statuses.

use super::{HEADER, said, said_of_environments, told};
use crate::domain::{
    ids::RepositoryId,
    strategy::{Destination, StrategyFile, parse_strategies, parse_strategies_of},
};

#[test]
fn a_destination_may_be_the_repository_itself() {
    let text = format!(
        "{HEADER}spec: {{destination: {{repository: org/shop}}, sources: [{{path: a}}], environments: [{{branch: b}}], \
         activeCommitStatuses: [{{key: c}}]}}\n"
    );
    let files = [("hydromote.yaml", text)];
    let repository = RepositoryId::new("org/shop").expect("because it is owner/name");
    insta::assert_snapshot!(told(&parse_strategies_of(&repository, &files)), @"nothing");
    let of = |read: Vec<StrategyFile>| read[0].strategies.as_ref().expect("no mistakes")[0].destination.clone();
    assert_eq!(of(parse_strategies_of(&repository, &files)), None);
    let elsewhere = Destination { repository, forge: None };
    assert_eq!(of(parse_strategies(&files)), Some(elsewhere), "whose file it is is not known");
}

#[test]
fn a_destination_may_be_another_repository_on_another_forge() {
    let spec = |destination: &str| {
        format!(
            "  destination: {destination}\n  sources: [{{path: a}}]\n  environments: [{{branch: main}}]\n  activeCommitStatuses: [{{key: c}}]\n"
        )
    };
    insta::assert_snapshot!(said(&spec("{repository: org/environments, forge: lab}")), @"nothing");
    insta::assert_snapshot!(said(&spec("{repository: environments, forge: '../lab'}")), @"
    error: `environments` is not a repository as `owner/name`
     --> hydromote.yaml:5:29
      |
    5 |   destination: {repository: environments, forge: '../lab'}
      |                             ^^^^^^^^^^^^
      = help: write a repository as `owner/name`
    error: `../lab` is not a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
     --> hydromote.yaml:5:50
      |
    5 |   destination: {repository: environments, forge: '../lab'}
      |                                                  ^^^^^^^^
      = help: write a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
    ");
}

#[test]
fn lists_must_not_be_empty() {
    insta::assert_snapshot!(said("  sources: []\n  environments: []\n"), @r"
    error: there are no sources
     --> hydromote.yaml:5:3
      |
    5 |   sources: []
      |   ^^^^^^^
      = help: list at least one, such as `path: deploy/{environment}`
    error: there are no environments
     --> hydromote.yaml:6:3
      |
    6 |   environments: []
      |   ^^^^^^^^^^^^
      = help: list at least one, with its `branch`
    ");
}

#[test]
fn names_of_environments_are_unique_and_valid() {
    let environments = "
  - branch: env/dev
  - {name: Dev, branch: env/other}
  - {name: \"a b\", branch: env/third}
  - branch: env/ünï
  - {name: x, branch: \"a..b\"}
";
    insta::assert_snapshot!(said_of_environments(environments), @r#"
    error: another environment, in line 9, is called `Dev` too
      --> hydromote.yaml:10:12
       |
    10 |   - {name: Dev, branch: env/other}
       |            ^^^
       = help: give each environment its own `name`; upper and lower case count as equal
    error: `a b` is not a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
      --> hydromote.yaml:11:12
       |
    11 |   - {name: "a b", branch: env/third}
       |            ^^^^^
       = help: write a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit
    error: the environment has no name, and `ünï`, the end of its branch, cannot be one
      --> hydromote.yaml:12:13
       |
    12 |   - branch: env/ünï
       |             ^^^^^^^
       = help: add `name:` with letters, digits, `-`, `_` and `.`
    error: `a..b` is not a branch name
      --> hydromote.yaml:13:23
       |
    13 |   - {name: x, branch: "a..b"}
       |                       ^^^^^^
       = help: write a branch name
    "#);
}

#[test]
fn environments_depend_on_known_others() {
    let environments = "
  - branch: env/dev
    dependsOn: [dev]
  - branch: env/staging
    dependsOn: [devv, dev, dev]
  - branch: env/prod
    dependsOn: [somewhere]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: environment `dev` depends on itself
      --> hydromote.yaml:10:17
       |
    10 |     dependsOn: [dev]
       |                 ^^^
       = help: name environments that come before it, or write `dependsOn: []` for none
    error: there is no environment `devv`
      --> hydromote.yaml:12:17
       |
    12 |     dependsOn: [devv, dev, dev]
       |                 ^^^^
       = help: did you mean `dev`?
    error: `dev` stands here twice
      --> hydromote.yaml:12:28
       |
    12 |     dependsOn: [devv, dev, dev]
       |                            ^^^
       = help: keep one of them
    error: there is no environment `somewhere`
      --> hydromote.yaml:14:17
       |
    14 |     dependsOn: [somewhere]
       |                 ^^^^^^^^^
       = help: environments are `dev`, `staging` and `prod`
    ");
}

#[test]
fn a_circle_is_printed_once() {
    let environments = "
  - branch: env/a
    dependsOn: [c]
  - branch: env/b
    dependsOn: [a]
  - branch: env/c
    dependsOn: [b]
  - branch: env/d
    dependsOn: [c]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: environments depend on each other in a circle: a → c → b → a
      --> hydromote.yaml:10:17
       |
    10 |     dependsOn: [c]
       |                 ^
       = help: remove one of these from `dependsOn`
    ");
}

#[test]
fn a_circle_by_the_order_of_the_list_is_explained() {
    insta::assert_snapshot!(said_of_environments("  - branch: env/a\n    dependsOn: [b]\n  - branch: env/b\n"), @r"
    error: environments depend on each other in a circle: a → b → a
     --> hydromote.yaml:9:17
      |
    9 |     dependsOn: [b]
      |                 ^
      = help: `b` depends on the environment listed before it; write `dependsOn` there, or list it earlier
    ");
}

#[test]
fn branches_are_not_in_each_others_way() {
    let spec = "
  dryBranch: main
  sources: [{path: deploy}]
  activeCommitStatuses: [{key: health}]
  environments:
  - {name: a, branch: main}
  - {name: b, branch: env}
  - {name: c, branch: env/dev}
  - {name: d, branch: env-next}
  - {name: e, branch: main/e}
  - {name: f, branch: env/dev}
  - {name: g, branch: env/dev-next/x}
";
    insta::assert_snapshot!(said(spec), @"
    error: `main` is the dry branch too
      --> hydromote.yaml:10:23
       |
    10 |   - {name: a, branch: main}
       |                       ^^^^
       = help: give the environment a branch of its own, such as `env/dev`: rendered files are committed there
    error: `env-next`, the proposed branch of `env`, is the active branch of line 13 too
      --> hydromote.yaml:11:23
       |
    11 |   - {name: b, branch: env}
       |                       ^^^
       = help: give each environment a branch of its own; proposals go to that name with `-next` behind it, unless `proposedBranch` names another
    error: git cannot hold both `env`, the active branch of line 11, and `env/dev`, the active branch of line 12
      --> hydromote.yaml:12:23
       |
    12 |   - {name: c, branch: env/dev}
       |                       ^^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    error: git cannot hold both `main`, the dry branch, and `main/e`, the active branch of line 14
      --> hydromote.yaml:14:23
       |
    14 |   - {name: e, branch: main/e}
       |                       ^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    error: `env/dev`, the active branch of line 15, is the active branch of line 12 too
      --> hydromote.yaml:15:23
       |
    15 |   - {name: f, branch: env/dev}
       |                       ^^^^^^^
       = help: give each environment a branch of its own; proposals go to that name with `-next` behind it, unless `proposedBranch` names another
    error: git cannot hold both `env`, the active branch of line 11, and `env/dev-next/x`, the active branch of line 16
      --> hydromote.yaml:16:23
       |
    16 |   - {name: g, branch: env/dev-next/x}
       |                       ^^^^^^^^^^^^^^
       = help: a branch cannot be a folder of another one: rename one of them, such as `env/dev` and `env/prod`
    ");
}

#[test]
fn statuses_are_unique_and_never_our_own() {
    let environments = "
  - branch: env/dev
    activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
    proposedCommitStatuses:
    - {key: ticket, settle: 30}
    - {key: ticket, deadline: soon}
  - branch: env/prod
    soak: 1.5h
    proposedCommitStatuses: [{key: health}, {key: ''}]
";
    insta::assert_snapshot!(said_of_environments(environments), @r"
    error: `health` is asked for already, in line 6
      --> hydromote.yaml:10:34
       |
    10 |     activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
       |                                  ^^^^^^
       = help: remove one of them; the statuses of the strategy hold for each environment
    error: `hydromote/dev` is a status that Hydromote reports itself
      --> hydromote.yaml:10:49
       |
    10 |     activeCommitStatuses: [{key: health}, {key: hydromote/dev}]
       |                                                 ^^^^^^^^^^^^^
       = help: name a status that your own checks or your delivery tool report
    error: `30` is not a duration
      --> hydromote.yaml:12:29
       |
    12 |     - {key: ticket, settle: 30}
       |                             ^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `ticket` is asked for already, in line 12
      --> hydromote.yaml:13:13
       |
    13 |     - {key: ticket, deadline: soon}
       |             ^^^^^^
       = help: remove one of them; the statuses of the strategy hold for each environment
    error: `soon` is not a duration
      --> hydromote.yaml:13:31
       |
    13 |     - {key: ticket, deadline: soon}
       |                               ^^^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `1.5h` is not a duration
      --> hydromote.yaml:15:11
       |
    15 |     soak: 1.5h
       |           ^^^^
       = help: write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    error: `` is not a status key
      --> hydromote.yaml:16:51
       |
    16 |     proposedCommitStatuses: [{key: health}, {key: ''}]
       |                                                   ^^
       = help: write a status key
    ");
}

#[test]
fn an_environment_that_verifies_nothing_is_a_warning() {
    let spec = "
  sources: [{path: deploy}]
  environments:
  - branch: env/dev
  - branch: env/prod
    activeCommitStatuses: [{key: health}]
";
    insta::assert_snapshot!(said(spec), @r"
    warning: environment `dev` has no active commit status
     --> hydromote.yaml:8:5
      |
    8 |   - branch: env/dev
      |     ^^^^^^
      = help: content counts as verified when it is merged and its soak has passed; add `activeCommitStatuses` to ask more
    ");
    let text = format!("{HEADER}spec:{spec}");
    let files = parse_strategies(&[("hydromote.yaml", text)]);
    assert!(files.iter().all(|file| file.strategies.is_ok()));
}

#[test]
fn what_needs_a_pull_request_of_ours_goes_no_other_way() {
    let spec = "
  mergeMode: direct
  sources: [{path: \"apps/{service}\"}]
  lanes: {by: service}
  activeCommitStatuses: [{key: health}]
  environments:
  - {branch: env/dev}
  - {branch: env/staging, mergeMode: link, lanes: all}
  - {branch: env/prod, approvals: {count: 1}}
";
    insta::assert_snapshot!(said(spec), @"
    error: without a pull request nobody can approve what is promoted to prod
     --> hydromote.yaml:6:14
      |
    6 |   mergeMode: direct
      |              ^^^^^^
      = help: write `mergeMode: pull-request` there, or remove `approvals`
    error: staging takes all lanes in one pull request of Hydromote's
      --> hydromote.yaml:12:38
       |
    12 |   - {branch: env/staging, mergeMode: link, lanes: all}
       |                                      ^^^^
       = help: write `mergeMode: pull-request` there, or remove `lanes: all`
    ");
}
