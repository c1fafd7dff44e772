//! Environments in another repository, and on another forge.

use hydromote::local_forge::{CommitFiles, Fault, FaultKind, Permission, PullState, StatusState};

use crate::world::{
    DEVELOPER, REPOSITORY, STRANGER, TestResult, World, everywhere,
    home::{ENVIRONMENTS, Home, STAYS},
    only, strategy,
};

/// Starts with the commit `first`, whose environments are there.
async fn begin(home: Home, environments: &[&str]) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::in_home(home).await?;
    world.begin(&strategy(environments)).await?;
    Ok(world)
}

#[tokio::test]
async fn what_is_committed_in_one_repository_is_promoted_in_another() -> TestResult {
    let mut told = Vec::new();
    for home in [Home::Apart, Home::OnAnotherForge] {
        let mut world = begin(home, &["dev", "prod, autoMerge: false"]).await?;
        world.healthy("dev").await?;
        world.settle().await?;
        world.comment_by(DEVELOPER, "prod", "/promote").await?;
        let promoted = world.board().await?;
        let dry = world.forge.repository(REPOSITORY).await?;
        assert_eq!((dry.pulls.len(), dry.comments.len()), (0, 0), "nobody proposes beside the manifests");
        assert!(dry.statuses.iter().all(|status| status.context == "hydromote/hydrate"), "{:?}", dry.statuses);
        world.push_dry("second", only("dev", "v2")).await?;
        world.settle().await?;
        world.report("dev", "health", StatusState::Failure).await?;
        world.settle().await?;
        let failed = world.board().await?;
        world.restart_without_database().await?;
        world.settle().await?;
        let read_back = world.board().await?;
        world.finish().await?;
        told.push([promoted, failed, read_back]);
    }
    assert_eq!(told[0], told[1], "it is the same on one forge and on two");
    let [promoted, failed, read_back] = &told[0];
    insta::assert_snapshot!(promoted, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    insta::assert_snapshot!(failed, @"
    dev      second, `health` failed
    prod     first, `health` has not been reported
    #2 developer: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    assert_eq!(read_back, failed);
    Ok(())
}

#[tokio::test]
async fn a_command_on_a_dry_pull_request_needs_the_right_where_the_environments_are() -> TestResult {
    let mut world = begin(Home::Apart, &["dev", "prod, autoMerge: false"]).await?;
    world.forge.grant(ENVIRONMENTS, STRANGER, Permission::Read).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    world.merge_dry_pull(number, Default::default()).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    for login in [STRANGER, DEVELOPER] {
        world.forge.as_user(login).comment(REPOSITORY, number, "/promote prod").await?;
        world.settle().await?;
    }
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     second, `health` has not been reported
    #1 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it runs since (time); `health` has not been reported |  |

    It renders as previewed.

    `/promote prod` by developer:

    Done: prod runs second.

    `/promote prod` by stranger:

    `promote` needs write access to acme/environments, and stranger has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #1 stranger: /promote prod
    #1 developer: /promote prod
    ");
    world.finish().await
}

#[tokio::test]
async fn on_another_forge_a_command_about_environments_is_given_there() -> TestResult {
    let mut world = begin(Home::OnAnotherForge, &["dev"]).await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/hydromote hold dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    #1 is open: second
    #1 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | 1 changed |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | changed | `ConfigMap web` | dev |

    <details><summary>Differences</summary>

    ````diff
    # dev
    --- ConfigMap web
    +++ ConfigMap web
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  version: v1
    +  version: v2
     kind: ConfigMap
     metadata:
       name: web
    ````

    </details>

    `/hydromote hold dev` by developer:

    Not done: `hold` needs a right in acme/environments, which is on another forge and does not know who you are here. Give the command there, on the promotion's pull request.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #1 developer: /hydromote hold dev
    ");
    world.finish().await
}

#[tokio::test]
async fn a_forge_that_is_out_of_reach_stops_only_what_is_promoted_there() -> TestResult {
    let mut world = begin(Home::OnAnotherForge, &["dev"]).await?;
    let beside = strategy(&["dev"]).replace("name: shop", "name: beside").replace("env/dev", "here/dev") + STAYS;
    world.home().fail(Fault {
        method: None,
        path_contains: "/".to_owned(),
        times: u32::MAX,
        kind: FaultKind::Status(502),
    });
    let mut files = only("dev", "v2");
    files.push((".hydromote/beside.yaml".to_owned(), beside));
    world.push_dry("second", files).await?;
    let words = world.look_in_vain().await?;
    insta::assert_snapshot!(words, @"acme/environments on other: could not list the branches of the repository: fatal: unable to access <address> The requested URL returned error: 502");
    let beside = world.forge.pull_requests(REPOSITORY).await?.into_iter().find(|pull| pull.base == "here/dev");
    assert_eq!(beside.map(|pull| pull.state), Some(PullState::Merged));
    world.home().clear_faults();
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [beside]
    dev      second, `health` has not been reported
    [shop]
    dev      first, `health` has not been reported; wants second in #2
             - what runs here is not settled: `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn nothing_is_promoted_where_the_server_does_not_let_it() -> TestResult {
    let mut world = World::in_home(Home::Apart).await?;
    let elsewhere = strategy(&["dev"]).replace("\nspec:\n", "\nspec:\n  destination: {repository: acme/secret}\n");
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), elsewhere));
    world.push_dry("first", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"mistake: hydromote.yaml: `destination` cannot be used: the server does not let acme/shop promote into acme/secret on github; its settings would have to allow it with `[[destinations]]`, `from = ["acme/shop"]`, `to = ["acme/secret"]`"#);
    world.finish().await
}

#[tokio::test]
async fn a_branch_belongs_to_the_strategies_of_one_repository() -> TestResult {
    let mut world = begin(Home::Apart, &["dev"]).await?;
    world.another_repository("acme-apps", "web").await?;
    let mut files = everywhere("v1");
    files.push((
        "hydromote.yaml".to_owned(),
        Home::Apart.in_strategy(&strategy(&["dev"]).replace("name: shop", "name: web")),
    ));
    let commit = CommitFiles { branch: "main".to_owned(), message: "first".to_owned(), files };
    world.forge.commit_files("acme-apps/web", DEVELOPER, commit).await?;
    world.look_at("acme-apps/web").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [web]
    mistake: `hydromote.yaml` names a branch that the strategy acme/shop/shop has already; give each its own branches, such as `env/web/dev`
    [shop]
    dev      first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn environments_that_move_to_another_repository_begin_there_anew() -> TestResult {
    let mut world = World::in_home(Home::Apart).await?;
    let (here, mut files) = (strategy(&["dev", "prod, autoMerge: false"]), everywhere("v1"));
    files.push(("hydromote.yaml".to_owned(), format!("{here}{STAYS}\n")));
    world.push_dry("first", files).await?;
    world.settle().await?;
    world.push_dry("second", vec![("hydromote.yaml".to_owned(), here)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    prod     nothing; wants second in #2
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    #2 was closed: Promote first to prod: first
    hydromote/prod on (commit): Closed by Hydromote: prod is in acme/environments now
    ");
    let dry = world.forge.repository(REPOSITORY).await?;
    let open = dry.pulls.values().filter(|pull| pull.state == PullState::Open).count();
    assert_eq!((open, dry.branch("env/dev").is_some()), (0, true));
    world.finish().await
}
