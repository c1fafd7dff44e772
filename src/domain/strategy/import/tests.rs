use super::import_strategy;
use crate::domain::strategy::parse_strategies;

const STRATEGY: &str = include_str!("../../../../tests/data/gitops-promoter-demo/promoter/promotion-strategy.yaml");
const TIMER: &str = include_str!("../../../../tests/data/gitops-promoter-demo/promoter/timed-commit-status.yaml");
const HEALTH: &str = include_str!("../../../../tests/data/gitops-promoter-demo/promoter/argocd-commit-status.yaml");
const REPOSITORY: &str = include_str!("../../../../tests/data/gitops-promoter-demo/promoter/git-repository.yaml");
const APPLICATIONS: &str = include_str!("../../../../tests/data/gitops-promoter-demo/applications.yaml");

fn import(texts: &[&str]) -> Result<String, String> {
    let inputs: Vec<(String, String)> =
        texts.iter().enumerate().map(|(n, text)| (format!("{}.yaml", n + 1), (*text).to_owned())).collect();
    let listing = ["demo-apps/guestbook/Chart.yaml", "apps/web/Chart.yaml"];
    let text = import_strategy("shop", &inputs, listing)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    for file in parse_strategies(&[("hydromote.yaml".to_owned(), text.clone().into_bytes())]) {
        let mistakes = file.strategies.err().unwrap_or_default();
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(mistakes.is_empty(), "{text}\n{}", mistakes.join("\n"));
    }
    Ok(text)
}

#[test]
fn the_demo_of_gitops_promoter_is_carried_over() {
    insta::assert_snapshot!(import(&[STRATEGY, TIMER, HEALTH, REPOSITORY, APPLICATIONS]).expect("is read"), @r#"
    # Made from another tool's documents. Read what could not be carried over:
    # - GitRepository `demo-config-github`: which repositories are served stands in hydromote.toml.
    # - ArgoCDCommitStatus `demo-github-argocd-health`: Hydromote does not watch applications; have Argo CD's notifications report `argocd-health` on the commit that they synced
    #
    # What Hydromote renders from this repository, and in which order environments take it.
    # `hydromote validate` checks this file; `hydromote hydrate --repo . --out OUT` shows what it renders.
    apiVersion: hydromote.dev/v1alpha1
    kind: PromotionStrategy
    metadata:
      name: "demo-github"
    spec:

      # What is rendered. `hydromote validate` prints the table of what these match.
      sources:
        - chart: demo-apps/guestbook
          output: "hydrated/guestbook-github-{environment}"
          releaseName: "guestbook-github-{environment}"
          namespace: "guestbook-github-{environment}"
          valueFiles:
            - "demo-apps/guestbook/env/{environment}/values.yaml"

      # Whoever deploys the branches below reports these on their heads.
      activeCommitStatuses:
        - key: argocd-health

      # In this order, unless `dependsOn` says otherwise.
      environments:
        - name: dev
          branch: env/dev
          soak: 5m
        - name: e2e
          branch: env/e2e
          soak: 5m
        - name: prd
          branch: env/prd
          soak: 5m
    "#);
}

#[test]
fn what_has_no_counterpart_is_said() {
    let text = r#"
apiVersion: promoter.argoproj.io/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
spec:
  activePath: apps
  pullRequest: {labels: {expression: "['x']"}}
  proposedCommitStatuses: [{key: schedule}, {key: ticket}]
  environments:
    - branch: env/dev
    - {branch: env/prod, autoMerge: false, activeCommitStatuses: [{key: slo}]}
---
apiVersion: promoter.argoproj.io/v1alpha1
kind: ScheduledCommitStatus
metadata: {name: nights}
spec:
  promotionStrategyRef: {name: shop}
  timezone: Europe/Berlin
  environments:
    - branch: env/prod
      exclude: [{cron: "0 18 * * FRI", duration: 62h, description: weekend}, {cron: "0 0 * * *", duration: often}]
---
apiVersion: promoter.argoproj.io/v1alpha1
kind: GitCommitStatus
metadata: {name: reverts}
spec: {promotionStrategyRef: {name: shop}, key: revert-check, expression: "!(Commit.Subject startsWith 'Revert')"}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web-prod}
spec:
  destination: {namespace: web}
  sourceHydrator:
    drySource:
      repoURL: https://example.com/acme/shop
      path: apps/web
      helm:
        valueFiles: [values-prod.yaml, ../shared.yaml]
        parameters: [{name: image.tag, value: "1.2"}, {name: "a[0]", value: x}]
        skipCrds: true
    syncSource: {targetBranch: env/prod, path: web}
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: api}
spec:
  generators:
    - list: {elements: [{env: dev}, {env: prod}]}
    - clusters: {}
  template:
    metadata: {name: "api-{{ .env }}"}
    spec:
      sourceHydrator:
        drySource: {repoURL: https://example.com/acme/shop, path: "apps/api/{{.env}}", plugin: {name: cue}}
        syncSource: {targetBranch: "env/{{env}}", path: api}
        hydrateTo: {targetBranch: "staging/{{env}}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
"#;
    insta::assert_snapshot!(import(&[text]).expect("is read"), @r#"
    # Made from another tool's documents. Read what could not be carried over:
    # - ApplicationSet `api`: the generator `clusters` was not expanded, only lists are; give the applications that it makes (`kubectl get applications -o yaml`).
    # - ConfigMap `other` was not read: it says nothing about what is rendered, or in which order.
    # - `activePath: apps` is not carried over: outputs say which folders of a branch are whose
    # - `pullRequest` (labels by expression) is not carried over
    # - GitCommitStatus `reverts` (`!(Commit.Subject startsWith 'Revert')`) is not carried over; a branch that somebody changes stops by itself here, anything else has to report `revert-check`
    #
    # What Hydromote renders from this repository, and in which order environments take it.
    # `hydromote validate` checks this file; `hydromote hydrate --repo . --out OUT` shows what it renders.
    apiVersion: hydromote.dev/v1alpha1
    kind: PromotionStrategy
    metadata:
      name: "shop"
    spec:

      # What is rendered. `hydromote validate` prints the table of what these match.
      sources:
        # - Application `api-prod`: `drySource.plugin: {"name":"cue"}` is not carried over: Hydromote runs no plugins; render with Helm, Kustomize or plain YAML
        # - Application `api-dev`: `hydrateTo.targetBranch: staging/dev` is always `env/dev-next` here
        # - Application `api-prod`: `hydrateTo.targetBranch: staging/prod` is always `env/prod-next` here
        - path: "apps/api/{environment}"
          output: api
        # - Application `web-prod`: `helm.parameters: a[0]` is not carried over; write it into `values`
        # - Application `web-prod`: `helm.skipCrds: true` is not carried over; see `render` in the strategy
        # - In prod alone.
        - each: "apps/{only_web}"
          chart: apps/web
          output: web
          releaseName: "web-{environment}"
          namespace: web
          valueFiles:
            - "apps/web/values-{environment}.yaml"
            - apps/shared.yaml
          values: {"image":{"tag":"1.2"}}

      # Names of folders that only some environments have: they say so below.
      vars:
        only_web: absent

      # No commit status is asked for everywhere: content counts as verified when it was merged and soaked.

      # Reported on the proposed commits.
      proposedCommitStatuses:
        - key: ticket

      # In this order, unless `dependsOn` says otherwise.
      environments:
        - name: dev
          branch: env/dev
        # - the window {"cron":"0 0 * * *","duration":"often"} is not carried over: it needs a `cron` and a `duration` such as `2h`
        - name: prod
          branch: env/prod
          vars: {only_web: web}
          autoMerge: false
          activeCommitStatuses:
            - key: slo
          windows:
            deny:
              - {cron: "0 18 * * FRI", duration: 62h, timezone: Europe/Berlin, reason: weekend}
    "#);
}

#[test]
fn applications_alone_give_environments_by_their_branches() {
    let one = |name: &str, branch: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  sourceHydrator:\n    \
             drySource: {{repoURL: https://example.com/a/b, path: deploy/{name}}}\n    \
             syncSource: {{targetBranch: env/{branch}, path: shop}}\n"
        )
    };
    let text = [one("prod", "prod"), one("dev", "dev")].join("---\n");
    insta::assert_snapshot!(import(&[&text]).expect("is read"), @r#"
    # Made from another tool's documents. Read what could not be carried over:
    # - No PromotionStrategy was given: environments, their order and gates were guessed.
    #
    # What Hydromote renders from this repository, and in which order environments take it.
    # `hydromote validate` checks this file; `hydromote hydrate --repo . --out OUT` shows what it renders.
    apiVersion: hydromote.dev/v1alpha1
    kind: PromotionStrategy
    metadata:
      name: "shop"
    spec:

      # What is rendered. `hydromote validate` prints the table of what these match.
      sources:
        - path: "deploy/{environment}"
          output: shop

      # Whoever deploys the branches below reports these on their heads.
      activeCommitStatuses:
        - key: health

      # In this order, unless `dependsOn` says otherwise.
      environments:
        - name: dev
          branch: env/dev
        - name: prod
          branch: env/prod
    "#);
}

#[test]
fn mistakes_say_where_and_what_instead() {
    let template = "kind: Application\nspec:\n  path: {{ .Values.path }}\n";
    let incomplete = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\nspec:\n  \
        sourceHydrator: {drySource: {repoURL: x, path: y}, syncSource: {path: z}}\n";
    let empty =
        "apiVersion: promoter.argoproj.io/v1alpha1\nkind: PromotionStrategy\nmetadata: {name: shop}\nspec: {}\n";
    let mistakes =
        [template, incomplete, empty, "kind: ConfigMap\n", ""].map(|text| import(&[text]).expect_err("a mistake"));
    insta::assert_snapshot!(mistakes.join("\n"), @"
    1.yaml:3: this is no YAML but a template (error: line 3 column 10: expected string scalar); render it first, as with `helm template`
    1.yaml:1: Application `web`: `spec.sourceHydrator.syncSource.targetBranch` is missing
    1.yaml:1: PromotionStrategy `shop`: `spec.environments` is missing or empty; it names at least one `branch`
    1.yaml: there is neither a `PromotionStrategy` of gitops-promoter nor an `Application` with `spec.sourceHydrator`, but `ConfigMap`; give the files that hold them, or run `hydromote init` without `--from`
    1.yaml: there is neither a `PromotionStrategy` of gitops-promoter nor an `Application` with `spec.sourceHydrator`, but no document; give the files that hold them, or run `hydromote init` without `--from`
    ");
}
