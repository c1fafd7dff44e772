//! Mistakes in who may give commands.

use super::said;
use crate::domain::{
    permission::{Grant, Grantee},
    strategy::parse_strategies,
};

const REST: &str = "
  sources: [{path: deploy}]
  activeCommitStatuses: [{key: health}]
  environments: [{branch: env/dev}]
";

#[test]
fn people_are_named_by_team_or_by_login() {
    let text = format!("{}spec:\n  permissions: {{promote: [\"team:QA\", \"user:Ada\"]}}{REST}", super::HEADER);
    let files = parse_strategies(&[("hydromote.yaml", &text)]);
    let strategies = files[0].strategies.as_ref().expect("because the document is sound");
    let permissions = &strategies[0].permissions;
    assert_eq!(permissions.of(Grant::Promote), [Grantee::Team("qa".into()), Grantee::User("Ada".into())]);
    assert_eq!(permissions.of(Grant::Rollback), []);
}

#[test]
fn who_is_meant_must_be_clear() {
    let spec = format!(
        "  permissions:
    promote: [qa, \"@ada\", \"@acme/qa\", \"team:\", \"user:\", \"teams:qa\", \"group:qa\", \"a b\"]
    rollback: [\"team:acme/sre\", \"team:s r e\", \"user:@ada\", \"user:a b\", \"team:sre\", \"team:SRE\"]{REST}"
    );
    insta::assert_snapshot!(said(&spec), @r#"
    error: `qa` does not say whether it is a team or a user
     --> hydromote.yaml:6:15
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |               ^^
      = help: write `team:qa` or `user:qa`
    error: `@ada` does not say whether it is a team or a user
     --> hydromote.yaml:6:19
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                   ^^^^^^
      = help: write `user:ada`
    error: `@acme/qa` does not say whether it is a team or a user
     --> hydromote.yaml:6:27
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                           ^^^^^^^^^^
      = help: write `team:qa`
    error: `team:` names nobody
     --> hydromote.yaml:6:39
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                                       ^^^^^^^
      = help: write the team's slug, like `team:qa`
    error: `user:` names nobody
     --> hydromote.yaml:6:48
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                                                ^^^^^^^
      = help: write a login, like `user:ada`
    error: `teams` is neither a team nor a user
     --> hydromote.yaml:6:57
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                                                         ^^^^^^^^^^
      = help: did you mean `team:qa`?
    error: `group` is neither a team nor a user
     --> hydromote.yaml:6:69
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                                                                     ^^^^^^^^^^
      = help: write `team:SLUG` or `user:LOGIN`
    error: `a b` does not say whether it is a team or a user
     --> hydromote.yaml:6:81
      |
    6 |     promote: [qa, "@ada", "@acme/qa", "team:", "user:", "teams:qa", "group:qa", "a b"]
      |                                                                                 ^^^^^
      = help: write `team:SLUG` or `user:LOGIN`
    error: `acme/sre` is the slug of no team
     --> hydromote.yaml:7:16
      |
    7 |     rollback: ["team:acme/sre", "team:s r e", "user:@ada", "user:a b", "team:sre", "team:SRE"]
      |                ^^^^^^^^^^^^^^^
      = help: write `team:sre`; teams are those of the repository's own organisation
    error: `s r e` is the slug of no team
     --> hydromote.yaml:7:33
      |
    7 |     rollback: ["team:acme/sre", "team:s r e", "user:@ada", "user:a b", "team:sre", "team:SRE"]
      |                                 ^^^^^^^^^^^^
      = help: write the slug from the address of the team's page: letters, digits, `-` and `_`
    error: `@ada` is no login
     --> hydromote.yaml:7:47
      |
    7 |     rollback: ["team:acme/sre", "team:s r e", "user:@ada", "user:a b", "team:sre", "team:SRE"]
      |                                               ^^^^^^^^^^^
      = help: write `user:ada`
    error: `a b` is no login
     --> hydromote.yaml:7:60
      |
    7 |     rollback: ["team:acme/sre", "team:s r e", "user:@ada", "user:a b", "team:sre", "team:SRE"]
      |                                                            ^^^^^^^^^^
      = help: write a login: letters, digits, `-` and `_`
    error: `team:SRE` is named already, in line 7
     --> hydromote.yaml:7:84
      |
    7 |     rollback: ["team:acme/sre", "team:s r e", "user:@ada", "user:a b", "team:sre", "team:SRE"]
      |                                                                                    ^^^^^^^^^^
      = help: remove one of them
    "#);
    let many: Vec<String> = (0..21).map(|n| format!("\"user:u{n}\"")).collect();
    insta::assert_snapshot!(said(&format!("  permissions:\n    promote:\n    - {}{REST}", many.join("\n    - "))), @r#"
    error: a list has at most 20 entries
      --> hydromote.yaml:27:7
       |
    27 |     - "user:u20"
       |       ^^^^^^^^^^
       = help: name a team with all of them
    "#);
    insta::assert_snapshot!(said(&format!("  permissions: {{promot: []}}{REST}")), @"
    error: `promot` is not a field here
     --> hydromote.yaml:5:17
      |
    5 |   permissions: {promot: []}
      |                 ^^^^^^
      = help: did you mean `promote`?
    ");
}
