//! What people wrote: every YAML file of a repository, and what its roots render to.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hydrators::{
    DirectoryTree, IndexedTree, Labels, Limits, RenderOptions, Renderers, SecretPolicy, Source, SourceTree, Tool,
    TreeLimits, canonical, discover, render_root,
};

use super::{Told, readers};
use crate::repository::renderers;

/// Texts to compare, and what there were.
#[derive(Debug, Default)]
struct Corpus {
    files: usize,
    /// Documents that are no Kubernetes objects; they are compared as a part of one.
    wrapped: usize,
    /// Files that are no YAML for us: templates, most of all.
    unreadable: usize,
    roots: usize,
    texts: Vec<String>,
}

impl Corpus {
    /// Adds every file below a folder that may be YAML.
    fn add_files(&mut self, folder: &Path) {
        let tree = DirectoryTree::new(folder);
        for entry in tree.entries().expect("entries") {
            let path = entry.path;
            if ![".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end)) || !folder.join(&path).is_file() {
                continue;
            }
            let Ok(text) = String::from_utf8(fs::read(folder.join(&path)).expect("a file")) else { continue };
            self.files += 1;
            self.add_file(text);
        }
    }

    fn add_file(&mut self, text: String) {
        if is_manifest(&text) {
            return self.texts.push(text);
        }
        let before = self.texts.len();
        for document in readers::documents(&text) {
            let wrapped = self.wrapped(&document);
            if is_manifest(&document) {
                self.texts.push(document);
            } else if is_manifest(&wrapped) {
                self.wrapped += 1;
                self.texts.push(wrapped);
            }
        }
        self.unreadable += usize::from(self.texts.len() == before);
    }

    /// Makes a document a part of an object.
    fn wrapped(&self, document: &str) -> String {
        let inner: String = document
            .split_inclusive('\n')
            .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("  {line}") })
            .collect();
        format!(
            "apiVersion: example.com/v1\nkind: Wrapped\nmetadata:\n  name: wrapped-{}\nspec:\n{inner}",
            self.wrapped
        )
    }

    /// Adds what the renderers themselves write for every root that is found below a folder.
    async fn add_renderings(&mut self, folder: &Path, renderers: &Renderers) {
        let tree = Arc::new(DirectoryTree::new(folder));
        let tree = Arc::new(IndexedTree::read(tree, TreeLimits::default()).expect("a tree"));
        let options = RenderOptions { secrets: SecretPolicy::Allow, ..RenderOptions::default() };
        let source = Source { path: Some("**".into()), options, ..Source::default() };
        let roots = discover(&tree, &[source], &Labels::new()).map(|found| found.roots).unwrap_or_default();
        for root in roots {
            let Ok(rendered) = render_root(renderers, &tree, &root).await else { continue };
            let Some((program, args)) = rendered.commands.first().and_then(|command| command.split_once(' ')) else {
                continue;
            };
            let tool = if program == "helm" { Tool::Helm } else { Tool::Kustomize };
            let args: Vec<OsString> = args.split(' ').map(|word| word.trim_matches('\'').into()).collect();
            let Ok(output) = renderers.run_unchecked(tool, &args, folder).await else { continue };
            if output.status.success() {
                self.roots += 1;
                self.texts.push(String::from_utf8(output.stdout).expect("text"));
            }
        }
    }
}

fn is_manifest(text: &str) -> bool {
    canonical(text).is_ok_and(|written| !written.is_empty())
}

#[tokio::test]
async fn every_file_of_this_repository_means_what_it_meant() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let renderers = renderers(Limits::default()).await;
    let mut corpus = Corpus::default();
    for folder in ["examples", "tests", "docs", "docker", "hydrators"].map(|folder| repository.join(folder)) {
        corpus.add_files(&folder);
    }
    for folder in ["examples/shop", "tests/data/gitops-promoter-demo/dry"].map(|folder| repository.join(folder)) {
        corpus.add_renderings(&folder, &renderers).await;
    }
    let told = Told::of(&corpus.texts, &renderers).await;
    assert_eq!(told.faults, Vec::<String>::new());
    assert!(corpus.files > 150 && corpus.roots > 4, "{} files, {} roots", corpus.files, corpus.roots);
    assert!(
        told.compared.iter().all(|count| count * 10 > corpus.texts.len() * 9),
        "{told:?} of {}",
        corpus.texts.len()
    );
}

/// Which repository is read.
const REPOSITORY: &str = "HYDROMOTE_MEANING";

#[tokio::test]
#[ignore = "reads a repository of one's own: make meaning REPO=folder"]
async fn a_repository() {
    let folder = std::env::var_os(REPOSITORY).unwrap_or_else(|| panic!("{REPOSITORY} is missing"));
    let renderers = renderers(Limits::default()).await;
    let mut corpus = Corpus::default();
    corpus.add_files(folder.as_ref());
    corpus.add_renderings(folder.as_ref(), &renderers).await;
    let told = Told::of(&corpus.texts, &renderers).await;
    let [api_server, kustomize] = told.compared;
    let result = format!(
        "{} files, {} of them templates or no YAML; {} documents were made a part of an object; {} renderings\n\
         {} texts written; {api_server} compared by the reader of the API server, {kustomize} by Kustomize; {} faults\n{}",
        corpus.files,
        corpus.unreadable,
        corpus.wrapped,
        corpus.roots,
        told.written,
        told.faults.len(),
        told.faults.join("\n")
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("meaning.txt"), &result).expect("written");
    assert!(told.faults.is_empty() && told.written > 0, "{result}");
}
