//! `hydromote init` and `hydromote schema`.

use super::Shop;

#[test]
fn init_proposes_a_strategy_that_is_valid_and_writes_over_none() {
    let mut shop = Shop::new();
    std::fs::remove_file(shop.path().join("hydromote.yaml")).expect("removed");
    shop.commit("Remove the strategy");
    let run = shop.run(&["init"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    Wrote <repo>/hydromote.yaml

    Next:
      1. Read it: what could not be known is marked in its comments. Further strategies go to .hydromote/.
      2. hydromote validate .
      3. git add hydromote.yaml && git commit
      4. hydromote hydrate --repo . --out rendered
    ");
    shop.run(&["validate"]).expect(0);
    shop.commit("Add what was proposed");
    shop.hydrate(&[]).expect(0);
    shop.run(&["init", "."]).expect(2);
    shop.run(&["init", "--force"]).expect(0);
}

#[test]
fn init_prints_what_to_configure_for_each_tool_and_writes_nothing() {
    let shop = Shop::new();
    let before = std::fs::read(shop.path().join("hydromote.yaml")).expect("read");
    for (tool, key, from) in [
        ("argocd", "application/shop-{environment}/*", "from: argocd"),
        ("flux", "kustomization/shop-{environment}/*", "from: flux"),
        ("actions", "deploy", "github-actions[bot]"),
        ("gitlab-ci", "deploy", "activeCommitStatuses"),
    ] {
        let run = shop.run(&["init", "--cd", tool]).expect(0);
        assert!(run.stdout.contains(from), "{}", run.stdout);
        for document in run.stdout.split("\n---\n") {
            let document: serde_json::Value = serde_saphyr::from_str(document).expect("YAML");
            assert!(document.is_object(), "{tool}: {document}");
        }
        // What it prints for the strategy is valid.
        let printed = run.stdout.lines().skip_while(|line| !line.contains("activeCommitStatuses"));
        let lines = printed.map(|line| line.trim_start_matches('#')).take_while(|line| !line.trim().is_empty());
        let asked: String = lines.map(|line| format!("{line}\n")).collect();
        assert!(asked.contains(key), "{asked}");
    }
    assert_eq!(std::fs::read(shop.path().join("hydromote.yaml")).expect("read"), before);
    shop.run(&["init", "--cd", "jenkins"]).expect(2);
}

#[test]
fn the_schema_is_printed_as_it_is_in_the_documentation() {
    let output = Shop::new().program(env!("CARGO_BIN_EXE_hydromote"), &["schema"]).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), include_str!("../../../docs/strategy.schema.json"));
}
