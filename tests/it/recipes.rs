//! The recipes of `docs/recipes` as they stand there: what their tools report is what the gates wait for.

use hydromote::local_forge::{CheckReport, StatusState};

use crate::world::{DEVELOPER, Fallible, TestResult, World, everywhere, strategy};

const ACTIONS: &str = include_str!("../../docs/recipes/actions.yaml");
const GITLAB_CI: &str = include_str!("../../docs/recipes/gitlab-ci.yaml");
/// Every App has one; this one signs nothing here.
const APP_KEY: &str = include_str!("../data/throw-away-app-key.public.pem");
/// Whose check runs those of workflows are.
const RUNNER: &str = "github-actions[bot]";

/// Returns a strategy with the rule that a recipe shows.
fn as_in(recipe: &str, environments: &[&str]) -> Fallible<String> {
    let lines = recipe.lines().filter_map(|line| line.strip_prefix('#'));
    let rule = lines.skip_while(|line| line.trim() != "activeCommitStatuses:").skip(1);
    let rule: Vec<&str> = rule.map(str::trim).take_while(|line| !line.is_empty()).collect();
    let [first, rest @ ..] = rule.as_slice() else { return Err("the recipe shows a rule".into()) };
    let rest: String = rest.iter().map(|line| format!("      {line}\n")).collect();
    Ok(strategy(environments).replace("    - key: health\n", &format!("    {first}\n{rest}")))
}

impl World {
    /// Has a job report on what runs in an environment; returns the check run.
    async fn job(&mut self, login: &str, environment: &str, conclusion: Option<&str>) -> Fallible<u64> {
        let sha = self.branch(&format!("env/{environment}")).await?;
        let conclusion = conclusion.map(str::to_owned);
        let report = CheckReport { name: Some("deploy".to_owned()), conclusion, ..CheckReport::default() };
        let run = self.home().as_user(login).create_check_run(self.home_name(), &sha, report).await?;
        self.settle().await?;
        Ok(run)
    }
}

#[tokio::test]
async fn a_workflow_on_the_branch_deploys_and_its_job_is_the_report() -> TestResult {
    let mut world = World::with_strategy(&as_in(ACTIONS, &["dev", "staging, autoMerge: false"])?).await?;
    let app = world.home().create_app("acme", "github-actions", APP_KEY).await?;
    world.home().install_app(app, world.home_name()).await?;
    let file = ".github/workflows/deploy.yaml";
    world.push_foreign("dev", vec![(file.to_owned(), ACTIONS.to_owned())]).await?;
    world.settle().await?;
    // A job of the same name by somebody else is none of ours.
    world.job(DEVELOPER, "dev", Some("success")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `deploy` has not been reported
    staging  nothing; wants first in #2
             - waits for `deploy` on dev, which has not been reported
             - waits for a person to promote it
    ");
    // A job that is cancelled says nothing of the content.
    world.job(RUNNER, "dev", Some("cancelled")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `deploy` could not be checked (error)
    staging  nothing; wants first in #2
             - waits for `deploy` on dev, which could not be checked (error)
             - waits for a person to promote it
    ");
    let run = world.job(RUNNER, "dev", None).await?;
    let done = CheckReport { conclusion: Some("success".to_owned()), ..CheckReport::default() };
    world.home().as_user(RUNNER).update_check_run(world.home_name(), run, done).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", file).await?.as_deref(), Some(ACTIONS), "what we did not write stays");
    world.job(RUNNER, "dev", Some("failure")).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `deploy` failed
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.finish().await
}

/// A pipeline's job is reported as a commit status with its name by whoever started the pipeline.
#[tokio::test]
async fn a_job_of_a_pipeline_on_the_branch_is_the_report() -> TestResult {
    let mut world = World::with_strategy(&as_in(GITLAB_CI, &["dev", "staging, autoMerge: false"])?).await?;
    world.push_foreign("dev", vec![(".gitlab-ci.yml".to_owned(), GITLAB_CI.to_owned())]).await?;
    world.settle().await?;
    world.report("dev", "deploy", StatusState::Error).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `deploy` could not be checked (error)
    staging  nothing; wants first in #2
             - waits for `deploy` on dev, which could not be checked (error)
             - waits for a person to promote it
    ");
    world.report("dev", "deploy", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    assert_eq!(
        world.file("env/dev", ".gitlab-ci.yml").await?.as_deref(),
        Some(GITLAB_CI),
        "what we did not write stays"
    );
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `deploy` has not been reported
    staging  nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.finish().await
}
