//! What something costs: time, processor time, memory.

use std::time::{Duration, Instant};

use crate::world::Fallible;

/// How many ticks the kernel counts in a second of processor time, in what it tells programs: on Linux always so.
const TICKS: u32 = 100;
/// The size of a page of memory.
const PAGE: u64 = 4096;

/// What something took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// From its beginning to its end.
    pub(super) wall: Duration,
    /// What all threads of the process worked meanwhile.
    pub(super) processor: Duration,
}

/// Measures from when it was made.
pub(super) struct Meter {
    began: Instant,
    processor: Duration,
}

impl Meter {
    pub(super) fn start() -> Fallible<Self> {
        Ok(Self { began: Instant::now(), processor: processor()? })
    }

    pub(super) fn read(&self) -> Fallible<Cost> {
        Ok(Cost { wall: self.began.elapsed(), processor: processor()?.saturating_sub(self.processor) })
    }
}

/// Returns the memory of the process that is in use and not swapped out, bytes.
pub(super) fn resident() -> Fallible<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("statm has no second field")?.parse()?;
    Ok(pages * PAGE)
}

/// Returns the processor time of the process.
fn processor() -> Fallible<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = text.rsplit_once(')').ok_or("stat names no program")?;
    let field = |index: usize| -> Fallible<u32> {
        Ok(fields.split_whitespace().nth(index).ok_or("stat has too few fields")?.parse()?)
    };
    Ok(Duration::from_secs(1) * (field(11)? + field(12)?) / TICKS)
}
