//! `hydromote lock`: pins charts from elsewhere, and brings what is pinned.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use hydrators::{IndexedTree, TreeLimits};
use serde::Serialize;

use super::{
    checkout::Checkout,
    format::Output,
    strategies::{self, StrategyArgument},
    work_tree::WorkTree,
};
use crate::{
    charts::{
        Cache, ChartSettings, Charts, Downloads, FILE, HostRule, LockFile, Locked, NeedMistake, Pinned, Reaction, lock,
        needs,
    },
    cli::{Outcome, output},
    domain::{chart::WantedChart, strategy::PromotionStrategy},
    reconcile::sources,
    settings::Settings,
};

/// Flags of `lock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The work tree
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Says whether the file is up to date, and writes and fetches nothing
    #[arg(long, conflicts_with_all = ["update", "fetch"])]
    check: bool,
    /// Looks for newer versions of what is pinned: of all charts, or of those with these names
    #[arg(long, value_name = "NAME", num_args = 0..)]
    update: Option<Vec<String>>,
    /// Fetches what is pinned and not on this machine, for `hydrate`, `diff` and `verify`
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    kept: KeptCharts,
    #[command(flatten)]
    strategy: StrategyArgument,
    #[command(flatten)]
    output: Output,
}

/// From where charts are fetched.
#[derive(Debug, clap::Args)]
struct From {
    /// A file with `[charts]` and `[network]` of a server's settings: credentials, limits, proxy, root certificates
    #[arg(long, value_name = "FILE", env = "HYDROMOTE_CONFIG")]
    config: Option<PathBuf>,
    /// Also fetches from this host, which has a private address or, with `http://`, no TLS; may be repeated
    #[arg(long = "allow-host", value_name = "HOST")]
    allow_hosts: Vec<String>,
}

/// Where charts are kept on this machine.
#[derive(Debug, clap::Args)]
pub struct KeptCharts {
    /// The folder in which charts from elsewhere are kept
    #[arg(long, value_name = "DIR", env = "HYDROMOTE_CHARTS")]
    charts: Option<PathBuf>,
    #[arg(long, hide = true, env = "XDG_CACHE_HOME")]
    cache_home: Option<PathBuf>,
    #[arg(long, hide = true, env = "HOME")]
    home: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether the file is as it should be now.
    up_to_date: bool,
    /// Whether the file was written.
    written: bool,
    /// Everything that is asked for.
    charts: Vec<Row>,
    /// What is pinned and asked for no more.
    removed: Vec<String>,
    /// What stands in the way of knowing what is asked for.
    mistakes: Vec<String>,
}

/// One chart.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    chart: String,
    asked: String,
    /// What it is pinned to; absent when it is not.
    #[serde(flatten)]
    pinned: Option<Pinned>,
    /// The version before, when it is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// Why it is not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    crate::app::install_tls();
    let checkout = Checkout::open(&args.dir).await?;
    let (Some(folder), Some(tree)) = (checkout.work_folder(), checkout.work_tree()?) else {
        bail!("`{}` is no work tree; `hydromote lock` writes `{FILE}` into one", args.dir.display());
    };
    let found = strategies::read(&checkout, &tree, &args.strategy)?;
    if found.is_empty() {
        return Err(strategies::none_found(&checkout));
    }
    let (wanted, mistakes) = wanted(Arc::new(tree), &found)?;
    let path = folder.join(FILE);
    let before = read(&path)?;
    if args.check {
        return Ok(report_check(&args, &wanted, &before, mistakes));
    }
    refuse_unknown(args.update.as_deref(), &wanted)?;
    let downloads = args.from.downloads()?;
    let cache = args.kept.cache();
    let is_renewed = |chart: &WantedChart| match args.update.as_deref() {
        None => false,
        Some([]) => true,
        Some(names) => names.iter().any(|name| name == chart.origin.name()),
    };
    let told = |chart: &WantedChart| output::progress(format_args!("looking for {chart}"));
    let locked = lock(&downloads, &cache, &wanted, &before, is_renewed, told).await;
    let is_good = locked.failed.is_empty() && mistakes.is_empty();
    let is_written = is_good && (locked.file != before || (!path.exists() && !wanted.is_empty()));
    if is_written {
        write(&path, &locked.file)?;
    }
    let mut report = Report::new(&locked, &before, &wanted, mistakes);
    (report.up_to_date, report.written) = (is_good, is_written);
    if args.fetch && is_good {
        fetch(&Charts::new(cache, Some(downloads)), &locked.file).await?;
    }
    args.output.write(&report, Report::text);
    if locked.failed.values().any(|error| error.reaction != Reaction::Author) {
        bail!("not everything could be looked for; `{FILE}` is as it was");
    }
    Ok(if is_good { Outcome::Done } else { Outcome::No })
}

fn report_check(args: &Args, wanted: &BTreeSet<WantedChart>, before: &LockFile, mistakes: Vec<NeedMistake>) -> Outcome {
    let (missing, superfluous) = before.differences(wanted);
    let is_good = missing.is_empty() && superfluous.is_empty() && mistakes.is_empty();
    let kept = before.charts.iter().filter(|(chart, _)| wanted.contains(chart));
    let kept = LockFile { charts: kept.map(|(chart, pinned)| (chart.clone(), pinned.clone())).collect() };
    let mut report = Report::new(&Locked { file: kept, ..Locked::default() }, before, wanted, mistakes);
    report.up_to_date = is_good;
    args.output.write(&report, Report::text);
    if is_good { Outcome::Done } else { Outcome::No }
}

/// Returns what the roots of all environments ask for.
fn wanted(
    tree: Arc<WorkTree>,
    strategies: &[PromotionStrategy],
) -> anyhow::Result<(BTreeSet<WantedChart>, Vec<NeedMistake>)> {
    let indexed = IndexedTree::read(tree.clone(), TreeLimits::default())?;
    let (mut wanted, mut mistakes) = (BTreeSet::new(), Vec::new());
    for strategy in strategies {
        for environment in &strategy.environments {
            let resolved = sources::resolve(&strategy.sources, &environment.name);
            let labels = sources::labels(&strategy.sources, &environment.name);
            let Ok(discovery) = hydrators::discover(&indexed, &resolved, &labels) else {
                bail!("the sources of {} have mistakes; `hydromote validate` shows them", environment.name)
            };
            let found = needs(&*tree, &indexed, &discovery.roots)?;
            wanted.extend(found.needs.into_iter().map(|need| need.wanted));
            mistakes.extend(found.mistakes);
        }
    }
    let mut seen = BTreeSet::new();
    mistakes.retain(|mistake| seen.insert((mistake.file.clone(), mistake.line, mistake.message.clone())));
    Ok((wanted, mistakes))
}

fn refuse_unknown(names: Option<&[String]>, wanted: &BTreeSet<WantedChart>) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = wanted.iter().map(|chart| chart.origin.name()).collect();
    match names.unwrap_or_default().iter().find(|name| !known.contains(name.as_str())) {
        Some(unknown) => {
            let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            bail!("no chart `{unknown}` from elsewhere is asked for; there are {known}")
        }
        None => Ok(()),
    }
}

async fn fetch(charts: &Charts, file: &LockFile) -> anyhow::Result<()> {
    for (chart, pinned) in &file.charts {
        if !charts.has(pinned).await {
            output::progress(format_args!("fetching {} {}", chart.origin, pinned.version));
            charts.bring(chart, pinned).await?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<LockFile> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LockFile::default()),
        Err(error) => return Err(error).context(format!("could not read `{FILE}`")),
    };
    LockFile::parse(&bytes).map_err(|mistake| match mistake.line {
        Some(line) => anyhow::anyhow!("{FILE}:{line}: {mistake}"),
        None => anyhow::anyhow!("{FILE}: {mistake}"),
    })
}

/// Puts the file in place whole, or not at all.
fn write(path: &Path, file: &LockFile) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let put = || {
        let mut new = tempfile::Builder::new().prefix(".hydromote-").tempfile_in(folder)?;
        new.write_all(file.to_string().as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        new.as_file().set_permissions(mode)?;
        new.persist(path).map_err(|error| error.error)
    };
    put().map(drop).with_context(|| format!("could not write `{FILE}`"))
}

impl From {
    fn downloads(&self) -> anyhow::Result<Downloads> {
        let (mut settings, network) = Settings::load_charts(self.config.as_deref(), crate::app::environment())?;
        for text in &self.allow_hosts {
            let Some(rule) = HostRule::parse(text) else {
                bail!("`{text}` is no host; write one such as `registry.example.com` or `http://localhost:5000`");
            };
            settings.hosts.push(rule);
        }
        Ok(settings.public(network))
    }
}

impl KeptCharts {
    /// Returns the cache of this machine.
    pub fn cache(&self) -> Cache {
        let full = |folder: &Option<PathBuf>| folder.clone().filter(|folder| folder.is_absolute());
        let usual = full(&self.cache_home).or_else(|| Some(full(&self.home)?.join(".cache")));
        let folder = self.charts.clone().or_else(|| Some(usual?.join("hydromote/charts")));
        let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("hydromote-charts"));
        Cache::new(folder, ChartSettings::default().cache_bytes)
    }
}

impl Report {
    fn new(locked: &Locked, before: &LockFile, wanted: &BTreeSet<WantedChart>, mistakes: Vec<NeedMistake>) -> Self {
        let failed: BTreeMap<_, _> = locked.failed.iter().collect();
        let row = |chart: &WantedChart| {
            let pinned = locked.file.charts.get(chart).cloned();
            let before = before.charts.get(chart).map(|pinned| pinned.version.clone());
            let is_other = pinned.as_ref().is_some_and(|pinned| before.as_ref() != Some(&pinned.version));
            Row {
                chart: chart.origin.to_string(),
                asked: chart.range.to_string(),
                before: before.filter(|_| is_other),
                problem: failed.get(chart).map(|error| error.message.clone()),
                pinned,
            }
        };
        let removed = before.charts.keys().filter(|chart| !wanted.contains(*chart));
        let shown = |mistake: &NeedMistake| match (&mistake.file, mistake.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: {}", mistake.message),
            (Some(file), None) => format!("{file}: {}", mistake.message),
            (None, Some(line)) => format!("the source in line {line} of the strategy: {}", mistake.message),
            (None, None) => mistake.message.clone(),
        };
        Self {
            up_to_date: false,
            written: false,
            charts: wanted.iter().map(row).collect(),
            removed: removed.map(ToString::to_string).collect(),
            mistakes: mistakes.iter().map(shown).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Row { chart, asked, pinned, before, problem } in &self.charts {
            let state = match (pinned, before, problem) {
                (_, _, Some(problem)) => problem.clone(),
                (Some(pinned), Some(before), None) => format!("{before} -> {}", pinned.version),
                (Some(pinned), None, None) => pinned.version.clone(),
                (None, _, None) => "not pinned".to_owned(),
            };
            text += &format!("{chart} {asked}: {state}\n");
        }
        self.removed.iter().for_each(|chart| text += &format!("{chart}: not asked for any more\n"));
        self.mistakes.iter().for_each(|mistake| text += &format!("{mistake}\n"));
        text += &match (self.up_to_date, self.written) {
            (_, true) => format!("{FILE} was written; commit it"),
            (true, false) if self.charts.is_empty() => "there are no charts from elsewhere".to_owned(),
            (true, false) => format!("{FILE} is up to date"),
            (false, false) => format!("{FILE} is not up to date; `hydromote lock` writes it"),
        };
        text
    }
}
