//! What was delivered, what of it did not arrive, and having that delivered again.

use super::*;

const ADDRESS: &str = "https://hydromote.example.com/webhooks/github";

fn attempt(id: u64, guid: &str, time: &str, status_code: u16) -> Value {
    json!({
        "id": id, "guid": guid, "delivered_at": time, "redelivery": false, "duration": 0.1,
        "status": if status_code == 202 { "OK" } else { "failed" }, "status_code": status_code,
        "event": "push", "action": null, "installation_id": null, "repository_id": 1,
    })
}

#[tokio::test]
async fn only_our_own_webhooks_are_looked_at_page_by_page_and_repeated_by_the_attempt() -> TestResult {
    let hooks = json!([
        {"id": 1, "config": {"url": "https://elsewhere.example.com/webhooks/github"}},
        {"id": 2, "config": {"url": format!("{ADDRESS}/")}},
        {"id": 3, "config": {}},
    ]);
    let first = json!([attempt(9, "c", "2026-01-03T00:00:00Z", 502), attempt(8, "b", "2026-01-02T00:00:00Z", 202)]);
    let second = json!([attempt(7, "a", "2026-01-01T12:00:00Z", 0), attempt(6, "old", "2025-12-31T00:00:00Z", 0)]);
    let next = "<https://elsewhere.example/x?per_page=100&cursor=v1_7>; rel=\"next\"";
    let server = Scripted::start(vec![
        Reply::json(200, hooks),
        Reply::json(200, first).with("link", next),
        // There is another page after it, which is all too old.
        Reply::json(200, second).with("link", next),
        Reply::json(202, json!({})),
    ])
    .await?;
    let forge = server.forge();
    assert_eq!(forge.deliveries_kept(), DeliveriesKept::ByRepository);
    let shop = shop();
    let of = DeliveriesOf::Repository { repository: &shop, address: ADDRESS };
    let missed = forge.missed_deliveries(of, time("2026-01-01T00:00:00Z")).await?;
    assert_eq!(missed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    forge.redeliver(&missed[1]).await?;
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| &*seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v3/repos/acme/shop/hooks?per_page=100&page=1",
            "GET /api/v3/repos/acme/shop/hooks/2/deliveries?per_page=100",
            "GET /api/v3/repos/acme/shop/hooks/2/deliveries?per_page=100&cursor=v1_7",
            "POST /api/v3/repos/acme/shop/hooks/2/deliveries/9/attempts",
        ]
    );
    assert_eq!((&seen[3].body, seen[3].header("content-length")), (&Value::Null, Some("0")), "it has no body");
    Ok(())
}

#[tokio::test]
async fn an_app_sees_what_its_one_webhook_delivered() -> TestResult {
    let failed = json!([attempt(9, "c", "2026-01-03T00:00:00Z", 0)]);
    let server = Scripted::start(vec![Reply::json(200, failed), Reply::json(202, json!({}))]).await?;
    let key = include_str!("throw-away-app-key.pem");
    let forge = server.forge_with(Credentials::App { id: 42, private_key: key.into() }, Duration::from_secs(20));
    assert_eq!(forge.deliveries_kept(), DeliveriesKept::Together);
    let missed = forge.missed_deliveries(DeliveriesOf::All, time("2026-01-01T00:00:00Z")).await?;
    assert_eq!(missed.len(), 1);
    forge.redeliver(&missed[0]).await?;
    assert_eq!(
        server.lines(),
        ["GET /api/v3/app/hook/deliveries?per_page=100", "POST /api/v3/app/hook/deliveries/9/attempts"]
    );
    Ok(())
}
