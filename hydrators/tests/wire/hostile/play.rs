//! Renders a case and its next commit, and looks at what came of it and at what lies around.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hydrators::{IndexedTree, RenderFailure, Rendered, Renderers, discover, prepare, render_roots};

use super::case::{Case, Unchecked};
use super::ground::{Ground, SECRET, everything};
use super::tree::CaseTree;
use crate::repository::launcher;

/// The longest that a case may take, on a machine however busy: what runs away takes for ever.
const LONGEST: Duration = Duration::from_secs(120);

/// Plays a case with every Helm there is.
pub(super) async fn play(case: &Case) -> Result<(), String> {
    for helm in helms().iter().take(if case.uses_helm() { usize::MAX } else { 1 }) {
        play_with(case, helm).await.map_err(|fault| format!("{fault} (Helm of {})", helm.display()))?;
    }
    Ok(())
}

async fn play_with(case: &Case, helm: &Path) -> Result<(), String> {
    let ground = Ground::new().map_err(|error| error.to_string())?;
    let case = case.on(&|text| ground.names(text));
    let renderers = Arc::new(renderers(&case, helm).await?);
    let start = Instant::now();
    expect(&case, render(&case, &renderers).await)?;
    ground.check()?;
    for unchecked in &case.unchecked {
        run_unchecked(&case, unchecked, &renderers, &ground).await?;
        ground.check().map_err(|fault| format!("{fault}, unchecked"))?;
    }
    if start.elapsed() > LONGEST {
        return Err(format!("it took {:?}", start.elapsed()));
    }
    match render(&case.next(), &renderers).await {
        Ok(output) if output.is_empty() => Err("the next commit renders to nothing".into()),
        Ok(output) => silent(&output),
        Err(message) => Err(format!("the next commit does not render: {message}")),
    }
}

/// Fails when a case did not end as it says.
fn expect(case: &Case, ended: Result<String, String>) -> Result<(), String> {
    let (words, text) = match &ended {
        Ok(output) => (&case.renders, output),
        Err(message) => (&case.refused, message),
    };
    silent(text)?;
    if words.is_empty() {
        return Err(format!("it was not to end like this: {ended:?}"));
    }
    match words.iter().find(|word| !text.contains(*word)) {
        Some(word) => Err(format!("there is no `{word}` in: {text}")),
        None => Ok(()),
    }
}

/// Fails when a text tells the secret, or a path of this machine.
fn silent(text: &str) -> Result<(), String> {
    match text.contains(SECRET) {
        true => Err(format!("the canary was read: {text}")),
        false if text.contains("/hydrate-") => Err(format!("a path of the machine is in: {text}")),
        false => Ok(()),
    }
}

/// Renders all roots as the service does; returns their files as one text, or the first refusal.
async fn render(case: &Case, renderers: &Arc<Renderers>) -> Result<String, String> {
    let tree = IndexedTree::read(Arc::new(CaseTree::of(&case.tree)), case.limits.of_trees());
    let tree = Arc::new(tree.map_err(|error| error.to_string())?);
    let discovery = discover(&tree, &case.sources(), &case.labels()).map_err(|error| error.to_string())?;
    let roots = discovery.roots.iter().map(|root| prepare(renderers, &tree, root));
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(|failure| failure.to_string())?;
    let results = render_roots(renderers, &tree, roots, 1, || {}).await;
    let mut output = String::new();
    for rendered in results {
        let Rendered { files, .. } = rendered.map_err(|failure| failure.to_string())?;
        for (path, content) in files {
            if path != "manifest.yaml" {
                return Err(format!("it rendered to `{path}`"));
            }
            output.push_str(&String::from_utf8_lossy(&content));
        }
    }
    Ok(output)
}

/// Runs a program on the tree as it is, with arguments as they are.
async fn run_unchecked(
    case: &Case,
    unchecked: &Unchecked,
    renderers: &Renderers,
    ground: &Ground,
) -> Result<(), String> {
    let folder = ground.beside("tree").map_err(|error| error.to_string())?;
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none()) {
        CaseTree::of(&case.tree).lay_out(&folder).map_err(|error| format!("could not be laid out: {error}"))?;
    }
    let tool = unchecked.tool().ok_or("it runs no renderer")?;
    let before = everything(&folder).map_err(|error| error.to_string())?;
    let said = match renderers.run_unchecked(tool, &unchecked.arguments(), &folder).await {
        Ok(output) => {
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            format!("{stdout}{stderr}")
        }
        Err(RenderFailure { message, .. }) => message,
    };
    if said.contains(SECRET) {
        return Err(format!("the canary was read without checks: {said}"));
    }
    if everything(&folder).map_err(|error| error.to_string())? != before {
        return Err("the tree was written to without checks".into());
    }
    let said = said.to_lowercase();
    match unchecked.says.iter().find(|word| !said.contains(&word.to_lowercase())) {
        Some(word) => {
            Err(format!("without checks there is no `{word}` in: {}", said.chars().take(600).collect::<String>()))
        }
        None => Ok(()),
    }
}

/// Returns the folders of the Helms that are supported.
fn helms() -> Vec<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    let older = tools.join("helm-3");
    assert!(older.join("helm").is_file(), "these tests need Helm 3 too: `make tools`");
    vec![tools.join("bin"), older]
}

async fn renderers(case: &Case, helm: &Path) -> Result<Renderers, String> {
    let folders = [helm.to_path_buf(), helm.with_file_name("bin")];
    let path = std::env::var_os("PATH");
    let found = Renderers::find(&folders, path.as_deref(), launcher(), case.limits.of_programs()).await;
    found.map_err(|error| format!("these tests need the real renderers: {error}"))
}
