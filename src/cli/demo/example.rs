//! The example repository: a Helm chart and a kustomization for three environments.

/// Its files, from `examples/shop`.
const FILES: &[(&str, &str)] = &[
    ("hydromote.yaml", include_str!("../../../examples/shop/hydromote.yaml")),
    ("charts/web/Chart.yaml", include_str!("../../../examples/shop/charts/web/Chart.yaml")),
    ("charts/web/values.yaml", WEB_VALUES),
    (
        "charts/web/templates/deployment.yaml",
        include_str!("../../../examples/shop/charts/web/templates/deployment.yaml"),
    ),
    ("charts/web/templates/service.yaml", include_str!("../../../examples/shop/charts/web/templates/service.yaml")),
    ("environments/dev/web.yaml", WEB_DEV),
    ("environments/staging/web.yaml", include_str!("../../../examples/shop/environments/staging/web.yaml")),
    ("environments/prod/web.yaml", WEB_PROD),
    ("deploy/base/kustomization.yaml", API_BASE),
    ("deploy/base/deployment.yaml", include_str!("../../../examples/shop/deploy/base/deployment.yaml")),
    ("deploy/base/service.yaml", include_str!("../../../examples/shop/deploy/base/service.yaml")),
    (
        "deploy/overlays/dev/kustomization.yaml",
        include_str!("../../../examples/shop/deploy/overlays/dev/kustomization.yaml"),
    ),
    (
        "deploy/overlays/staging/kustomization.yaml",
        include_str!("../../../examples/shop/deploy/overlays/staging/kustomization.yaml"),
    ),
    (
        "deploy/overlays/prod/kustomization.yaml",
        include_str!("../../../examples/shop/deploy/overlays/prod/kustomization.yaml"),
    ),
];

const WEB_VALUES: &str = include_str!("../../../examples/shop/charts/web/values.yaml");
const WEB_DEV: &str = include_str!("../../../examples/shop/environments/dev/web.yaml");
const WEB_PROD: &str = include_str!("../../../examples/shop/environments/prod/web.yaml");
const API_BASE: &str = include_str!("../../../examples/shop/deploy/base/kustomization.yaml");

/// Files to commit: path and text.
pub(super) type Files = Vec<(String, String)>;

/// Returns every file of the first commit.
pub(super) fn first_commit() -> Files {
    own(FILES.iter().map(|(path, text)| (*path, (*text).to_owned())))
}

/// Returns the change that brings a new image of the web front end and of the API.
pub(super) fn image_bump() -> Files {
    own([
        ("charts/web/values.yaml", WEB_VALUES.replace("web:1.0.0", "web:1.1.0")),
        ("deploy/base/kustomization.yaml", API_BASE.replace("newTag: 1.0.0", "newTag: 1.1.0")),
    ])
}

/// Returns a change that touches dev and prod, and nothing in staging.
pub(super) fn change_beside_staging() -> Files {
    own([
        ("environments/dev/web.yaml", format!("{WEB_DEV}logLevel: debug\n")),
        ("environments/prod/web.yaml", format!("{WEB_PROD}logLevel: warn\n")),
    ])
}

/// Returns the change that brings an image of the web front end that does not work.
pub(super) fn bad_image() -> Files {
    own([("charts/web/values.yaml", WEB_VALUES.replace("web:1.0.0", "web:1.2.0"))])
}

/// Returns a change of the API, which has nothing to do with the web front end.
pub(super) fn unrelated() -> Files {
    own([("deploy/base/kustomization.yaml", API_BASE.replace("newTag: 1.0.0", "newTag: 1.1.1"))])
}

/// Returns the change that brings an image of the web front end that works again.
pub(super) fn fixed_image() -> Files {
    own([("charts/web/values.yaml", WEB_VALUES.replace("web:1.0.0", "web:1.2.1"))])
}

fn own<'a>(files: impl IntoIterator<Item = (&'a str, String)>) -> Files {
    files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_changes_something() {
        let first = first_commit();
        let changes = [image_bump(), change_beside_staging(), bad_image(), unrelated(), fixed_image()];
        for (path, text) in changes.into_iter().flatten() {
            let before = first.iter().find(|(other, _)| *other == path).map(|(_, text)| text);
            assert_ne!(before, Some(&text), "{path}");
        }
    }
}
