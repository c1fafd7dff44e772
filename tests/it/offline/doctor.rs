//! `hydromote doctor`.

use super::Shop;

#[test]
fn what_renders_and_what_keeps_it_in_is_told() {
    let shop = Shop::new();
    let report = shop.run(&["doctor", "--output", "json"]).expect(0).json();
    assert_eq!(report["well"], true, "{report}");
    let names: Vec<_> = report["checks"].as_array().expect("checks").iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["helm", "kustomize", "sandbox"]);
    let sandbox = &report["checks"][2];
    assert_eq!(sandbox["found"], "renderers reach their own files only, no network, and no other program");
    let text = shop.run(&["doctor"]).expect(0).stdout;
    assert!(text.starts_with("ok  helm       ") && text.contains("\nok  sandbox    "), "{text}");
}

#[test]
fn renderers_that_are_not_there_are_told_with_what_to_do() {
    let shop = Shop::new();
    let mut doctor = shop.program(env!("CARGO_BIN_EXE_hydromote"), &["doctor", "--tools", "nowhere"]);
    doctor.env("PATH", "");
    let run = shop.redacted(doctor).expect(1);
    insta::assert_snapshot!(run.stdout.lines().next().unwrap_or_default(), @"NO  renderers  could not find `helm` in `<repo>/nowhere`; run `make tools`, or put it on PATH");
}
