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

/// Returns the memory of this process that is in use and not swapped out, bytes.
pub(super) fn resident() -> Fallible<u64> {
    resident_of("self")
}

/// Returns that of another process, by its number.
pub(crate) fn resident_of(process: &str) -> Fallible<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages: u64 = text.split(' ').nth(1).ok_or("statm has no second field")?.parse()?;
    Ok(pages * PAGE)
}

/// Returns the processor time of this process.
fn processor() -> Fallible<Duration> {
    Ok(processor_of("self")?.own)
}

/// Processor time of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Processor {
    /// That of all its threads.
    pub(crate) own: Duration,
    /// That of the programs that it has started and waited for, and of theirs.
    pub(crate) of_programs: Duration,
}

/// Returns the processor time of a process, by its number.
pub(crate) fn processor_of(process: &str) -> Fallible<Processor> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = text.rsplit_once(')').ok_or("stat names no program")?;
    let time = |index: usize| -> Fallible<Duration> {
        let ticks: u32 = fields.split_whitespace().nth(index).ok_or("stat has too few fields")?.parse()?;
        Ok(Duration::from_secs(1) * ticks / TICKS)
    };
    Ok(Processor { own: time(11)? + time(12)?, of_programs: time(13)? + time(14)? })
}
