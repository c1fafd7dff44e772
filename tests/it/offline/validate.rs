//! `hydromote validate`.

use super::Shop;

#[test]
fn validate_shows_the_table_of_roots() {
    let run = Shop::new().run(&["validate"]).expect(0);
    insta::assert_snapshot!(run.stdout, @"
    strategy shop (hydromote.yaml)

    dev (branch env/dev): 3 roots
     SOURCE               LABELS  OUTPUT  LANE     KIND
     plain/dev            -       limits  default  plain
     deploy/overlays/dev  -       shop    default  kustomize
     charts/web           -       web     default  helm

    prod (branch env/prod): 3 roots
     SOURCE                LABELS  OUTPUT  LANE     KIND
     plain/prod            -       limits  default  plain
     deploy/overlays/prod  -       shop    default  kustomize
     charts/web            -       web     default  helm

    valid
    ");
    assert_eq!(run.stderr, "dev: 3 roots\nprod: 3 roots\n");
}

#[test]
fn validate_needs_no_renderers() {
    let shop = Shop::new();
    let mut command = shop.program(env!("CARGO_BIN_EXE_hydromote"), &["validate"]);
    command.env("HYDROMOTE_TOOLS", "").env("PATH", "");
    shop.redacted(command).expect(0);
}

#[test]
fn validate_reads_the_work_tree_unless_a_revision_is_named() {
    let shop = Shop::new();
    shop.edit("hydromote.yaml", "output: limits", "outputs: limits");
    let run = shop.run(&["validate"]).expect(1);
    insta::assert_snapshot!(run.stdout, @"
    error: `outputs` is not a field here
      --> hydromote.yaml:15:7
       |
    15 |       outputs: limits
       |       ^^^^^^^
       = help: did you mean `output`?

    1 mistake
    ");
    shop.run(&["validate", "--rev", "HEAD"]).expect(0);
    let json = shop.run(&["validate", "--rev", "main", "--output", "json"]).expect(0).json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["drySha"], "dry-1");
    assert_eq!(json["strategies"][0]["environments"][1]["roots"][2]["source"], "charts/web");
}

#[test]
fn validate_names_roots_that_are_a_base_of_another() {
    let shop = Shop::with_strategy(|text| {
        text.replace("    - path: plain", "    - path: deploy/base\n      output: base\n    - path: plain")
    });
    let json = shop.run(&["validate", "--output", "json"]).expect(0).json();
    assert_eq!(json["strategies"][0]["environments"][0]["roots"][0]["baseOf"], serde_json::json!(["shop"]));
}

#[test]
fn validate_finds_bad_input() {
    let cases: [(&str, &str, &str); 9] = [
        ("unknown key", "  activeCommitStatuses:", "  activeStatuses:"),
        ("wrong type", "  activeCommitStatuses:\n    - key: health", "  activeCommitStatuses: health"),
        ("cycle", "      branch: env/dev", "      branch: env/dev\n      dependsOn: [prod]"),
        ("equal outputs", "output: limits", "output: Shop"),
        ("unbound capture", "output: limits", "output: \"{service}\""),
        ("label in one environment", "- name: dev\n", "- name: dev\n      vars: {tier: small}\n"),
        ("matches nothing", "path: plain/{environment}", "path: simple/{environment}"),
        ("equal outputs by what is there", "path: plain/{environment}", "path: deploy/overlays/{which}"),
        ("no chart", "chart: charts/web", "chart: charts/wep"),
    ];
    let mut told = String::new();
    for (name, from, to) in cases {
        let shop = Shop::with_strategy(|text| {
            assert!(text.contains(from), "{name}");
            let text = text.replace(from, to);
            if name == "label in one environment" { text.replace("output: limits", "output: \"{tier}\"") } else { text }
        });
        let run = shop.run(&["validate", "--rev", "HEAD"]).expect(1);
        let mistakes: Vec<&str> = run.stdout.split("strategy shop").next().expect("a part").lines().collect();
        told += &format!("## {name}\n{}\n", mistakes.join("\n").trim_end());
    }
    insta::assert_snapshot!(told, @r#"
    ## unknown key
    error: `activeStatuses` is not a field here
      --> hydromote.yaml:16:3
       |
    16 |   activeStatuses:
       |   ^^^^^^^^^^^^^^
       = help: fields here are `dryBranch`, `destination`, `sources`, `vars`, `render`, `activeCommitStatuses`, `proposedCommitStatuses`, `mergeMode`, `rollback`, `newer`, `environments`, `permissions`, `windows`, `lanes`, `maxOpenPullRequests`, `notify`, `approvals`, `targets`, `waves` and `hooks`

    1 mistake
    ## wrong type
    error: a list belongs here
      --> hydromote.yaml:16:25
       |
    16 |   activeCommitStatuses: health
       |                         ^^^^^^
       = help: begin each entry with `- `, or write `[]`

    1 mistake
    ## cycle
    error: environments depend on each other in a circle: dev → prod → dev
      --> hydromote.yaml:21:19
       |
    21 |       dependsOn: [prod]
       |                   ^^^^
       = help: `prod` depends on the environment listed before it; write `dependsOn` there, or list it earlier

    1 mistake
    ## equal outputs
    error: the source in line 7 is written to the folder `Shop` too
      --> hydromote.yaml:15:15
       |
    15 |       output: Shop
       |               ^^^^
       = help: give each source its own `output`; upper and lower case count as equal

    1 mistake
    ## unbound capture
    error: the label `service` is used but never bound
      --> hydromote.yaml:15:15
       |
    15 |       output: "{service}"
       |               ^^^^^^^^^^^
       = help: capture it with `{service}` in `path` or `each`, or add it to `vars`

    1 mistake
    ## label in one environment
    error: `tier` has no value in environment `prod`
      --> hydromote.yaml:15:15
       |
    15 |       output: "{tier}"
       |               ^^^^^^^^
       = help: add `tier` to `vars` there, or to the `vars` of the strategy

    1 mistake
    ## matches nothing
    error: this source matches nothing in any environment
      --> hydromote.yaml:14:5
       |
    14 |     - path: simple/{environment}
       |     ^^^^^^
       = help: name folders that are in the repository, or remove it
    ## equal outputs by what is there
    error: `deploy/overlays/prod` and `deploy/overlays/dev` (line 14) would both be rendered to `limits`
      --> hydromote.yaml:15:15
       |
    15 |       output: limits
       |               ^^^^^^
       = help: give them different outputs
    ## no chart
    error: there is no chart in `charts/wep`: a chart is a folder with a `Chart.yaml`
      --> hydromote.yaml:10:14
       |
    10 |     - chart: charts/wep
       |              ^^^^^^^^^^
       = help: change this source, or the files that it is about
    "#);
}

#[test]
fn commands_that_cannot_run_say_why() {
    let shop = Shop::new();
    let outside = tempfile::tempdir().expect("a folder");
    let outside = outside.path().to_str().expect("text");
    let missing = Shop::new();
    std::fs::remove_file(missing.path().join("hydromote.yaml")).expect("removed");
    let broken = Shop::with_strategy(|text| text.replace("spec:", "specs:"));
    let mut told = String::new();
    let mut tell = |shop: &Shop, arguments: &[&str]| {
        let run = shop.run(arguments).expect(2);
        assert_eq!(run.stdout, "");
        told += run.stderr.replace(outside, "<outside>").lines().last().expect("a line");
        told += "\n";
    };
    tell(&shop, &["validate", outside]);
    tell(&shop, &["validate", "--rev", "nowhere"]);
    tell(&shop, &["hydrate", "--repo", ".", "--rev", "nowhere", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", "hydromote.yaml", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", ".", "--environment", "test", "--out", "out"]);
    tell(&shop, &["hydrate", "--repo", ".", "--strategy", "absent.yaml", "--out", "out"]);
    tell(&missing, &["validate"]);
    tell(&broken, &["hydrate", "--repo", ".", "--out", "out"]);
    tell(&shop, &["diff", "--repo", ".", "nowhere", "HEAD"]);
    tell(&shop, &["verify", "--repo", "."]);
    tell(&shop, &["init"]);
    tell(&shop, &["init", "--from", "x.yaml"]);
    insta::assert_snapshot!(told, @"
    error: `<outside>` is not in a git repository
    error: there is no revision `nowhere` in `<repo>`
    error: there is no revision `nowhere` in `<repo>`
    error: `hydromote.yaml` is neither a repository nor a bundle
    error: there is no environment `test`; there are `dev`, `prod`
    error: could not read the strategy `absent.yaml`: No such file or directory (os error 2)
    error: there is no strategy: neither `hydromote.yaml` nor `.hydromote/*.yaml`; `hydromote init` proposes one
    error: the strategy has a mistake; `hydromote validate` shows it
    error: there is no revision `nowhere` in `<repo>`
    error: the repository has none of the branches `env/dev`, `env/prod`; fetch them first
    error: there is a strategy already, `hydromote.yaml`; `--force` writes over `hydromote.yaml`
    error: there is a strategy already, `hydromote.yaml`; `--force` writes over `hydromote.yaml`
    ");
}

#[test]
fn a_missing_renderer_is_named() {
    let shop = Shop::new();
    let arguments = ["hydrate", "--repo", ".", "--out", "out", "--tools", "/nonexistent"];
    let mut command = shop.program(env!("CARGO_BIN_EXE_hydromote"), &arguments);
    command.env("PATH", "");
    let run = shop.redacted(command).expect(2);
    assert!(run.stderr.contains("could not find `helm` in `/nonexistent`"), "{}", run.stderr);
    assert!(!shop.out().exists());
}
