//! Runs every search and every mutant, as many at once as there are cores, and tells what came of it.

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::Mutex,
    thread,
    time::Instant,
};

use super::{
    configuration::Configuration,
    configurations,
    mutant::{Breaks, Mutant},
    mutants,
    search::{Outcome, search},
};

/// How many states a mutant may take to be caught in one configuration.
const PATIENCE: usize = 45_000;

/// Every so many states' future is tried for a mutant.
const MUTANT_SAMPLE: u64 = 8;

/// One search to run.
enum Job {
    Rules(Box<Configuration>),
    Mutant(&'static Mutant),
}

/// What came of everything.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) states: usize,
    pub(super) mutants: usize,
    pub(super) caught: usize,
    /// Configurations in which the rules do not hold.
    pub(super) broken: Vec<&'static str>,
    /// Mutants that nothing caught.
    pub(super) survivors: Vec<&'static str>,
}

/// Runs what `is_wanted` by its name.
pub(super) fn run(is_wanted: impl Fn(&str) -> bool) -> Summary {
    let rules = configurations::all().into_iter().filter(|of| is_wanted(of.name));
    let mutants = mutants::ALL.iter().filter(|mutant| is_wanted(mutant.name)).map(Job::Mutant);
    let jobs = Mutex::new(rules.map(|of| Job::Rules(Box::new(of))).chain(mutants).collect::<Vec<_>>().into_iter());
    let summary = Mutex::new(Summary::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().expect("because no search panics while it takes a job").next();
                    let Some(job) = job else { break };
                    run_job(&job, &summary);
                }
            });
        }
    });
    summary.into_inner().expect("because no search panics while it tells")
}

/// Tells the last line, and fails when the rules do not hold or a mutant was not caught.
pub(super) fn conclude(summary: &Summary) {
    let Summary { states, mutants, caught, broken, survivors } = summary;
    tell(&format!("{states} states, {caught} of {mutants} mutants caught"));
    assert!(broken.is_empty(), "the rules do not hold in {broken:?}");
    assert!(survivors.is_empty(), "nothing catches {survivors:?}");
}

fn run_job(job: &Job, summary: &Mutex<Summary>) {
    let began = Instant::now();
    match job {
        Job::Rules(of) => {
            let outcome = search(of);
            let told = tell_rules(of, &outcome, began);
            let mut summary = summary.lock().expect("because no search panics while it tells");
            summary.states += outcome.states;
            if outcome.broken.is_some() {
                summary.broken.push(of.name);
            }
            tell(&told);
        }
        Job::Mutant(mutant) => {
            let caught = catch(mutant);
            let mut summary = summary.lock().expect("because no search panics while it tells");
            summary.mutants += 1;
            match caught {
                Some(words) => {
                    summary.caught += 1;
                    tell(&words);
                }
                None => {
                    summary.survivors.push(mutant.name);
                    tell(&format!("NOT CAUGHT: {}", mutant.name));
                }
            }
        }
    }
}

/// Searches for what a mutant breaks; says where it was found.
fn catch(mutant: &'static Mutant) -> Option<String> {
    mutant.tried_in.iter().find_map(|name| catch_in(mutant, configurations::named(name)))
}

/// Searches one configuration for what a mutant breaks.
pub(super) fn catch_in(mutant: &'static Mutant, mut of: Configuration) -> Option<String> {
    (of.mutant, of.most, of.sample) = (Some(mutant), of.most.min(PATIENCE), MUTANT_SAMPLE);
    if let Breaks::Guards(change) = mutant.breaks {
        change(&mut of.guards);
    }
    let outcome = search(&of);
    let broken = outcome.broken?;
    let (words, steps) = (broken.words, broken.trace.len());
    let after = format!("after {} states, {steps} steps", outcome.states);
    let defect = mutant.defect.map(|defect| format!(" (defect {defect})")).unwrap_or_default();
    let mut told = format!("caught: {}{defect}\n    by {words}\n    in {}, {after}", mutant.name, of.name);
    if is_told_whole() {
        broken.trace.iter().for_each(|line| told.push_str(&format!("\n      {line}")));
    }
    Some(told)
}

/// Whether the traces of mutants are told too: when only some are tried.
fn is_told_whole() -> bool {
    wanted().is_some()
}

/// Returns what names must contain to be tried: `make model ONLY=…`.
#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub(super) fn wanted() -> Option<String> {
    std::env::var("HYDROMOTE_MODEL_ONLY").ok().filter(|only| !only.is_empty())
}

fn tell_rules(of: &Configuration, outcome: &Outcome, began: Instant) -> String {
    let all = if outcome.complete { "all there are" } else { "bounded" };
    let mut told = format!(
        "{}: {} states ({all}), depth {}, {} futures, {:.1} s",
        of.name,
        outcome.states,
        outcome.depth,
        outcome.futures,
        began.elapsed().as_secs_f64()
    );
    if let Some(broken) = &outcome.broken {
        let _ = write!(told, "\n  DOES NOT HOLD: {}", broken.words);
        broken.trace.iter().for_each(|line| told.push_str(&format!("\n    {line}")));
    }
    told
}

fn tell(words: &str) {
    // A reader that has gone away is told by the result.
    let _ = writeln!(io::stdout().lock(), "{words}");
}
