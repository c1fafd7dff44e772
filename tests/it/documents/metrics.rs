//! `docs/operating.md` lists every metric that the code counts, and no other.

use std::{collections::BTreeSet, path::Path};

use super::{project, read};
use crate::world::TestResult;

#[test]
fn every_metric_is_documented_and_no_other() -> TestResult {
    let mut counted = BTreeSet::new();
    collect(&project("src"), &mut counted)?;
    let page = read("docs/operating.md")?;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `hydromote_")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(|rest| format!("hydromote_{rest}")).collect();
    assert!(counted.len() >= 7, "{counted:?}");
    assert_eq!(documented, counted, "the table of metrics in docs/operating.md is on the left");
    Ok(())
}

/// Collects the names that metrics are counted under.
fn collect(folder: &Path, names: &mut BTreeSet<String>) -> TestResult {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            for kind in ["counter!(", "gauge!(", "histogram!("] {
                let calls = text.split(kind).skip(1);
                names.extend(
                    calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).map(str::to_owned),
                );
            }
        }
    }
    Ok(())
}
