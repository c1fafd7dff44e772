//! Mistakes in approvals and deadlines.

use jiff::SignedDuration;

use super::{HEADER, said};
use crate::domain::{
    permission::Grantee,
    strategy::{Newer, parse_strategies},
};

/// Returns a spec with these fields of prod, and perhaps more keys of its own.
fn spec(prod: &str, more: &str) -> String {
    format!(
        "  sources: [{{path: deploy}}]
  activeCommitStatuses: [{{key: health}}]
{more}  environments:
  - {{branch: env/dev}}
  - branch: env/prod
{prod}"
    )
}

#[test]
fn approvals_of_an_environment_stand_instead_of_those_of_the_strategy() {
    let own = "    approvals: {count: 2, teams: [QA, \"team:sre\"], codeOwners: true, notAuthor: true, deadline: 8h}\n    notify: [\"user:ada\", \"team:sre\"]\n    deadline: 2d\n";
    let more = "  approvals: {}\n  notify: [\"team:sre\"]\n";
    let files = parse_strategies(&[("hydromote.yaml", format!("{HEADER}spec:\n{}", spec(own, more)))]);
    let strategies = files[0].strategies.as_ref().expect("because the document is sound");
    let [dev, prod] = strategies[0].environments.as_slice() else { panic!("there are two") };
    let rules = [dev, prod].map(|e| e.approvals.clone().expect("a rule"));
    assert_eq!((rules[0].count, rules[0].teams.len(), rules[0].code_owners, rules[0].not_author), (1, 0, false, false));
    let team = |slug: &str| Grantee::Team(slug.into());
    assert_eq!((rules[1].count, &rules[1].teams), (2, &vec![team("qa"), team("sre")]));
    assert!(rules[1].code_owners && rules[1].not_author);
    assert_eq!((dev.newer, prod.newer), (Newer::Finish, Newer::Finish), "approvals are bound to the proposal");
    assert_eq!((dev.finish_deadline().as_hours(), prod.finish_deadline().as_hours()), (24, 8));
    assert_eq!((dev.deadline, prod.deadline), (None, Some(SignedDuration::from_hours(48))));
    assert_eq!((&dev.notify, &prod.notify), (&vec![team("sre")], &vec![team("sre"), Grantee::User("ada".into())]));
}

#[test]
fn each_mistake_of_approvals_has_its_place() {
    for (approvals, expected) in [
        ("{count: 0}", "no approval is asked for"),
        ("{count: -1}", "`-1` is no number of approvals"),
        ("{count: 21}", "21 approvals are asked for; at most 20 can be"),
        ("{teams: []}", "`teams` lists no team"),
        ("{deadline: 0s}", "the deadline is over when the wait begins"),
        ("{deadline: soon}", "`soon` is not a duration"),
        ("2", "a map belongs here"),
    ] {
        let said = said(&spec(&format!("    approvals: {approvals}\n"), ""));
        assert!(said.starts_with(&format!("error: {expected}\n")), "{approvals}: {said}");
        assert_eq!(said.matches("error: ").count(), 1, "{approvals}: {said}");
        assert!(said.contains("--> hydromote.yaml:10:") && said.contains("= help: "), "{approvals}: {said}");
    }
    insta::assert_snapshot!(said(&spec("    approvals: 2 # of us\n", "")), @"
    error: a map belongs here
      --> hydromote.yaml:10:16
       |
    10 |     approvals: 2 # of us
       |                ^
       = help: write `approvals: {count: 2}`
    ");
    let teams = "    approvals:\n      teams: [\"@acme/qa\", qa, \"user:ada\", \"q a\", QA]\n";
    insta::assert_snapshot!(said(&spec(teams, "")), @r#"
    error: `@acme/qa` is the slug of no team
      --> hydromote.yaml:11:15
       |
    11 |       teams: ["@acme/qa", qa, "user:ada", "q a", QA]
       |               ^^^^^^^^^^
       = help: write `qa`; teams are those of the repository's own organisation
    error: `user:ada` is no team
      --> hydromote.yaml:11:31
       |
    11 |       teams: ["@acme/qa", qa, "user:ada", "q a", QA]
       |                               ^^^^^^^^^^
       = help: name a team that the person is in; without `teams`, everybody with write access may approve
    error: `q a` is the slug of no team
      --> hydromote.yaml:11:43
       |
    11 |       teams: ["@acme/qa", qa, "user:ada", "q a", QA]
       |                                           ^^^^^
       = help: write the slug from the address of the team's page: letters, digits, `-` and `_`
    error: `QA` is named already, in line 11
      --> hydromote.yaml:11:50
       |
    11 |       teams: ["@acme/qa", qa, "user:ada", "q a", QA]
       |                                                  ^^
       = help: remove one of them
    "#);
}

#[test]
fn a_soak_that_keeps_everything_out_for_a_season_is_a_mistake() {
    insta::assert_snapshot!(said(&spec("    soak: 365d\n    deadline: 0s\n    notify: [qa]\n", "")), @"
    error: nothing newer would be promoted for `365d` after each promotion
      --> hydromote.yaml:10:11
       |
    10 |     soak: 365d
       |           ^^^^
       = help: write a shorter soak, such as `1h`; at most `30d`
    error: the deadline is over when the wait begins
      --> hydromote.yaml:11:15
       |
    11 |     deadline: 0s
       |               ^^
       = help: write how long it may take, such as `8h`, or remove it
    error: `qa` does not say whether it is a team or a user
      --> hydromote.yaml:12:14
       |
    12 |     notify: [qa]
       |              ^^
       = help: write `team:qa` or `user:qa`
    ");
}
