//! Dry repositories that attack whoever renders them: `tests/hostile`, a file for each.
//!
//! Each is rendered with the real programs, once with every Helm that is supported. It must be
//! refused by name and reason (or be harmless), nothing outside of the scratch folder may be read,
//! written or connected to, and the same repository without the attack must render. Where a check of
//! ours is what refuses, the same is run without that check, so that the kernel's half is proved too.

mod case;
mod ground;
mod play;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;

use self::case::Case;
use self::play::play;

/// How many cases are at work at once.
const AT_ONCE: usize = 2;

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile").join(kind);
    let entries = std::fs::read_dir(folder).expect("the cases");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Plays all cases of one kind, and tells of every one that did not end as it should.
async fn play_all(kind: &str) {
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for file in cases(kind) {
        let turns = Arc::clone(&turns);
        work.spawn(async move {
            let _turn = turns.acquire().await.expect("a turn");
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            match Case::read(&file) {
                Ok(case) => play(&case).await.err().map(|fault| format!("{name}: {fault}")),
                Err(fault) => Some(format!("{name}: {fault}")),
            }
        });
    }
    let faults: Vec<String> = work.join_all().await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} of {kind}:\n{}", faults.len(), faults.join("\n"));
}

macro_rules! kinds {
    ($($test:ident: $kind:literal),*) => {
        $(#[tokio::test] async fn $test() { play_all($kind).await })*

        #[test]
        fn every_kind_of_case_is_played() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile");
            let mut there: Vec<String> = std::fs::read_dir(folder)
                .expect("the cases")
                .map(|entry| entry.expect("an entry"))
                .filter(|entry| entry.path().is_dir())
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            there.sort();
            let mut played = [$($kind),*];
            played.sort();
            assert_eq!(there, played);
            let count: usize = played.iter().map(|kind| cases(kind).len()).sum();
            assert!(count >= 45, "there are {count} cases");
        }
    };
}

kinds! {
    files_outside_are_neither_read_nor_written: "files",
    words_are_never_taken_for_flags: "flags",
    nothing_of_the_tree_is_run: "programs",
    nothing_is_fetched: "network",
    nothing_runs_away: "bombs",
    trees_that_are_made_to_mislead_are_refused: "trees"
}
