//! Approvals: whose word opens a promotion, and what takes it back.

use hydromote::local_forge::{Permission, ReviewState};

use crate::world::{BOT, DEVELOPER, Fallible, READER, STRANGER, TestResult, World, everywhere, strategy};

/// Starts with prod, which asks for approvals, and first waiting there in #2.
async fn waiting(approvals: &str) -> Fallible<World> {
    let mut world = World::with_environments(&["dev", &format!("prod, approvals: {approvals}")]).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

impl World {
    /// Reviews what is proposed in prod, and lets everything happen.
    async fn review(&mut self, login: &str, state: ReviewState) -> TestResult {
        let number = self.open_pull("prod").await?.number;
        self.home().as_user(login).review(self.home_name(), number, state, "").await?;
        self.settle().await
    }
}

#[tokio::test]
async fn approvals_open_the_gate_once_there_are_enough() -> TestResult {
    let mut world = waiting("{count: 2}").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for 2 approvals
    ");
    world.review(READER, ReviewState::Approved).await?;
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for 2 approvals, has 1 (stranger); does not count: reader (may not approve)
    ");
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_new_proposal_needs_new_approvals() -> TestResult {
    let mut world = waiting("{count: 2}").await?;
    world.review(STRANGER, ReviewState::Approved).await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    world.healthy_all(&["prod"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.review(STRANGER, ReviewState::Approved).await?;
    let before = world.open_pull("prod").await?;
    // It leaves the dry line, and another commit comes into the same pull request.
    world.force_push_dry("first", "third", everywhere("v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    let after = world.open_pull("prod").await?;
    assert_eq!(after.number, before.number);
    assert_ne!(after.head_sha, before.head_sha);
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, is verified
    prod     first, is verified; wants third in #4
             - waits for 2 approvals, has 1 (developer); does not count: stranger (approved another head)
    ");
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, is verified
    prod     third, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn an_objection_and_a_dismissal_take_an_approval_back() -> TestResult {
    let mut world = waiting("{count: 2}").await?;
    let number = world.open_pull("prod").await?.number;
    let review = world.home().as_user(STRANGER).review(world.home_name(), number, ReviewState::Approved, "").await?;
    world.settle().await?;
    world.home().as_user(DEVELOPER).dismiss_review(world.home_name(), number, review).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for 2 approvals
    ");
    world.review(STRANGER, ReviewState::Approved).await?;
    world.review(STRANGER, ReviewState::ChangesRequested).await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    // A comment has no verdict: it leaves the one before alone.
    world.review(STRANGER, ReviewState::Commented).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - stranger asks for changes
             - waits for 2 approvals, has 1 (developer)
    ");
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn who_wrote_what_is_promoted_does_not_approve_it() -> TestResult {
    let mut world = waiting("{notAuthor: true}").await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for an approval; does not count: developer (wrote first)
    ");
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.healthy_all(&["prod"]).await?;
    // Its author has a mail address that no account has.
    world.force_push_dry("first", "second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     first, is verified; wants second in #4
             - developer, who wrote second, is no account of the forge, and may be somebody who approves
    ");
    world.finish().await
}

#[tokio::test]
async fn only_members_of_the_teams_count_and_a_team_that_is_not_there_is_named() -> TestResult {
    let mut world = World::empty().await?;
    world.home().set_team("acme", "qa", &[READER]).await?;
    world.begin(&strategy(&["dev", "prod, approvals: {teams: [qa, sre]}"])).await?;
    world.healthy_all(&["dev"]).await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for an approval by members of `team:qa` or `team:sre`; does not count: developer (may not approve)
             - the forge does not have `team:sre`, or does not show us who is in it
    ");
    world.review(READER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn owners_are_those_that_the_active_branch_names() -> TestResult {
    let mut world = waiting("{codeOwners: true}").await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for the approval of code owners, and the active branch has no `CODEOWNERS`
    ");
    let owners = format!("*\n/shop/ @{STRANGER}\n");
    world.push_foreign("prod", vec![("CODEOWNERS".to_owned(), owners)]).await?;
    world.settle().await?;
    world.review(DEVELOPER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for the approval of an owner of `shop/README.md` and 2 more files: @stranger
    ");
    world.review(STRANGER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    let trailers = world.trailers(&world.branch("env/prod").await?).await?;
    let gates = trailers.get("Hydromote-Gate").ok_or("no gate is recorded")?;
    let by = |who: &str| gates.iter().any(|gate| gate.contains("\"approval\"") && gate.contains(&format!("\"{who}\"")));
    assert!(by(DEVELOPER) && by(STRANGER), "{gates:?}");
    world.finish().await
}

/// The reviews are read again right before the merge: no event tells of somebody who lost the right.
#[tokio::test]
async fn a_merge_never_goes_by_a_right_that_was_lost() -> TestResult {
    let mut world = waiting("{count: 1}, autoMerge: false").await?;
    world.review(STRANGER, ReviewState::Approved).await?;
    world.home().grant(world.home_name(), STRANGER, Permission::Read).await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for an approval; does not count: stranger (may not approve)
    ");
    world.finish().await
}

/// Returns what was told of waits on a pull request, without marks and times.
async fn told(world: &World, number: u64) -> Fallible<Vec<String>> {
    let forge = world.on_forge().await?;
    let ours = forge.comments.into_iter().filter(|comment| comment.number == number && comment.author == BOT);
    Ok(ours.map(|comment| world.told_in_words(&comment.body)).collect())
}

#[tokio::test]
async fn an_overdue_wait_is_told_once_also_across_a_restart() -> TestResult {
    let more = "  notify: [\"user:developer\"]\n";
    let strategy = strategy(&["dev", "prod, approvals: {teams: [qa], deadline: 8h}"]);
    let mut world = World::empty().await?;
    world.home().set_team("acme", "qa", &[READER]).await?;
    world.begin(&strategy.replace("spec:\n", &format!("spec:\n{more}"))).await?;
    world.healthy_all(&["dev"]).await?;
    world.pass_minutes(7 * 60)?;
    world.settle().await?;
    assert_eq!(told(&world, 2).await?, [""; 0]);
    world.pass_minutes(2 * 60)?;
    world.settle().await?;
    insta::assert_snapshot!(told(&world, 2).await?.join("\n---\n"), @"
    @developer, @acme/qa: **prod** waits longer than it should.

    - waits for an approval by members of `team:qa`, overdue since (time)

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue approvals%(commit) -->
    ");
    world.restart().await?;
    world.settle().await?;
    assert_eq!(told(&world, 2).await?.len(), 1, "the store remembers");
    world.restart_without_database().await?;
    world.settle().await?;
    world.pass_minutes(9 * 60)?;
    world.settle().await?;
    assert_eq!(told(&world, 2).await?.len(), 1, "the comment itself is found");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for an approval by members of `team:qa`, overdue since (time)
    #2 hydromote: @developer, @acme/qa: **prod** waits longer than it should.

    - waits for an approval by members of `team:qa`, overdue since (time)

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue approvals%(commit) -->
    ");
    world.review(READER, ReviewState::Approved).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    #2 hydromote: @developer, @acme/qa: **prod** waits longer than it should.

    - waits for an approval by members of `team:qa`, overdue since (time)

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue approvals%(commit) -->
    #2 hydromote: @developer: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_verdict_that_is_overdue_is_told_where_the_content_came_from() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod"]).await?;
    world.pass_minutes(61)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    prod     nothing; wants first in #2
             - waits for `health` on dev, which has not been reported
    #1 hydromote: **dev** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    insta::assert_snapshot!(told(&world, 1).await?.join("\n---\n"), @"
    **dev** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    #1 hydromote: **dev** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    #2 hydromote: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    world.finish().await
}
