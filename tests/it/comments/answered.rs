//! What commands do, and what is answered.

use super::waiting;
use crate::world::{DEVELOPER, READER, TestResult, World};

#[tokio::test]
async fn a_comment_promotes() -> TestResult {
    let mut world = waiting().await?;
    let comment = world.comment_by(DEVELOPER, "prod", "Looks good.\r\n\r\n/promote").await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: Looks good.

    /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_accepted_waits_for_the_other_gates_and_says_so() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.comment_by(DEVELOPER, "prod", "@hydromote promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    prod     nothing; wants first in #2
             - waits for `health` on dev, which has not been reported
    #2 developer: @hydromote promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for `health` on dev, which has not been reported | (time) | whoever reports `health` on the branch of dev |

    `@hydromote promote` by developer:

    Accepted: prod gets first as soon as all other gates are open.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: @hydromote promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `@hydromote promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn several_commands_and_mistakes_are_answered_in_one_comment() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/hydromote promoet\n/retry\n/promote stagin").await?;
    world.comment_by(DEVELOPER, "prod", "/hold prod reason=\"not now\"\n/hydromote preview").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - developer holds it: not now
             - waits for a person to promote it
             = developer holds it: not now (Strict)
    #2 developer: /hydromote promoet
    /retry
    /promote stagin
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | developer holds it: not now | (time) | whoever may roll back: `unhold prod` |
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/hydromote preview` by developer:

    Not done: a promotion is rendered already. `/hydromote diff` shows what it changes; `preview` is for pull requests into the dry branch.

    `/hold prod reason="not now"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    `/promote stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/retry` by developer:

    What had failed is tried again.

    `/hydromote promoet` by developer:

    `promoet` is no command. Did you mean `promote`? `/hydromote help` lists what there is.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /hold prod reason="not now"
    /hydromote preview
    "#);
    world.comment_by(DEVELOPER, "prod", &"/retry\n".repeat(11)).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - developer holds it: not now
             - waits for a person to promote it
             = developer holds it: not now (Strict)
    #2 developer: /hydromote promoet
    /retry
    /promote stagin
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | developer holds it: not now | (time) | whoever may roll back: `unhold prod` |
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `…` by developer:

    Nothing was done: a comment may hold at most 10 commands.

    `/hydromote preview` by developer:

    Not done: a promotion is rendered already. `/hydromote diff` shows what it changes; `preview` is for pull requests into the dry branch.

    `/hold prod reason="not now"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    `/promote stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /hold prod reason="not now"
    /hydromote preview
    #2 developer: /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    "#);
    world.finish().await
}

#[tokio::test]
async fn help_and_diff_are_answered() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(READER, "prod", "/hydromote help\n/hydromote diff\n/hydromote diff dev").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /hydromote help
    /hydromote diff
    /hydromote diff dev
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/hydromote diff dev` by reader:

    Nothing waits to be promoted to dev. There is nothing to compare.

    `/hydromote diff` by reader:

    The promotion to prod changes 1 file: 6 lines come, 0 go.

    <details><summary>Differences</summary>

    ````diff
    diff --git a/shop/manifest.yaml b/shop/manifest.yaml
    new file mode 100644
    index (commit)..(commit)
    --- /dev/null
    +++ b/shop/manifest.yaml
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +data:
    +  version: v1
    +kind: ConfigMap
    +metadata:
    +  name: web
    ````

    </details>

    `/hydromote help` by reader:

    | command | what it does | who may give it |
    |---|---|---|
    | `status` | shows what runs, what waits, and for what | read |
    | `diff [environment]` | shows what the promotion changes | read |
    | `help` | shows this list | read |
    | `hold [environment] [reason="…"]` | stops an environment until somebody writes `unhold` | triage |
    | `retry` | tries again what failed | triage |
    | `promote [environment] [override=windows reason="…"]` | promotes what is proposed, once every other gate is open | write |
    | `unhold [environment]` | ends a hold | write |
    | `reject [commit] [reason="…"]` | keeps a dry commit from being promoted anywhere | write |
    | `unreject [commit]` | takes the rejection of a dry commit back | write |
    | `preview` | shows what a pull request into the dry branch would change | write |
    | `override reason="…"` | lets a change of the strategy drop what is under way | maintain |
    | `rollback <environment> [to=<commit>\|steps=<n>] [only=<labels>] [reason="…"]` | brings earlier content back | maintain |
    | `restore [environment] [reason="…"]` | brings back what was promoted last, over what others changed on the branch | maintain |
    | `adopt [environment] [reason="…"]` | takes what others changed on the branch as what runs | maintain |

    Write each on a line of its own, as `/hydromote …` or `@hydromote …`. `promote`, `reject`, `unreject`, `rollback` may also stand alone: `/promote`; on GitLab nothing does.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    world.finish().await
}

#[tokio::test]
async fn another_environment_can_be_named() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_by(DEVELOPER, "prod", "/promote staging").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    prod     nothing; wants first in #3
             - waits for `health` on staging, which has not been reported
             - waits for a person to promote it
    #3 developer: /promote staging
    #3 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for `health` on staging, which has not been reported | (time) | whoever reports `health` on the branch of staging |
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote staging` by developer:

    Done: staging runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}
