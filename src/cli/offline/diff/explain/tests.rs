use super::*;

fn told(old: &str, new: &str) -> String {
    Explained::of(&resources::of_text(old), &resources::of_text(new)).text()
}

fn deployment(config: &str, chart: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    helm.sh/chart: {chart}\n  name: web\nspec:\n\
         {more}  template:\n    spec:\n      containers:\n      - image: web:1\n        name: web\n      volumes:\n      \
         - configMap:\n          name: {config}\n"
    )
}

fn config(name: &str, level: &str) -> String {
    format!("apiVersion: v1\ndata:\n  level: {level}\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

#[test]
fn generated_resources_are_paired_and_what_refers_to_them_is_folded() {
    let (old, new) = ("settings-22k9gm7cf9", "settings-b4t2hg6m8k");
    let old = format!("{}---\n{}", config(old, "low"), deployment(old, "web-1", ""));
    let new = format!("{}---\n{}", config(new, "high"), deployment(new, "web-1", ""));
    insta::assert_snapshot!(told(&old, &new), @"
      changed ConfigMap settings-b4t2hg6m8k (was settings-22k9gm7cf9)
      nothing but the hash of what is referred to differs in 1 resource: apps/Deployment web

    --- ConfigMap settings-b4t2hg6m8k
    +++ ConfigMap settings-b4t2hg6m8k
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  level: low
    +  level: high
     kind: ConfigMap
     metadata:
       name: settings-b4t2hg6m8k
    ");
    // Two of one stem belong to nobody in particular.
    let more = config("settings-mmmmmmmmmm", "low");
    assert!(told(&format!("{old}---\n{more}"), &new).contains("removed ConfigMap settings-22k9gm7cf9"));
}

#[test]
fn noise_is_counted_and_never_hides_anything_else() {
    let old = deployment("c", "web-1", "  replicas: 1\n");
    insta::assert_snapshot!(told(&old, &deployment("c", "web-2", "  replicas: 1\n")), @"  nothing but helm.sh/chart differs in 1 resource: apps/Deployment web");
    insta::assert_snapshot!(told(&old, &deployment("c", "web-2", "  replicas: 3\n")), @"
      changed apps/Deployment web: replicas 1 -> 3 (not shown: helm.sh/chart)

    --- apps/Deployment web
    +++ apps/Deployment web
    @@ -5,7 +5,7 @@
         helm.sh/chart: web-2
       name: web
     spec:
    -  replicas: 1
    +  replicas: 3
       template:
         spec:
           containers:
    ");
    // What selects by a label is none.
    let selector = |version: &str| {
        deployment(
            "c",
            "web-1",
            &format!("  selector:\n    matchLabels:\n      app.kubernetes.io/version: {version}\n"),
        )
    };
    insta::assert_snapshot!(told(&selector("1"), &selector("2")), @"
      changed apps/Deployment web: `spec.selector` cannot be changed

    --- apps/Deployment web
    +++ apps/Deployment web
    @@ -7,7 +7,7 @@
     spec:
       selector:
         matchLabels:
    -      app.kubernetes.io/version: 1
    +      app.kubernetes.io/version: 2
       template:
         spec:
           containers:
    ");
}

#[test]
fn what_is_risky_comes_first() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: all\nrules: []\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n";
    let old =
        [config("a", "low"), config("b", "low"), role.replace("[]", "{}"), claim.to_owned(), deployment("c", "w", "")];
    let image = deployment("c", "w", "").replace("web:1", "web:2");
    let new = [config("a", "high"), role.to_owned(), image];
    let told = told(&old.join("---\n"), &new.join("---\n"));
    insta::assert_snapshot!(told.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"), @"
    removed PersistentVolumeClaim data: holds data
    removed ConfigMap b
    changed rbac.authorization.k8s.io/ClusterRole all: grants rights
    changed apps/Deployment web: image web:1 -> web:2
    changed ConfigMap a
    ");
}

#[test]
fn nothing_that_a_secret_says_is_told() {
    let secret = |password: &str, name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {password}\n  user: admin\ntype: Opaque\n"
        )
    };
    let list = |password: &str| {
        format!("apiVersion: v1\nitems:\n- kind: Secret\n  stringData: {{p: {password}}}\nkind: SecretList\n")
    };
    let old = format!("{}---\n{}", secret("hunter2", "s"), list("hunter2"));
    let new = format!("{}---\n{}---\n{}", secret("hunter3", "s"), list("hunter3"), secret("hunter4", "new"));
    let shown = told(&old, &new);
    assert!(!shown.contains("hunter") && !shown.contains("admin"), "{shown}");
    let quoted = old.replace("password: hunter2", "password: 'hunter2'");
    assert!(told(&old, &quoted).contains("changed Secret s"));
    insta::assert_snapshot!(shown, @"
      added Secret new
      changed Secret s
      changed SecretList 

    --- /dev/null
    +++ Secret new
    @@ -0,0 +1,8 @@
    +apiVersion: v1
    +kind: Secret
    +metadata:
    +  name: new
    +stringData:
    +  password: (not shown, as it is after)
    +  user: (not shown, as it is after)
    +type: Opaque

    --- Secret s
    +++ Secret s
    @@ -3,6 +3,6 @@
     metadata:
       name: s
     stringData:
    -  password: (not shown, as it is before)
    +  password: (not shown, as it is after)
       user: (not shown)
     type: Opaque

    --- SecretList 
    +++ SecretList 
    @@ -1 +1 @@
    -(not shown, as it is before)
    +(not shown, as it is after)
    ");
}

#[test]
fn what_is_misplaced_in_a_secret_is_not_told_either() {
    let secret = |more: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n{more}");
    for more in [
        "stringData: |\n  password: WORD\n",
        "stringData: |\n  annotations:\n    checksum/WORD: NUMBER\n",
        "password: WORD\n",
        "stringdata: {p: WORD}\n",
        "data: [WORD]\n",
        "  annotations: [WORD]\n",
        "  labels: {l: WORD}\n",
        "type: [WORD]\n",
        "spec: {image: WORD}\n",
    ] {
        let of = |word: &str, number: &str| secret(&more.replace("WORD", word).replace("NUMBER", number));
        let shown = told(&of("hunter2", "1"), &of("hunter3", "2"));
        assert!(shown.contains("changed Secret s") && !shown.contains("hunter"), "{shown}");
        assert!(shown.contains("as it is before") && shown.contains("as it is after"), "{shown}");
        assert!(!told("", &of("hunter2", "1")).contains("hunter"), "{more}");
    }
    let template = |word: &str| {
        format!(
            "apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n\
             - {{kind: Secret, stringData: {{p: {word}}}}}\n"
        )
    };
    let shown = told(&template("hunter2"), &template("hunter3"));
    assert!(shown.contains("changed template.openshift.io/Template") && !shown.contains("hunter"), "{shown}");
    // Of what holds a Secret at one side alone, the other is not told either.
    let shown = told(&template("hunter2"), &template("hunter3").replace("Secret", "Other"));
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn hashes_are_those_of_a_namespace_and_a_kind() {
    let [h1, h2, h3] = ["c-2222222222", "c-4444444444", "c-5555555555"];
    let within = |text: String, namespace: &str| {
        text.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1)
    };
    let both = |a: &str, b: &str, web_a: &str, web_b: &str| {
        [
            within(config(a, "x"), "a"),
            within(config(b, "x"), "b"),
            within(deployment(web_a, "w", ""), "a"),
            within(deployment(web_b, "w", ""), "b"),
        ]
        .join("---\n")
    };
    // A chain: `c-4…` comes in one namespace, and goes in the other.
    let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h2, h3));
    assert_eq!(
        shown.trim_end(),
        "  nothing but the hash of what is referred to differs in 4 resources: \
         ConfigMap a/c-4444444444, ConfigMap b/c-5555555555, apps/Deployment a/web, apps/Deployment b/web"
    );
    // To refer to what another namespace has is a change.
    let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h3, h3));
    assert!(shown.contains("changed apps/Deployment a/web"), "{shown}");
    assert!(shown.contains("-          name: c-4444444444\n+          name: c-5555555555"), "{shown}");
    // What is the same on both sides still is, also when what it refers to is gone.
    let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h1, h3));
    assert!(!shown.contains("Deployment a/web"), "{shown}");
    // What refers to another kind, and text, is none of it.
    let (old, new) = (config(h1, "x"), config(h2, "x"));
    for text in [
        "kind: Pod\nmetadata:\n  name: p\nspec:\n  secretName: NAME\n",
        "kind: Pod\nmetadata:\n  name: p\nspec:\n  ref:\n    name: NAME\n    kind: Secret\n",
        "kind: Pod\nmetadata:\n  name: p\nspec:\n  text: |\n    configMapRef:\n      name: NAME\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: p\ndata:\n  configMap: NAME\n",
    ] {
        let of = |config: &str, name: &str| format!("{config}---\n{}", text.replace("NAME", name));
        let shown = told(&of(&old, h1), &of(&new, h2));
        assert!(shown.contains(" p\n") && shown.contains("+") && shown.contains(h1), "{shown}");
    }
    let text = "kind: Pod\nmetadata:\n  name: p\nspec:\n  refs:\n  - kind: ConfigMap\n    name: 'NAME'\n  \
                configMaps:\n  - NAME\n";
    let of = |config: &str, name: &str| format!("{config}---\n{}", text.replace("NAME", name));
    assert!(told(&of(&old, h1), &of(&new, h2)).contains("differs in 2 resources: ConfigMap c-4444444444, Pod p"));
}
