use super::*;

fn resource(group: &str, kind: &str, name: &str) -> Resource {
    Resource { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
}

fn compared(resource: Resource, change: ResourceChange, difference: &str) -> ComparedResource {
    ComparedResource { resource, change, difference: difference.into(), extent: Extent::Whole }
}

fn compared_in(name: &str, resources: Vec<ComparedResource>) -> ComparedEnvironment {
    ComparedEnvironment { label: name.into(), name: EnvironmentName::new(name).expect("a name"), resources }
}

fn told(folded: &[ChangedResource]) -> Vec<String> {
    let line = |one: &ChangedResource| {
        format!("{} {} in {}", one.change.word(), one.resource.kind, one.environments.join(", "))
    };
    folded.iter().map(line).collect()
}

fn environment(name: &str, result: EnvironmentResult) -> PreviewedEnvironment {
    PreviewedEnvironment {
        strategy: StrategyName::new("shop").expect("a name"),
        environment: EnvironmentName::new(name).expect("a name"),
        result,
    }
}

fn with(counts: Counts, roots: ChangedRoots, kept: BTreeMap<RootName, String>) -> EnvironmentResult {
    EnvironmentResult::Changes { counts, roots, kept, broken: BTreeSet::new(), uncompared: BTreeSet::new() }
}

fn changes(counts: Counts) -> EnvironmentResult {
    with(counts, BTreeMap::new(), BTreeMap::new())
}

fn failed(retry_at: Option<jiff::Timestamp>) -> EnvironmentResult {
    let message = "no such key".to_owned();
    let failure = HydrationFailure { file: Some("apps/web.yaml".into()), line: Some(3), message, retry_at };
    EnvironmentResult::Failed { failure }
}

fn preview(outcome: Previewed) -> Preview {
    let (head, dry) = (HeadSha::new("head-1").expect("an id"), DrySha::new("dry-1").expect("an id"));
    Preview { head, dry, strategy_files: None, outcome }
}

fn rendered(environments: Vec<PreviewedEnvironment>) -> Preview {
    preview(Previewed::Rendered { environments, resources: Vec::new(), more: 0 })
}

fn summary(environments: Vec<PreviewedEnvironment>) -> (StatusState, String) {
    let Summary { state, words } = rendered(environments).summary();
    (state, words)
}

#[test]
fn what_is_removed_comes_first_then_what_is_risky() {
    use ResourceChange::{Added, Changed, Removed};
    let (rbac, plain) = ("rbac.authorization.k8s.io", "apps");
    let all = vec![
        compared(resource(plain, "Deployment", "a"), Added, "1"),
        compared(resource(plain, "DaemonSet", "a"), Changed, "2"),
        compared(resource(rbac, "ClusterRole", "a"), Added, "3"),
        compared(resource("", "Namespace", "a"), Changed, "4"),
        compared(resource("", "ConfigMap", "a"), Removed, "5"),
        compared(resource("apiextensions.k8s.io", "CustomResourceDefinition", "a"), Removed, "6"),
    ];
    let (folded, more) = fold(vec![compared_in("dev", all)]);
    assert_eq!(
        told(&folded),
        [
            "removed CustomResourceDefinition in dev",
            "removed ConfigMap in dev",
            "changed Namespace in dev",
            "added ClusterRole in dev",
            "changed DaemonSet in dev",
            "added Deployment in dev",
        ]
    );
    assert_eq!(more, 0);
}

#[test]
fn the_very_same_change_is_told_once_for_all_environments() {
    let web = || resource("apps", "Deployment", "web");
    let same = || compared(web(), ResourceChange::Changed, "-a\n+b\n");
    let other = compared(web(), ResourceChange::Changed, "-a\n+c\n");
    let (folded, _) =
        fold(vec![compared_in("dev", vec![same()]), compared_in("prod", vec![other]), compared_in("eu", vec![same()])]);
    assert_eq!(told(&folded), ["changed Deployment in dev, eu", "changed Deployment in prod"]);
    // Nobody knows how what is cut goes on.
    let cut = || ComparedResource { extent: Extent::Cut, ..same() };
    let (folded, _) = fold(vec![compared_in("dev", vec![cut()]), compared_in("eu", vec![cut()])]);
    assert_eq!(folded.len(), 2);
}

#[test]
fn what_differs_by_the_name_of_the_environment_alone_is_the_same() {
    let web = |environment: &str| {
        let namespace = format!("shop-{environment}");
        let difference = format!("--- /dev/null\n+host: web.{environment}.example.com, developer\n");
        let web = Resource { namespace, ..resource("apps", "Deployment", "web") };
        compared_in(environment, vec![compared(web, ResourceChange::Changed, &difference)])
    };
    let (folded, _) = fold(vec![web("dev"), web("prod")]);
    let [one] = folded.as_slice() else { panic!("{folded:?}") };
    assert_eq!(one.environments, ["dev", "prod"]);
    assert_eq!(one.resource.to_string(), "apps/Deployment shop-{environment}/web");
    assert_eq!(one.difference, "--- /dev/null\n+host: web.{environment}.example.com, developer\n");
    let (alone, _) = fold(vec![web("dev")]);
    assert_eq!(alone[0].resource.namespace, "shop-dev");
}

#[test]
fn a_long_list_and_long_differences_are_cut() {
    let line = format!("+{}\n", "x".repeat(99));
    let long = |name: usize| {
        compared(resource("", "ConfigMap", &format!("{name:03}")), ResourceChange::Changed, &line.repeat(100))
    };
    let (folded, more) = fold(vec![compared_in("dev", (0..60).map(long).collect())]);
    assert_eq!((folded.len(), more), (NAMED_LIMIT, 10));
    let kept: usize = folded.iter().map(|one| one.difference.len()).sum();
    assert!(kept <= DIFFERENCE_LIMIT && kept > DIFFERENCE_LIMIT - ONE_DIFFERENCE_LIMIT, "{kept}");
    assert!(folded.iter().all(|one| one.extent == Extent::Cut && one.difference.len() <= ONE_DIFFERENCE_LIMIT));
    assert!(folded[0].difference.ends_with('\n') && folded[49].difference.is_empty());
}

#[test]
fn the_summary_names_what_changes_where_it_changes() {
    let two = Counts { changed: 2, ..Counts::default() };
    let both = Counts { removed: 1, added: 1, ..Counts::default() };
    let environments = vec![
        environment("dev", changes(Counts::default())),
        environment("staging", changes(two)),
        environment("prod", changes(both)),
    ];
    let words = "staging: 2 changed; prod: 1 removed, 1 added".to_owned();
    assert_eq!(summary(environments), (StatusState::Success, words));
    let nothing = vec![environment("dev", changes(Counts::default()))];
    assert_eq!(summary(nothing), (StatusState::Success, "changes nothing that is rendered".to_owned()));
}

#[test]
fn a_mistake_of_the_author_is_told_before_a_failure_of_the_installation() {
    let later = Some(jiff::Timestamp::UNIX_EPOCH);
    let both = vec![environment("dev", failed(later)), environment("prod", failed(None))];
    assert_eq!(summary(both), (StatusState::Failure, "prod: apps/web.yaml:3: no such key".to_owned()));
    let (state, _) = summary(vec![environment("dev", failed(later))]);
    assert_eq!(state, StatusState::Error);
    let unavailable = preview(Previewed::Unavailable { message: "it could not be read".into() }).summary();
    assert_eq!((unavailable.state, unavailable.words.as_str()), (StatusState::Error, "it could not be read"));
}

#[test]
fn a_conflict_names_some_of_its_paths() {
    let conflict = |paths: &[&str]| {
        preview(Previewed::Conflict { paths: paths.iter().map(|path| (*path).to_owned()).collect() }).summary().words
    };
    assert_eq!(conflict(&["a"]), "it conflicts with dry-1 in `a`");
    assert_eq!(conflict(&["a", "b"]), "it conflicts with dry-1 in `a` and `b`");
    assert_eq!(conflict(&["a", "b", "c", "d", "e"]), "it conflicts with dry-1 in `a`, `b`, `c` and 2 more");
    assert_eq!(conflict(&[]), "it shares no commit with dry-1");
}

#[test]
fn what_was_foretold_is_judged_by_the_roots_that_the_pull_request_changes() {
    let content = |roots: &[(&str, &str)]| -> Content {
        let root = |(name, id): &(&str, &str)| {
            (RootName::new(*name).expect("a folder"), RenderingId::new(*id).expect("an id"))
        };
        roots.iter().map(root).collect()
    };
    let (before, after) =
        (content(&[("db", "db-1"), ("web", "web-1"), ("old", "old-1")]), content(&[("web", "web-2")]));
    let after = after.iter().chain(content(&[("db", "db-1")]).iter()).map(|(a, b)| (a.clone(), b.clone())).collect();
    let roots = changed_roots(&before, &after);
    let result = with(Counts::default(), roots, BTreeMap::new());
    let nothing = changes(Counts::default());
    let preview =
        rendered(vec![environment("dev", result), environment("staging", nothing), environment("prod", failed(None))]);
    let foretold = |strategy: &str, environment: &str, holds: &[(&str, &str)]| {
        let environment = EnvironmentName::new(environment).expect("a name");
        preview.foretold(&StrategyName::new(strategy).expect("a name"), &environment, &content(holds))
    };
    assert_eq!(foretold("shop", "dev", &[("web", "web-2"), ("db", "db-1")]), Some(true));
    assert_eq!(foretold("shop", "dev", &[("web", "web-2"), ("db", "db-9")]), Some(true), "others change that too");
    assert_eq!(foretold("shop", "dev", &[("web", "web-3")]), Some(false));
    assert_eq!(foretold("shop", "dev", &[("web", "web-2"), ("old", "old-1")]), Some(false), "it was to go");
    assert_eq!(foretold("shop", "staging", &[("web", "web-3")]), None);
    assert_eq!(foretold("shop", "prod", &[]), None);
    assert_eq!(foretold("web", "dev", &[]), None);
}

#[test]
fn what_is_too_large_to_be_compared_is_never_nothing() {
    let web = RootName::new("web").expect("a folder");
    let large = |counts| EnvironmentResult::Changes {
        counts,
        roots: BTreeMap::new(),
        kept: BTreeMap::new(),
        broken: BTreeSet::new(),
        uncompared: BTreeSet::from([web.clone()]),
    };
    insta::assert_debug_snapshot!(summary(vec![environment("dev", large(Counts::default()))]), @r#"
    (
        Success,
        "dev: `web` changes and is too large to be compared",
    )
    "#);
    let counts = Counts { added: 2, ..Counts::default() };
    insta::assert_debug_snapshot!(summary(vec![environment("dev", large(counts))]), @r#"
    (
        Success,
        "dev: 2 added; `web` changes and is too large to be compared",
    )
    "#);
}

#[test]
fn a_root_that_would_keep_what_it_has_is_a_failure() {
    let web = RootName::new("web").expect("a folder");
    let result = EnvironmentResult::Changes {
        counts: Counts::default(),
        roots: BTreeMap::new(),
        kept: BTreeMap::from([(web.clone(), "no such key".to_owned())]),
        broken: BTreeSet::from([web]),
        uncompared: BTreeSet::new(),
    };
    insta::assert_debug_snapshot!(summary(vec![environment("dev", result)]), @r#"
    (
        Failure,
        "dev: `web` would keep what it has: no such key",
    )
    "#);
}
