//! What a promotion and a minute of rest may cost: calls of the API, and starts of git.

use std::collections::BTreeMap;

use crate::{
    program::{Served, Site, Start, until},
    world::{Fallible, TestResult, everywhere, strategy},
};

/// The most calls of the API for one promotion of one environment in the plain case, from the push to the record that it
/// is verified.
const CALLS: u64 = 13;
/// The most starts of git: the push. The goal was two.
const GIT: u64 = 1;
/// How many commits there are on the dry branch before the strategy.
const EARLIER: usize = 210;

/// Returns the counters of a service, by name and labels.
async fn counters(served: &Served) -> Fallible<BTreeMap<String, u64>> {
    let (_, metrics) = served.get("/metrics").await?;
    let counters = metrics.lines().filter_map(|line| {
        let (name, count) = line.rsplit_once(' ')?;
        let is_one = name.starts_with("hydromote_forge_requests_total") || name == "hydromote_git_processes_total";
        Some((name.to_owned(), count.parse().ok().filter(|_| is_one)?))
    });
    Ok(counters.collect())
}

/// Returns what was counted between two readings.
fn since(before: &BTreeMap<String, u64>, after: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let more = after.into_iter().map(|(name, count)| (count - before.get(&name).unwrap_or(&0), name));
    more.filter(|(count, _)| *count > 0).map(|(count, name)| (name, count)).collect()
}

fn sum(counted: &BTreeMap<String, u64>, name: &str) -> u64 {
    counted.iter().filter(|(counter, _)| counter.starts_with(name)).map(|(_, count)| count).sum()
}

/// Waits until what runs in dev came with a commit and is verified, and nothing is counted any more.
async fn at_rest(served: &Served, dry: &str) -> Fallible<BTreeMap<String, u64>> {
    until("it is verified", async || {
        let dev = served.environment("dev").await?.unwrap_or_default();
        Ok((dev["drySha"] == dry && dev["running"]["verified"] == true).then_some(()))
    })
    .await?;
    let mut last = BTreeMap::new();
    let mut same = 0;
    until("it is at rest", async || {
        let now = counters(served).await?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        // Second after second's worth of readings.
        Ok((same >= 25).then(|| last.clone()))
    })
    .await
}

#[tokio::test]
async fn a_promotion_costs_few_calls_and_rest_costs_none() -> TestResult {
    let site = Site::new().await?;
    // The dry branch is longer than what is fetched of it at first.
    for number in 0..EARLIER {
        site.push(&format!("commit {number}"), vec![("notes.txt".to_owned(), format!("{number}\n"))]).await?;
    }
    let served = site.serve(Start { poll: "1h", ..Start::default() }).await?;
    site.tell(&served).await?;
    let mut first = everywhere("v1");
    first.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    let one = site.push("first", first).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    let before = at_rest(&served, &one).await?;

    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    site.healthy("dev").await?;
    let after = at_rest(&served, &two).await?;
    let cost = since(&before, after.clone());
    assert!(sum(&cost, "hydromote_forge_requests_total") <= CALLS, "{cost:#?}");
    assert!(sum(&cost, "hydromote_git_processes_total") <= GIT, "{cost:#?}");

    // A minute cannot be waited for here; that no timer asks either, `polling` tells.
    let later = at_rest(&served, &two).await?;
    assert_eq!(since(&after, later), BTreeMap::new());
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}
