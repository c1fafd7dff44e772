//! What is rendered and what is known already: a hydrator over a mirror and a database, without a forge.

use std::path::PathBuf;

use git2::{Oid, Repository, Signature};
use hydromote::{
    domain::{
        hydration::EnvironmentHydration,
        ids::{DrySha, EnvironmentName, RepositoryId, StrategyId},
        strategy::{PromotionStrategy, parse_strategies},
    },
    reconcile::hydrate::{At, Hydrator, open_tree},
    store::Store,
};

use crate::world::{Fallible, Files, TestResult, new_hydrator};

const STRATEGY: &str = r#"apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: shop
spec:
  sources:
    - path: "{service}/{environment}"
      output: "{service}"
    - chart: charts/web
      releaseName: web
      valueFiles: ["values/{environment}.yaml"]
  environments:
    - {name: dev, branch: env/dev}
    - {name: prod, branch: env/prod}
"#;

/// A dry repository, and what was learned of it.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    store: Store,
    hydrator: Hydrator,
    files: Files,
    strategy: PromotionStrategy,
}

impl Lab {
    /// A repository of these files, with one strategy.
    pub(crate) async fn of(files: Files, strategy: &str) -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        Repository::init_bare(folder.path())?;
        let read = parse_strategies(&[("hydromote.yaml", strategy)]).remove(0).strategies;
        let strategy = read.map_err(|mistakes| format!("{mistakes:?}"))?.remove(0);
        Ok(Self { folder, store: Store::in_memory().await?, hydrator: new_hydrator().await?, files, strategy })
    }

    async fn new() -> Fallible<Self> {
        let object = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n");
        let mut files = vec![
            ("hydromote.yaml".to_owned(), STRATEGY.to_owned()),
            ("base/kustomization.yaml".to_owned(), "resources: [object.yaml]\n".to_owned()),
            ("base/object.yaml".to_owned(), object("base")),
            ("charts/web/Chart.yaml".to_owned(), "apiVersion: v2\nname: web\nversion: 1.0.0\n".to_owned()),
            ("charts/web/templates/a.yaml".to_owned(), object("web-{{ .Values.size }}")),
            ("README.md".to_owned(), "first".to_owned()),
        ];
        for environment in ["dev", "prod"] {
            for service in ["cart", "pay"] {
                let kustomization = format!("resources: [../../base]\nnamePrefix: {service}-{environment}-\n");
                files.push((format!("{service}/{environment}/kustomization.yaml"), kustomization));
            }
            files.push((format!("values/{environment}.yaml"), format!("size: {environment}\n")));
        }
        Self::of(files, STRATEGY).await
    }

    pub(crate) fn set(&mut self, path: &str, text: &str) {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.to_owned(), text.to_owned()));
    }

    pub(crate) fn commit(&self) -> Fallible<DrySha> {
        let repository = Repository::open_bare(self.folder.path())?;
        let mut index = git2::Index::new()?;
        for (path, text) in &self.files {
            let zero = git2::IndexTime::new(0, 0);
            let entry = git2::IndexEntry {
                ctime: zero,
                mtime: zero,
                dev: 0,
                ino: 0,
                mode: 0o100_644,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: repository.blob(text.as_bytes())?,
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry)?;
        }
        let tree = repository.find_tree(index.write_tree_to(&repository)?)?;
        let author = Signature::new("Developer", "developer@example.com", &git2::Time::new(0, 0))?;
        Ok(DrySha::new(repository.commit(None, &author, &author, "dry", &tree, &[])?.to_string())?)
    }

    /// Hydrates an environment of what there is now; returns how it ended, and how many processes that took.
    async fn hydrate(&self, environment: &str) -> Fallible<(EnvironmentHydration, u64)> {
        self.hydrate_commit(&self.commit()?, environment).await
    }

    async fn hydrate_commit(&self, dry: &DrySha, environment: &str) -> Fallible<(EnvironmentHydration, u64)> {
        let before = self.hydrator.renderers().process_starts();
        let id = StrategyId { repository: RepositoryId::new("acme/shop")?, name: self.strategy.name.clone() };
        let (mirror, store, environment) = (self.folder.path(), &self.store, EnvironmentName::new(environment)?);
        let at = At { mirror, store, strategy: &id, in_force: &self.strategy, environment: &environment };
        let tree = open_tree(mirror, dry).await?;
        let (hydration, _) = self.hydrator.hydrate_tree(at, tree, dry.short(), "2026-01-01T00:00:00Z".parse()?).await?;
        Ok((hydration, self.hydrator.renderers().process_starts() - before))
    }

    async fn processes(&self, environment: &str) -> Fallible<u64> {
        self.rendered(&self.commit()?, environment, 3).await
    }

    /// Hydrates an environment with a commit of so many roots, all of which must render; returns how many processes
    /// that took.
    pub(crate) async fn rendered(&self, dry: &DrySha, environment: &str, roots: usize) -> Fallible<u64> {
        let (hydration, processes) = self.hydrate_commit(dry, environment).await?;
        match hydration {
            EnvironmentHydration::Done(done) if done.failed.is_empty() && done.content.len() == roots => Ok(processes),
            other => Err(format!("not everything was rendered: {other:?}").into()),
        }
    }

    /// Has nothing remembered but what is in the mirror and the database.
    pub(crate) async fn restart(&mut self) -> TestResult {
        self.hydrator = new_hydrator().await?;
        Ok(())
    }

    /// Returns where an object lies in the mirror.
    fn object(&self, id: &str) -> PathBuf {
        self.folder.path().join("objects").join(&id[..2]).join(&id[2..])
    }
}

#[tokio::test]
async fn only_roots_whose_inputs_changed_are_rendered() -> TestResult {
    let mut lab = Lab::new().await?;
    assert_eq!(lab.processes("dev").await?, 3);
    assert_eq!(lab.processes("prod").await?, 3);
    lab.set("README.md", "second");
    assert_eq!(lab.processes("dev").await?, 0, "nothing reads it");
    lab.set("values/prod.yaml", "size: large\n");
    assert_eq!((lab.processes("dev").await?, lab.processes("prod").await?), (0, 1));
    lab.set("cart/dev/kustomization.yaml", "resources: [../../base]\nnamePrefix: new-\n");
    assert_eq!((lab.processes("dev").await?, lab.processes("prod").await?), (1, 0));
    lab.set("base/object.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    assert_eq!((lab.processes("dev").await?, lab.processes("prod").await?), (2, 2));
    lab.set("values/prod.yaml", "size: prod\n");
    lab.restart().await?;
    assert_eq!((lab.processes("dev").await?, lab.processes("prod").await?), (0, 0), "all of it was there once");
    Ok(())
}

#[tokio::test]
async fn what_an_author_did_wrong_is_not_rendered_again_until_it_is_mended() -> TestResult {
    let mut lab = Lab::new().await?;
    lab.processes("dev").await?;
    lab.set("charts/web/templates/a.yaml", "{{ fail \"not like this\" }}");
    assert_eq!(lab.hydrate("dev").await?.1, 1);
    lab.set("README.md", "second");
    let (hydration, processes) = lab.hydrate("dev").await?;
    assert_eq!(processes, 0);
    assert!(matches!(hydration, EnvironmentHydration::Done(roots) if roots.failed.len() == 1));
    lab.set("charts/web/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n");
    assert_eq!(lab.processes("dev").await?, 1);
    Ok(())
}

#[tokio::test]
async fn what_is_gone_from_the_mirror_or_damaged_there_is_rendered_again() -> TestResult {
    let mut lab = Lab::new().await?;
    lab.processes("dev").await?;
    let EnvironmentHydration::Done(roots) = lab.hydrate("dev").await?.0 else { return Err("it fails".into()) };
    let trees: Vec<String> = roots.content.iter().map(|(_, id)| id.to_string()).collect();
    let repository = Repository::open_bare(lab.folder.path())?;
    let blob = repository.find_tree(Oid::from_str(&trees[1])?)?.get(0).map(|entry| entry.id().to_string());
    std::fs::remove_file(lab.object(&trees[0]))?;
    // Another object in its place, which is whole but not it.
    let (damaged, other) = (lab.object(&blob.ok_or("it is empty")?), lab.object(&trees[2]));
    std::fs::remove_file(&damaged)?;
    std::fs::copy(other, damaged)?;
    lab.restart().await?;
    lab.set("README.md", "second");
    assert_eq!(lab.processes("dev").await?, 2);
    let EnvironmentHydration::Done(again) = lab.hydrate("dev").await?.0 else { return Err("it fails".into()) };
    assert_eq!(again.content, roots.content);
    Ok(())
}
