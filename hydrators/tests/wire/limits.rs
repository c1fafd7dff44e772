//! What a program may do, and what happens when it does more. Scripts stand for `helm`.

use std::time::{Duration, Instant};

use hydrators::{FailureKind, Input, Limits, RenderFailure, Renderers, Root, Sandbox, Tool};

use crate::repository::{Repository, kustomization, launcher, release, renderers, root, with_sandbox};

fn web() -> Root {
    root(Input::Helm(Box::new(release("web", "web"))))
}

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

fn chart() -> Repository {
    Repository::with(&[("web/Chart.yaml", CHART)])
}

/// Renders a chart with a script in the place of Helm.
async fn run(script: &str, limits: Limits) -> Result<String, RenderFailure> {
    run_on(&chart(), &web(), script, limits).await
}

async fn run_on(repository: &Repository, root: &Root, script: &str, limits: Limits) -> Result<String, RenderFailure> {
    let tools = Repository::with(&[]);
    tools.program("helm", &format!("[ \"$1\" = version ] && {{ echo v4.3.1; exit; }}\n{script}"));
    tools.program("kustomize", "echo v5.8.1");
    // Limits must hold by themselves, and only without the sandbox can there be children.
    let launcher = with_sandbox(Sandbox::Off);
    let renderers = Renderers::find(&[tools.path().to_path_buf()], None, launcher, limits).await.expect("renderers");
    let rendered = hydrators::render_root(&renderers, &repository.tree(), root).await?;
    Ok(String::from_utf8(rendered.files["manifest.yaml"].clone()).expect("text"))
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("alive");
    let script = format!("(/bin/sleep 2; echo x > {}) &\n/bin/sleep 30", mark.display());
    let start = Instant::now();
    let failure =
        run(&script, Limits { wall: Duration::from_secs(1), ..Limits::default() }).await.expect_err("too slow");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(failure.kind, FailureKind::Limit);
    insta::assert_snapshot!(failure, @"web/Chart.yaml: helm was stopped: it took longer than 1 s");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!mark.exists(), "a child outlived the program");
}

#[tokio::test]
async fn the_charts_of_a_root_have_the_time_of_one_program_together() {
    let charts = (0..20).map(|release| format!("- {{name: web, releaseName: r{release}}}\n")).collect::<String>();
    let repository = Repository::with(&[
        ("app/kustomization.yaml", &format!("helmCharts:\n{charts}")),
        ("app/charts/web/Chart.yaml", CHART),
    ]);
    let script = "/bin/sleep 0.3; printf 'apiVersion: v1\\nkind: Secret\\nmetadata: {name: x}\\n'";
    let limits = Limits { wall: Duration::from_secs(1), ..Limits::default() };
    let failure = run_on(&repository, &kustomization("app"), script, limits).await.expect_err("too slow");
    assert_eq!(failure.kind, FailureKind::Limit);
    insta::assert_snapshot!(failure, @"app/kustomization.yaml: its charts took longer than 1 s together");
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("alive");
    let script = format!("/bin/sleep 1; echo x > {}", mark.display());
    let waiting = run(&script, Limits::default());
    assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!mark.exists(), "the program outlived its caller");
}

#[tokio::test]
async fn output_without_end_is_cut_off() {
    let limits = Limits { stdout_bytes: 1 << 20, stderr_bytes: 1 << 16, ..Limits::default() };
    for script in
        ["while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", "while :; do echo aaaaaaaaa >&2; done"]
    {
        let failure = run(script, limits).await.expect_err("too much");
        assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
        assert!(failure.message.contains("it wrote more than"), "{failure}");
    }
}

#[tokio::test]
async fn processor_time_and_file_sizes_are_limited() {
    let limits = Limits { cpu: Duration::from_secs(1), file_bytes: 1024, ..Limits::default() };
    let failure = run("while :; do :; done", limits).await.expect_err("too busy");
    assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
    let script = "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaa || exit 1; done > $TMPDIR/x";
    let failure = run(script, limits).await.expect_err("too large");
    assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
}

#[tokio::test]
async fn memory_is_limited() {
    let repository = chart();
    let bomb = "{{- $text := repeat 1000000000 \"x\" }}{{ len $text }}\n";
    repository.write("web/templates/a.yaml", bomb);
    let renderers = renderers(Limits { memory_bytes: 192 << 20, ..Limits::default() }).await;
    let start = Instant::now();
    let failure = hydrators::render_root(&renderers, &repository.tree(), &web()).await.expect_err("too large");
    assert_eq!(failure.kind, FailureKind::Limit, "{failure} after {:?}", start.elapsed());
}

#[tokio::test]
async fn the_environment_is_ours_alone() {
    let script = "echo 'apiVersion: v1'; echo 'kind: Env'; echo 'metadata: {name: env}'; echo 'env: |'\n\
                  /usr/bin/env | /bin/grep -vE '^(_|PWD|OLDPWD|SHLVL)=' | /usr/bin/sort | while read -r line; do echo \"  ${line%%=*}\"; done\n\
                  if read -r x; then echo 'stdin: open'; fi\n";
    insta::assert_snapshot!(run(script, Limits::default()).await.expect("a rendering"), @r"
    apiVersion: v1
    env: |
      GIT_TERMINAL_PROMPT
      GOGC
      GOMEMLIMIT
      HELM_CACHE_HOME
      HELM_CONFIG_HOME
      HELM_DATA_HOME
      HELM_PLUGINS
      HOME
      KUSTOMIZE_PLUGIN_HOME
      LC_ALL
      PATH
      TMPDIR
      TZ
      XDG_CACHE_HOME
      XDG_CONFIG_HOME
      XDG_DATA_HOME
    kind: Env
    metadata:
      name: env
    ");
}

#[tokio::test]
async fn absent_and_unfit_programs_are_named() {
    let tools = Repository::with(&[]);
    let places = [tools.path().to_path_buf()];
    let error = Renderers::find(&places, None, launcher(), Limits::default()).await.expect_err("absent");
    assert!(error.to_string().starts_with("could not find `helm` in `/"), "{error}");
    assert!(error.to_string().contains("make tools"), "{error}");
    tools.program("helm", "echo v3.9.0");
    let error = Renderers::find(&places, None, launcher(), Limits::default()).await.expect_err("unfit");
    assert!(error.to_string().contains("it is version 3.9.0; this needs Helm 3.17"), "{error}");
}

#[tokio::test]
async fn processes_are_counted() {
    let renderers = renderers(Limits::default()).await;
    assert_eq!(renderers.process_starts(), 2, "one question for each version");
    let repository = chart();
    hydrators::render_root(&renderers, &repository.tree(), &web()).await.expect("a rendering");
    assert_eq!(renderers.process_starts(), 3);
    assert!(renderers.version(Tool::Helm).starts_with(['3', '4']));
}
