//! Whose word counts, and for what.

use super::*;

fn review(id: u64, who: u64, opinion: Opinion, commit: &str) -> Review {
    let at = Timestamp::from_second(i64::try_from(id).expect("small")).expect("a time");
    Review { id, by: reviewer(who), opinion, commit: commit.into(), at }
}

/// People are numbers: 1 is ada, 2 is bob and so on.
fn reviewer(who: u64) -> Reviewer {
    let login = ["nobody", "ada", "bob", "carol", "dan"][usize::try_from(who).expect("small")];
    Reviewer { id: who, login: login.into() }
}

fn team(slug: &str) -> Grantee {
    Grantee::Team(slug.into())
}

fn dry(name: &str) -> DrySha {
    DrySha::new(name).expect("a word")
}

fn rule(count: usize) -> ApprovalRule {
    ApprovalRule { count, teams: Vec::new(), code_owners: false, not_author: false, deadline: None }
}

/// Everybody who reviewed may write, and bob and carol are in `qa`.
fn reviewed(reviews: &[Review]) -> Reviewed {
    let newest = Reviewed::newest_of_each(reviews.to_vec());
    let standing = |who: u64| Standing {
        may_write: who != 4,
        among: [2, 3].contains(&who).then(|| team("qa")).into_iter().collect(),
    };
    Reviewed {
        proposed: ProposedSha::new("head-2").expect("a word"),
        people: newest.iter().map(|review| (review.by.id, standing(review.by.id))).collect(),
        newest,
        unread: BTreeSet::new(),
        owners: Owners::NotAsked,
        authors: Authors::NotAsked,
    }
}

fn said(rule: &ApprovalRule, reviewed: &Reviewed) -> String {
    rule.waits(Some(reviewed)).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_takes_so_many_people_on_exactly_this_head() {
    use Opinion::Approved;
    let none = reviewed(&[]);
    assert_eq!(said(&rule(1), &none), "waits for an approval");
    assert_eq!(rule(2).waits(None), rule(2).waits(Some(&none)), "nobody is known to have reviewed");
    let two = reviewed(&[review(1, 1, Approved, "head-1"), review(2, 2, Approved, "head-2")]);
    assert_eq!(said(&rule(1), &two), "");
    assert_eq!(said(&rule(2), &two), "waits for 2 approvals, has 1 (bob); does not count: ada (approved another head)");
    let twice = reviewed(&[review(1, 1, Approved, "head-2"), review(2, 1, Approved, "head-2")]);
    assert_eq!(said(&rule(2), &twice), "waits for 2 approvals, has 1 (ada)", "one person counts once");
    let stranger = reviewed(&[review(1, 4, Approved, "head-2")]);
    assert_eq!(said(&rule(1), &stranger), "waits for an approval; does not count: dan (may not approve)");
}

#[test]
fn only_the_newest_word_of_a_person_counts() {
    use Opinion::{Approved, ChangesRequested, Dismissed};
    let dismissed = reviewed(&[review(1, 1, Approved, "head-2"), review(2, 1, Dismissed, "head-2")]);
    assert_eq!(said(&rule(1), &dismissed), "waits for an approval");
    let turned = [review(2, 1, Approved, "head-2"), review(1, 1, ChangesRequested, "head-2")];
    assert_eq!(said(&rule(1), &reviewed(&turned)), "", "they need not come in their order");
    let objects = [review(1, 1, Approved, "head-2"), review(2, 2, ChangesRequested, "head-2")];
    assert_eq!(said(&rule(1), &reviewed(&objects)), "bob asks for changes");
    let earlier = [review(1, 1, Approved, "head-2"), review(2, 2, ChangesRequested, "head-1")];
    assert_eq!(
        said(&rule(1), &reviewed(&earlier)),
        "bob asked for changes on head-1",
        "it stands until it is taken back"
    );
    let powerless = [review(1, 1, Approved, "head-2"), review(2, 4, ChangesRequested, "head-2")];
    assert_eq!(said(&rule(1), &reviewed(&powerless)), "", "who may not approve cannot object either");
}

#[test]
fn where_teams_are_named_only_their_members_count() {
    use Opinion::Approved;
    let rule = ApprovalRule { teams: vec![team("qa"), team("sre")], ..rule(2) };
    let mut seen = reviewed(&[review(1, 1, Approved, "head-2"), review(2, 2, Approved, "head-2")]);
    seen.unread.insert(team("sre"));
    assert_eq!(
        said(&rule, &seen),
        "waits for 2 approvals by members of `team:qa` or `team:sre`, has 1 (bob); does not count: ada (may not approve)\n\
         the forge does not have `team:sre`, or does not show us who is in it"
    );
    let both = [review(2, 2, Approved, "head-2"), review(3, 3, Approved, "head-2")];
    assert_eq!(said(&rule, &Reviewed { unread: seen.unread, ..reviewed(&both) }), "", "nobody else was needed");
}

#[test]
fn who_wrote_what_is_promoted_does_not_approve_it() {
    use Opinion::Approved;
    let rule = ApprovalRule { not_author: true, ..rule(1) };
    let by = |accounts: &[u64], unknown: Option<&str>| Authors::Known {
        accounts: accounts.iter().map(|id| (*id, dry("dry-7"))).collect(),
        unknown: unknown.map(|name| (dry("dry-8"), name.to_owned())),
    };
    let seen = reviewed(&[review(1, 1, Approved, "head-2")]);
    let with = |authors: Authors| Reviewed { authors, ..seen.clone() };
    assert_eq!(said(&rule, &with(by(&[2], None))), "");
    assert_eq!(said(&rule, &with(by(&[1, 2], None))), "waits for an approval; does not count: ada (wrote dry-7)");
    assert_eq!(
        said(&rule, &with(by(&[2], Some("Eve")))),
        "Eve, who wrote dry-8, is no account of the forge, and may be somebody who approves"
    );
    let told = |read| said(&rule, &with(Authors::NotTold { read }));
    assert_eq!(told(Some(1000)), "it brings more than 1000 commits, and those who wrote them may not approve it");
    assert_eq!(told(None), "the forge does not tell who wrote what it brings, and they may not approve it");
    let anybody = ApprovalRule { not_author: false, ..rule };
    assert_eq!(said(&anybody, &with(by(&[1], Some("Eve")))), "");
}

#[test]
fn each_changed_file_with_owners_needs_one_of_them() {
    use Opinion::{Approved, ChangesRequested};
    let rule = ApprovalRule { code_owners: true, ..rule(1) };
    let owner = |text: &str, people| Owner { text: text.into(), people };
    let owned = |path: &str, more, owners| Owned { path: path.into(), more, owners };
    let qa = || vec![owner("@acme/qa", Some(team("qa"))), owner("eve@example.com", None)];
    let ada = || vec![owner("@Ada", Some(Grantee::User("Ada".into())))];
    let known = Owners::Known(vec![owned("api/manifest.yaml", 2, qa()), owned("web/manifest.yaml", 0, ada())]);
    let with = |reviews: &[Review]| Reviewed { owners: known.clone(), ..reviewed(reviews) };
    assert_eq!(
        said(&rule, &with(&[review(1, 1, Approved, "head-2")])),
        "waits for the approval of an owner of `api/manifest.yaml` and 2 more files: @acme/qa or eve@example.com"
    );
    assert_eq!(said(&rule, &with(&[review(1, 1, Approved, "head-2"), review(2, 2, Approved, "head-2")])), "");
    let earlier = with(&[review(1, 1, Approved, "head-1"), review(2, 2, Approved, "head-2")]);
    assert_eq!(said(&rule, &earlier), "waits for the approval of an owner of `web/manifest.yaml`: @Ada");
    let wrote = Authors::Known { accounts: [(1, dry("dry-7"))].into(), unknown: None };
    let wrote =
        Reviewed { authors: wrote, ..with(&[review(1, 1, Approved, "head-2"), review(2, 2, Approved, "head-2")]) };
    let strict = ApprovalRule { not_author: true, ..rule.clone() };
    assert_eq!(said(&strict, &wrote), "waits for the approval of an owner of `web/manifest.yaml`: @Ada");
    let sre = ApprovalRule { teams: vec![team("qa")], ..rule.clone() };
    let objects = with(&[review(1, 1, ChangesRequested, "head-2"), review(2, 2, Approved, "head-2")]);
    assert!(said(&sre, &objects).starts_with("ada asks for changes\n"), "an owner objects, whatever the teams are");
    assert_eq!(sre.counting(&with(&[review(1, 1, Approved, "head-2")])).len(), 0);
    assert_eq!(sre.opening(&with(&[review(1, 1, Approved, "head-2")])).len(), 1, "an owner's approval is recorded too");
    let without = |owners| said(&rule, &Reviewed { owners, ..reviewed(&[review(1, 1, Approved, "head-2")]) });
    assert!(without(Owners::NoFile).contains("has no `CODEOWNERS`"), "a gate that is asked for is not silently open");
    assert!(without(Owners::TooLong).contains("is too long"));
    assert_eq!(without(Owners::Known(Vec::new())), "");
}

#[test]
fn the_last_pattern_of_code_owners_decides() {
    let text = "
# Everybody's
*                @acme/all   # the rest
*.md             docs@example.com
/apps/           @ada
apps/github
docs/*           @bob
**/logs          @carol
build/logs/      @dan
/with\\ space/    @ada @acme/web @other/web
manifest.yaml    @Web-Team
!negated         @ada
[ab]             @ada
bad              not-an-owner
{a,b}            @ada
";
    let owners = CodeOwners::parse(text, "acme").expect("it is short");
    let of = |path: &str| owners.of(path).iter().map(|owner| owner.text.as_str()).collect::<Vec<_>>().join(" ");
    for (path, expected) in [
        ("hydrator.metadata", "@acme/all"),
        ("shop/README.md", "docs@example.com"),
        ("apps/web/x.yaml", "@ada"),
        ("other/apps/x.yaml", "@acme/all"),
        ("apps/github/x.yaml", ""),
        ("apps/github", ""),
        ("docs/a", "@bob"),
        ("docs/deep/a", "@acme/all"),
        ("deep/logs/a", "@carol"),
        ("logs", "@carol"),
        ("build/logs/a", "@dan"),
        ("with space/a", "@ada @acme/web @other/web"),
        ("shop/manifest.yaml", "@Web-Team"),
        ("a", "@acme/all"),
        ("bad", "@acme/all"),
        ("{a,b}", "@ada"),
    ] {
        assert_eq!(of(path), expected, "{path}");
    }
    let people: Vec<_> = owners.of("with space/a").iter().map(|owner| owner.people.clone()).collect();
    assert_eq!(people, [Some(Grantee::User("ada".into())), Some(team("web")), None]);
    assert!(CodeOwners::parse(&"a @b\n".repeat(3_000), "acme").is_err(), "its size has a limit");
}
