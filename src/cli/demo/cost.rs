//! What a demo cost, as counted by the service's own metrics.

use std::time::Instant;

use crate::app;

/// The cost of a demo so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    renderer_processes: u64,
    git_processes: u64,
    forge_requests: u64,
}

impl Cost {
    /// Reads the counters; nothing when nothing collects them.
    pub(super) fn so_far() -> Option<Self> {
        let text = app::metrics_handle()?.render();
        Some(Self {
            renderer_processes: sum(&text, "hydromote_renderer_processes_total"),
            git_processes: sum(&text, "hydromote_git_processes_total"),
            forge_requests: sum(&text, "hydromote_forge_requests_total"),
        })
    }

    /// Returns a sentence about it.
    pub(super) fn sentence(self, promotions: usize, dry_commits: usize, began: Instant) -> String {
        let per = |count: u64, of: usize| format!("{:.1}", count as f64 / of.max(1) as f64);
        format!(
            "{:.2} s per dry commit; {} renderer processes; per promotion {} git processes and {} requests to the forge{}",
            began.elapsed().as_secs_f64() / dry_commits.max(1) as f64,
            self.renderer_processes,
            per(self.git_processes, promotions),
            per(self.forge_requests, promotions),
            resident_memory().map(|text| format!("; resident memory {text}")).unwrap_or_default()
        )
    }
}

/// Adds up the samples of a counter in Prometheus' text format.
fn sum(text: &str, name: &str) -> u64 {
    let of_counter = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    text.lines().filter(of_counter).filter_map(value).sum::<f64>() as u64
}

/// Returns how much memory this process has, as Linux says it.
fn resident_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_with_labels_are_added_up() {
        let text = "# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 9\n";
        assert_eq!(sum(text, "a_total"), 5);
    }
}
