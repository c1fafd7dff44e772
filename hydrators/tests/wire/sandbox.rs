//! What the kernel keeps a renderer from, tried from inside.

use std::path::Path;
use std::time::Instant;

use hydrators::{Attempt, Confinement, Input, Limits, Renderers, Sandbox};

use crate::repository::{Repository, kustomization, launcher, release, root, with_sandbox};

#[tokio::test]
async fn nothing_that_a_renderer_may_not_do_is_possible() {
    let found = Confinement::of(&launcher()).await.expect("a machine with Landlock and seccomp");
    assert_eq!(found.possible, [], "{:?}", found.absent);
    assert!(found.holds());
}

#[tokio::test]
async fn without_a_sandbox_all_of_it_is_possible() {
    let found = Confinement::of(&with_sandbox(Sandbox::Off)).await.expect("a process that tries");
    assert_eq!(found.possible, Attempt::ALL);
}

#[tokio::test]
async fn a_file_outside_of_the_tree_cannot_be_read() {
    let outside = tempfile::tempdir().expect("a folder");
    let canary = outside.path().join("canary");
    std::fs::write(&canary, "kind: Canary").expect("a file");
    let tools = Repository::with(&[]);
    let script =
        format!("[ \"$1\" = version ] && {{ echo v4.3.1; exit; }}\nread -r line < {} && echo $line", canary.display());
    tools.program("helm", &script);
    tools.program("kustomize", "echo v5.8.1");
    let repository = Repository::with(&[("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")]);
    let renderers =
        Renderers::find(&[tools.path().to_path_buf()], None, launcher(), Limits::default()).await.expect("renderers");
    let web = root(Input::Helm(Box::new(release("web", "web"))));
    let failure = hydrators::render_root(&renderers, &repository.tree(), &web).await.expect_err("it is kept out");
    assert!(failure.message.contains("Permission denied"), "{failure}");
}

#[tokio::test]
async fn where_the_kernel_refuses_a_layer_only_who_requires_it_is_refused() {
    // Landlock needs one open file more than this.
    let limits = Limits { open_files: 3, ..Limits::default() };
    let tools = Repository::with(&[]);
    tools.program("helm", "echo v4.3.1");
    tools.program("kustomize", "echo v5.8.1");
    let places = [tools.path().to_path_buf()];
    let required = Renderers::find(&places, None, with_sandbox(Sandbox::Required), limits).await;
    let words = required.expect_err("it cannot hold").to_string();
    assert!(words.contains("the sandbox, which the settings require, does not hold: Landlock could not"), "{words}");
    // The script is started, and fails for want of an open file itself.
    let available = Renderers::find(&places, None, with_sandbox(Sandbox::Available), limits).await;
    let words = available.expect_err("no open file").to_string();
    assert!(words.contains("it does not say its version"), "{words}");
}

#[tokio::test]
async fn temporary_files_are_limited_all_together() {
    let tools = Repository::with(&[]);
    let fill = "i=0\nwhile :; do i=$((i+1)); echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx > $TMPDIR/$i; done";
    tools.program("helm", &format!("[ \"$1\" = version ] && {{ echo v4.3.1; exit; }}\n{fill}"));
    tools.program("kustomize", "echo v5.8.1");
    let repository = Repository::with(&[("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")]);
    let limits = Limits { scratch_bytes: 1 << 20, ..Limits::default() };
    let places = [tools.path().to_path_buf()];
    let renderers = Renderers::find(&places, None, launcher(), limits).await.expect("renderers");
    let web = root(Input::Helm(Box::new(release("web", "web"))));
    let failure = hydrators::render_root(&renderers, &repository.tree(), &web).await.expect_err("too much");
    insta::assert_snapshot!(failure, @"web/Chart.yaml: helm was stopped: it keeps more than 1048576 bytes or 10000 temporary files");
}

/// How often a kustomization is rendered with the sandbox and without, in turns.
const TURNS: usize = 300;

#[tokio::test]
#[ignore = "measures, for minutes: make bench-sandbox"]
async fn cost() {
    let repository = Repository::with(&[
        ("app/kustomization.yaml", "resources: [a.yaml]\n"),
        ("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
    ]);
    let tree = repository.tree();
    let tools = [Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin")];
    let path = std::env::var_os("PATH");
    let mut times = Vec::new();
    for sandbox in [Sandbox::Off, Sandbox::Required] {
        let found = Renderers::find(&tools, path.as_deref(), with_sandbox(sandbox), Limits::default()).await;
        times.push((found.expect("renderers"), Vec::new()));
    }
    for _ in 0..TURNS {
        for (renderers, times) in &mut times {
            let start = Instant::now();
            hydrators::render_root(renderers, &tree, &kustomization("app")).await.expect("a rendering");
            times.push(start.elapsed());
        }
    }
    let mut medians = times.into_iter().map(|(_, mut times)| {
        times.sort();
        times[TURNS / 2].as_secs_f64() * 1000.0
    });
    let (without, with) = (medians.next().expect("a median"), medians.next().expect("a median"));
    let result = serde_json::json!({"without_ms": without, "with_ms": with, "ratio": with / without});
    let told = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-sandbox.txt");
    std::fs::write(told, format!("{result}\n")).expect("written");
}
