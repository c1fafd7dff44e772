//! What `/metrics` shows of the calls to a forge: what is left, who asked to be left alone, and what was held back.

use std::collections::BTreeMap;

use hydromote::local_forge::{Fault, FaultKind};

use crate::{
    program::{Served, Site, Start, until},
    world::{Fallible, TestResult, everywhere, strategy},
};

/// Returns what is shown of the forge, by name and labels; each name begins with `hydromote_forge_`.
async fn meters(served: &Served) -> Fallible<BTreeMap<String, f64>> {
    let (_, metrics) = served.get("/metrics").await?;
    let of_forge = metrics.lines().filter_map(|line| line.strip_prefix("hydromote_forge_"));
    Ok(of_forge
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, n)| Some((name.to_owned(), n.parse().ok()?)))
        .collect())
}

/// Waits until some meter with such a name and label shows what is expected.
async fn shows(served: &Served, name: &str, label: &str, expected: impl Fn(f64) -> bool) -> TestResult {
    let what = format!("{name} shows it");
    let shown = until(&what, async || {
        let meters = meters(served).await?;
        let mut meant = meters.iter().filter(|(meter, _)| meter.starts_with(name) && meter.contains(label));
        Ok(meant.any(|(_, number)| expected(*number)).then_some(()))
    });
    match shown.await {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error}: {:#?}", meters(served).await?).into()),
    }
}

fn all_calls(kind: FaultKind) -> Fault {
    Fault { method: None, path_contains: "/repos/".to_owned(), times: u32::MAX, kind }
}

#[tokio::test]
async fn a_forge_that_limits_and_one_that_is_away_are_seen_in_the_metrics() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let mut first = everywhere("v1");
    first.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    let one = site.push("first", first).await?;
    served.runs("dev", &one).await?;
    shows(&served, "quota_remaining", "resource=\"core\"", |left| left > 0.0).await?;
    shows(&served, "quota_limit", "resource=\"core\"", |limit| limit >= 5000.0).await?;
    shows(&served, "breaker_open", "", |open| open == 0.0).await?;
    shows(&served, "write_wait_seconds_count", "importance", |writes| writes > 0.0).await?;
    shows(&served, "writes_waiting", "", |waiting| waiting == 0.0).await?;

    site.forge.fail(all_calls(FaultKind::RateLimited { retry_after: 2 }));
    shows(&served, "pause_seconds", "", |seconds| seconds > 0.0).await?;
    shows(&served, "held_back_total", "by=\"forge\"", |calls| calls > 0.0).await?;
    site.forge.clear_faults();
    shows(&served, "pause_seconds", "", |seconds| seconds == 0.0).await?;

    site.forge.fail(all_calls(FaultKind::Status(502)));
    shows(&served, "breaker_open", "", |open| open == 1.0).await?;
    shows(&served, "held_back_total", "by=\"breaker\"", |calls| calls > 0.0).await?;
    site.forge.clear_faults();
    shows(&served, "breaker_open", "", |open| open == 0.0).await?;
    served.recovered().await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}
