//! What a pull request into the dry branch would change, told before it is merged.

use hydromote::local_forge::MergeMethod;

use super::waiting;
use crate::world::{DEVELOPER, Fallible, Files, READER, REPOSITORY, TestResult, World, everywhere, only, strategy};

/// Starts with `first` running and verified in dev and prod.
async fn at_rest() -> Fallible<World> {
    let mut world = waiting().await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    Ok(world)
}

/// Returns a manifest with one more resource in a file of its own.
fn manifest(environment: &str, file: &str, text: &str) -> Files {
    vec![(format!("apps/{environment}/{file}.yaml"), text.to_owned())]
}

const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: web\nrules: []\n";

const BROKEN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata: [unclosed\n";

#[tokio::test]
async fn one_of_somebody_who_may_promote_is_previewed_by_itself() -> TestResult {
    let mut world = at_rest().await?;
    let before = world.branches().await?;
    let files = [only("dev", "v2"), only("prod", "v2"), manifest("prod", "role", ROLE)].concat();
    let number = world.open_dry_pull("second", files).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 is open: second
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | 1 changed |
    | prod | first |  | 1 changed, 1 added |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | added (grants rights) | `rbac.authorization.k8s.io/ClusterRole web` | prod |
    | changed | `ConfigMap web` | dev, prod |

    <details><summary>Differences</summary>

    ````diff
    # prod
    --- /dev/null
    +++ rbac.authorization.k8s.io/ClusterRole web
    @@ -0,0 +1,5 @@
    +apiVersion: rbac.authorization.k8s.io/v1
    +kind: ClusterRole
    +metadata:
    +  name: web
    +rules: []
    # dev, prod
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

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    assert_eq!(world.preview_reports(number).await?[0], "Success: dev: 1 changed; prod: 1 changed, 1 added");
    let mut after = world.branches().await?;
    after.remove("topics/second");
    assert_eq!(after, before, "no branch of ours has moved");
    world.finish().await
}

#[tokio::test]
async fn a_push_to_it_edits_the_comment_and_a_head_is_rendered_once() -> TestResult {
    let mut world = at_rest().await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    let comments = world.own_comments(number).await?;
    assert_eq!(comments.len(), 1);
    let told = world.forge.comments(REPOSITORY, number).await?;
    world.ring_the_timer()?;
    world.settle().await?;
    assert_eq!(world.forge.comments(REPOSITORY, number).await?, told, "nothing is new");
    let reports = world.preview_reports(number).await?;
    world.push_dry("another", everywhere("v9")).await?;
    world.settle().await?;
    assert_eq!(world.preview_reports(number).await?, reports, "only what it was compared with is older");
    world.push_to_pull(number, manifest("dev", "role", ROLE)).await?;
    assert_eq!(world.own_comments(number).await?, comments);
    let board = world.board().await?;
    assert!(board.contains("it conflicts with another in `apps/dev/web.yaml`"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn one_of_somebody_else_is_previewed_only_when_asked_for_and_only_as_it_is_then() -> TestResult {
    let mut world = at_rest().await?;
    let number = world.open_pull_by(READER, "main", "second", everywhere("v2")).await?;
    assert_eq!(world.own_comments(number).await?, Vec::<u64>::new());
    assert_eq!(world.preview_reports(number).await?, Vec::<String>::new());
    world.comment_on(READER, number, "/hydromote preview\n/preview").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 is open: second
    #3 reader: /hydromote preview
    /preview
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held |
    |---|---|---|
    | dev | first |  |
    | prod | first |  |

    (commit) is previewed when somebody who may promote writes `/hydromote preview`.

    `/hydromote preview` by reader:

    `preview` needs write access to this repository, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.comment_on(DEVELOPER, number, "/hydromote preview").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 is open: second
    #3 reader: /hydromote preview
    /preview
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | 1 changed |
    | prod | first |  | 1 changed |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | changed | `ConfigMap web` | dev, prod |

    <details><summary>Differences</summary>

    ````diff
    # dev, prod
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

    `/hydromote preview` by developer:

    Accepted: (commit) is rendered, and what it would change stands above.

    `/hydromote preview` by reader:

    `preview` needs write access to this repository, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /hydromote preview
    ");
    assert_eq!(world.preview_reports(number).await?[0], "Success: dev: 1 changed; prod: 1 changed");
    world.push_to_pull(number, everywhere("v3")).await?;
    assert_eq!(world.preview_reports(number).await?, Vec::<String>::new());
    let board = world.board().await?;
    assert!(board.contains("is previewed when somebody who may promote writes `/hydromote preview`"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn who_the_strategy_names_needs_no_write_access() -> TestResult {
    let mut world = World::empty().await?;
    let named = format!("spec:\n  permissions: {{promote: [\"user:{READER}\"]}}\n");
    world.begin(&strategy(&["dev"]).replace("spec:\n", &named)).await?;
    let number = world.open_pull_by(READER, "main", "second", only("dev", "v2")).await?;
    assert_eq!(world.preview_reports(number).await?[0], "Success: dev: 1 changed");
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn what_does_not_render_is_told_with_file_and_line_and_stops_nothing() -> TestResult {
    let mut world = at_rest().await?;
    let broken = world.open_dry_pull("broken", manifest("dev", "web", BROKEN)).await?;
    let strategy = ("hydromote.yaml".to_owned(), strategy(&["dev", "prod"]).replace("sources:", "surces:"));
    let mistaken = world.open_dry_pull("mistaken", vec![strategy]).await?;
    world.push_dry("second", only("prod", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; second changes nothing
    prod     first, is verified; wants second in #5
             - waits for a person to promote it
    #3 is open: broken
    #4 is open: mistaken
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | does not render |
    | prod | first |  | nothing |

    **Preview** of (commit), merged with first of `main` and compared with it:

    > Does not render in dev: `apps/dev/web.yaml:5: 'shop': unclosed bracket '['`

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #4 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | does not render |
    | prod | first |  | does not render |

    **Preview** of (commit), merged with first of `main` and compared with it:

    > Does not render in dev, prod: `hydromote.yaml:6: 'surces' is not a field here`

    **Strategy** `shop`:

    > hydromote.yaml:6:3: `surces` is not a field here
    > did you mean `sources`?

    Until that is mended the strategy in force stays, and nothing is promoted.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): dev: apps/dev/web.yaml:5: `shop`: unclosed bracket '['
    hydromote/preview on (commit): dev: hydromote.yaml:6: `surces` is not a field here
    ");
    for number in [broken, mistaken] {
        assert!(world.preview_reports(number).await?[0].starts_with("Failure: "));
    }
    world.finish().await
}

#[tokio::test]
async fn a_conflict_is_named_and_nothing_is_rendered() -> TestResult {
    let mut world = at_rest().await?;
    world.forge.hold_webhooks();
    let number = world.open_dry_pull("second", only("dev", "v2")).await?;
    world.push_dry("third", only("dev", "v3")).await?;
    world.forge.release_webhooks(hydromote::local_forge::Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    prod     first, is verified
    #3 is open: second
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held |
    |---|---|---|
    | dev | third |  |
    | prod | first |  |

    No preview of (commit): it conflicts with third in `apps/dev/web.yaml`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): it conflicts with third in `apps/dev/web.yaml`
    ");
    assert_eq!(world.preview_reports(number).await?[0], "Failure: it conflicts with third in `apps/dev/web.yaml`");
    world.finish().await
}

#[tokio::test]
async fn an_environment_may_come_or_go_with_it() -> TestResult {
    let mut world = at_rest().await?;
    let strategy = ("hydromote.yaml".to_owned(), strategy(&["dev", "staging"]));
    let number = world.open_dry_pull("second", vec![strategy]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 is open: second
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | nothing |
    | prod | first |  | is no longer in the strategy |
    | staging | nothing |  | 1 added |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | added | `ConfigMap web` | staging |

    <details><summary>Differences</summary>

    ````diff
    # staging
    --- /dev/null
    +++ ConfigMap web
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +data:
    +  version: v1
    +kind: ConfigMap
    +metadata:
    +  name: web
    ````

    </details>

    **Strategy** `shop`:

    - staging is new, on `env/staging`, and comes after `dev`
    - prod goes; `env/prod` stays as it is

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    assert_eq!(
        world.preview_reports(number).await?[0],
        "Success: staging: 1 added; prod: is no longer in the strategy"
    );
    world.finish().await
}

#[tokio::test]
async fn after_the_merge_it_is_said_whether_it_renders_as_previewed() -> TestResult {
    let mut world = at_rest().await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    world.push_dry("third", manifest("prod", "role", ROLE)).await?;
    world.settle().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    prod     first, is verified; wants third in #4
             - waits for a person to promote it
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); `health` has not been reported |  |
    | prod | it waits for `health` on dev, which has not been reported |  |

    It renders differently from its preview in `prod`: that was made with first, and something else changed there since.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.comment_on(DEVELOPER, number, "/hydromote preview").await?;
    let board = world.board().await?;
    assert!(board.contains("Not done: this pull request is merged."), "{board}");
    world.finish().await
}

#[tokio::test]
async fn nothing_of_a_secret_is_shown() -> TestResult {
    let mut world = World::empty().await?;
    world.begin(&strategy(&["dev"]).replace("spec:\n", "spec:\n  render: {secrets: allow}\n")).await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web\nstringData:\n  password: hunter2\n";
    world.open_dry_pull("second", manifest("dev", "secret", secret)).await?;
    let board = world.board().await?;
    assert!(board.contains("| added (is not shown) | `Secret web` | dev |"), "{board}");
    assert!(!board.contains("hunter2"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn neither_a_restart_nor_the_loss_of_the_database_adds_a_comment() -> TestResult {
    let mut world = at_rest().await?;
    let number = world.open_dry_pull("second", only("dev", "v2")).await?;
    let told = world.forge.comments(REPOSITORY, number).await?;
    world.restart().await?;
    world.settle().await?;
    assert_eq!(world.forge.comments(REPOSITORY, number).await?, told);
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.own_comments(number).await?, [told[0].id]);
    world.push_to_pull(number, only("prod", "v2")).await?;
    assert_eq!(world.own_comments(number).await?, [told[0].id]);
    assert_eq!(world.preview_reports(number).await?[0], "Success: dev: 1 changed; prod: 1 changed");
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn one_that_is_asked_for_again_is_rendered_again() -> TestResult {
    let mut world = at_rest().await?;
    let number = world.open_dry_pull("second", only("dev", "v2")).await?;
    world.push_dry("third", only("prod", "v3")).await?;
    world.settle().await?;
    world.comment_on(DEVELOPER, number, "/hydromote preview").await?;
    let board = world.board().await?;
    assert!(board.contains("merged with third of `main`"), "{board}");
    assert_eq!(world.own_comments(number).await?.len(), 1);
    world.finish().await
}
