//! How long it takes to look at many strategies that are at rest, and how much memory they keep.

use std::{fmt::Write as _, path::Path, sync::Arc};

use hydromote::{
    domain::plan::plan,
    reconcile::{board::Boards, context::StrategyContext, forge_view::ForgeView, observe, worker::StrategyWorker},
};
use tokio::task::JoinSet;

use super::{
    copies,
    cost::{Cost, Meter, resident},
    remembered::Remembered,
    shop,
};
use crate::world::{Fallible, TestResult};

/// How many strategies are looked at.
const SIZES: [usize; 3] = [10, 100, 1_000];

/// What so many strategies cost.
struct Row {
    strategies: usize,
    first: Cost,
    second: Cost,
    memory: u64,
    database: u64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: `make bench-plan`"]
async fn strategies_at_rest() -> TestResult {
    let mut world = shop::with_a_past().await?;
    let mut context = world.strategy_context().await?;
    let listening = Arc::new(Remembered::listening(context.dry.forge.clone()));
    context.dry.forge = listening.clone();
    context.destination.forge = listening.clone();
    let parts = look_alone(&context).await?;
    context.dry.forge = Arc::new(listening.alone());
    context.destination = context.dry.clone();
    world.stop().await;
    let mut rows = Vec::new();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for strategies in SIZES {
        let folder = folder.path().join(strategies.to_string());
        rows.push(measure(&context, &world.data(), &folder, strategies).await?);
        let report = format!("{parts}{}", table(&rows)?);
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-plan.txt"), report)?;
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// How often the parts of a look are repeated, to tell them apart.
const REPEATED: u32 = 20;

/// Looks at the original, and says what the parts of a look take.
async fn look_alone(context: &StrategyContext) -> Fallible<String> {
    StrategyWorker::default().look(context, &Boards::default()).await?;
    let mut view = ForgeView::default();
    let mut snapshot = observe::observe(context, &mut view).await?;
    let meter = Meter::start()?;
    for _ in 0..REPEATED {
        snapshot = observe::observe(context, &mut view).await?;
    }
    let observing = meter.read()?;
    let meter = Meter::start()?;
    for _ in 0..REPEATED {
        let _ = plan(&context.strategy, &snapshot);
    }
    let planning = meter.read()?;
    let places = snapshot.places.len();
    let runs: usize = snapshot.places.values().filter_map(|state| state.branch()).map(|branch| branch.runs.len()).sum();
    let each = |cost: Cost| cost.processor.as_secs_f64() * 1e3 / f64::from(REPEATED);
    let (observing, planning) = (each(observing), each(planning));
    Ok(format!(
        "one strategy, {places} places, {runs} runs: observe {observing:.1} ms, plan {planning:.1} ms of processor\n\n"
    ))
}

async fn measure(context: &StrategyContext, original: &Path, folder: &Path, strategies: usize) -> Fallible<Row> {
    let copies = copies::copy(context, original, folder, strategies).await?;
    let database = std::fs::metadata(folder.join("hydromote.db"))?.len();
    let before = resident()?;
    let boards = Boards::default();
    let workers = copies.into_iter().map(|context| (context, StrategyWorker::default())).collect();
    let (workers, first) = look_at_all(workers, &boards).await?;
    let (workers, second) = look_at_all(workers, &boards).await?;
    let memory = resident()?.saturating_sub(before);
    if let Some((context, _)) = workers.first() {
        context.shared.store.close().await;
    }
    Ok(Row { strategies, first, second, memory, database })
}

type Workers = Vec<(StrategyContext, StrategyWorker)>;

/// Looks at all of them at once, as when the timer rings.
async fn look_at_all(workers: Workers, boards: &Boards) -> Fallible<(Workers, Cost)> {
    let meter = Meter::start()?;
    let mut looks = JoinSet::new();
    for (context, mut worker) in workers {
        let boards = boards.clone();
        looks.spawn(async move {
            let looked = worker.look(&context, &boards).await;
            (context, worker, looked)
        });
    }
    let mut workers = Workers::new();
    while let Some(ended) = looks.join_next().await {
        let (context, worker, looked) = ended?;
        looked?;
        workers.push((context, worker));
    }
    Ok((workers, meter.read()?))
}

fn table(rows: &[Row]) -> Fallible<String> {
    let mut text = String::new();
    writeln!(text, "            first look at all        second look at all       memory    database")?;
    writeln!(text, "strategies  seconds  ms CPU each     seconds  ms CPU each     KiB each  KiB each")?;
    for row in rows {
        let (first, second) = (row.first.wall.as_secs_f64(), row.second.wall.as_secs_f64());
        writeln!(
            text,
            "{:>10}  {first:>7.2}  {:>11.2}     {second:>7.2}  {:>11.2}     {:>8.0}  {:>8.0}",
            row.strategies,
            row.each(row.first),
            row.each(row.second),
            row.kib(row.memory),
            row.kib(row.database),
        )?;
    }
    if let [fewest, .., most] = rows {
        writeln!(
            text,
            "{:>10}           {:>11.2}              {:>11.2}     {:>8.2}  {:>8.2}",
            "last/first",
            most.each(most.first) / fewest.each(fewest.first),
            most.each(most.second) / fewest.each(fewest.second),
            most.kib(most.memory) / fewest.kib(fewest.memory),
            most.kib(most.database) / fewest.kib(fewest.database),
        )?;
    }
    Ok(text)
}

impl Row {
    /// Returns what one strategy took of the processor, milliseconds.
    fn each(&self, cost: Cost) -> f64 {
        cost.processor.as_secs_f64() * 1e3 / self.count()
    }

    /// Returns what one strategy has of so many bytes, KiB.
    #[expect(clippy::cast_precision_loss, reason = "it is printed with a few digits")]
    fn kib(&self, bytes: u64) -> f64 {
        bytes as f64 / 1024.0 / self.count()
    }

    #[expect(clippy::cast_precision_loss, reason = "there are thousands of them at most")]
    fn count(&self) -> f64 {
        self.strategies as f64
    }
}
