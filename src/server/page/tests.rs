//! What the pages say, that nobody can write into them, and that they follow the boards.

mod acting;

use axum::body::Body;
use futures::StreamExt as _;
use http::{Request, header};
use tower::ServiceExt as _;

use crate::server::{
    Readiness,
    sample::{self, Sample, TOKEN},
};

const SHOP: &str = "/strategies/acme/shop/shop";

async fn response(sample: &Sample, path: &str) -> http::Response<Body> {
    let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty()).expect("a request");
    sample.router.clone().oneshot(request).await.expect("because the router never fails")
}

async fn page(sample: &Sample, path: &str) -> String {
    let body = axum::body::to_bytes(response(sample, path).await.into_body(), 1 << 20).await.expect("a small body");
    // Slashes are escaped too, which is hard to read.
    String::from_utf8(body.to_vec()).expect("text").replace("&#x2f;", "/")
}

/// Returns the text between tags, one line per line that has any.
fn text(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or("", |(_, text)| text));
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_strategy_page_says_what_runs_and_why_the_rest_waits() {
    let html = page(&Sample::new().await, SHOP).await;
    let main = html.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a main part");
    insta::assert_snapshot!(text(&format!("<main{main}")), @"
    acme/shop
    shop
    canary: drifted; dev: stopped; prod: waits for a person; staging: waiting.
    main c0ffee1 Add the feature flag for gift cards developer
    stopped
    dev
    Runs
    9b7d03e Bump web to 2.14.0 &lt;img src=x onerror=alert(1)&gt;
    developer · since 2026-03-04 11:18 UTC · 6 roots
    health is pending
    c0ffee1 could not be hydrated: charts/web/values-dev.yaml:14: could not find expected &#x27;:&#x27;
    Hold
    env/dev at 14aaaaa
    waiting
    staging
    Runs
    4f1c2a9 Raise the memory limit of checkout to 512Mi
    developer · since 2026-03-04 08:00 UTC · 6 roots
    Verified
    Next
    9b7d03e Bump web to 2.14.0 &lt;img src=x onerror=alert(1)&gt;
    developer
    Pull request #15 See the change
    1 gate is closed
    Waits for health on dev, which is pending
    since 2026-03-04 11:18 UTC
    opened by: Whoever reports health on the branch of dev
    Hold
    env/staging at 14aaaaa
    drifted
    canary
    DriftSomebody &lt;script&gt;alert(1)&lt;/script&gt; changed web, worker on the branch in 77bbbbbSeen 2026-03-04 11:51 UTC. Nothing is merged over it. See what others changed.Restore Adopt
    Runs
    4f1c2a9 Raise the memory limit of checkout to 512Mi
    developer · since 2026-03-04 08:40 UTC · 6 roots
    Soaks until 2026-03-04 12:20:00Z
    Next
    9b7d03e Bump web to 2.14.0 &lt;img src=x onerror=alert(1)&gt;
    developer
    Also closed
    What runs here soaks until 2026-03-04 12:20:00Z
    since 2026-03-04 11:18 UTC · until 2026-03-04 12:20 UTC
    opened by: By itself
    Hold
    env/canary at 14aaaaa
    waits for a person
    prod
    Runs
    4f1c2a9 Raise the memory limit of checkout to 512Mi
    developer · since 2026-03-04 09:00 UTC · 6 roots
    Verified
    Next
    9b7d03e Bump web to 2.14.0 &lt;img src=x onerror=alert(1)&gt;
    developer
    Pull request #16 See the change
    1 gate is closed
    Waits for a person to promote it
    since 2026-03-04 11:30 UTC
    opened by: Whoever may promote: promote, or a merge by hand
    Promote Hold
    env/prod at 14aaaaa
    Next
    At rest. Time alone changes something at 2026-03-04 12:20 UTC.
    Last looked at 2026-03-04 11:59 UTC.
    Promotions and rollbacks
    dev
    9b7d03e Bump web to 2.14.0 &lt;img src=x onerror=alert(1)&gt; #14 merged by hydromote
    2026-03-04 11:18 UTC
    prod
    4f1c2a9 Raise the memory limit of checkout to 512Mi #13 merged by hydromote
    2026-03-04 09:00 UTC
    staging
    4f1c2a9 Raise the memory limit of checkout to 512Mi #12 merged by hydromote
    2026-03-04 08:00 UTC
    dev
    4f1c2a9 Raise the memory limit of checkout to 512Mi #11 merged by hydromote
    2026-03-04 07:00 UTC
    The whole history
    What happened
    dev
    Dev runs 9b7d03e with #14 hydromote
    2026-03-04 11:18 UTC
    prod
    Prod runs 4f1c2a9 with #13 hydromote
    2026-03-04 09:00 UTC
    staging
    Staging runs 4f1c2a9 with #12 hydromote
    2026-03-04 08:00 UTC
    dev
    Dev runs 4f1c2a9 with #11 hydromote
    2026-03-04 07:00 UTC
    ");
}

#[tokio::test]
async fn the_first_page_shows_every_strategy() {
    let sample = Sample::new().await;
    sample.boards.publish(sample::calm("payments"));
    let html = page(&sample, "/").await;
    assert!(html.contains("Everything is verified.") && html.contains("/strategies/acme/shop/payments"), "{html}");
}

#[tokio::test]
async fn webhooks_that_do_not_come_are_told_on_the_board_of_their_repository() {
    let sample = Sample::new().await;
    let board = sample::board();
    sample.boards.tell_of_webhook(&board.id.repository, Some("The forge sends no webhooks any more.".to_owned()));
    sample.boards.publish(board.clone());
    assert!(page(&sample, "/").await.contains("No webhooks come"));
    assert!(page(&sample, SHOP).await.contains("The forge sends no webhooks any more."));
    assert_eq!(sample.boards.tell_of_webhook(&board.id.repository, None), None);
    assert!(!page(&sample, SHOP).await.contains("No webhooks come"));
}

#[tokio::test]
async fn what_people_wrote_is_escaped_everywhere() {
    let sample = Sample::new().await;
    let mut board = sample::board();
    board.mistake = Some("hydromote.yaml:3 <script>alert(2)</script>".into());
    board.trouble = Some("\"><script>alert(3)</script>".into());
    board.repository_url = "https://github.example.com/\"onmouseover=\"alert(4)".into();
    sample.boards.publish(board);
    for path in [SHOP, "/"] {
        let html = page(&sample, path).await;
        for hostile in ["<img src=x", "<script>alert", "\"onmouseover"] {
            assert!(!html.contains(hostile), "{hostile} in {path}:\n{html}");
        }
    }
    assert!(page(&sample, SHOP).await.contains("&lt;img src=x"));
}

#[tokio::test]
async fn browsers_are_told_to_run_nothing_of_others() {
    let sample = Sample::new().await;
    for path in ["/", SHOP, "/strategies/acme/shop/none", "/sign-in", "/assets/page.js"] {
        let response = response(&sample, path).await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
    }
    let html = page(&sample, SHOP).await;
    assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("<script>"), "{html}");
}

#[tokio::test]
async fn an_unknown_strategy_is_said_on_a_page() {
    let sample = Sample::new().await;
    assert_eq!(response(&sample, "/strategies/acme/shop/none").await.status(), 404);
    assert!(text(&page(&sample, "/strategies/acme/shop/none").await).contains("There is"));
}

#[tokio::test]
async fn a_browser_is_sent_to_sign_in_beyond_this_machine() {
    let sample = Sample::listening("0.0.0.0:80", Some(TOKEN)).await;
    let refused = response(&sample, SHOP).await;
    assert_eq!(refused.status(), 303);
    assert_eq!(refused.headers()[header::LOCATION], "/sign-in?next=/strategies/acme/shop/shop");
    let request = Request::get(SHOP).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    let request = request.body(Body::empty()).expect("a request");
    let let_in = sample.router.clone().oneshot(request).await.expect("because the router never fails");
    assert_eq!(let_in.status(), 200);
}

#[tokio::test]
async fn a_published_board_is_sent_to_whoever_looks_and_the_stream_ends_with_the_service() {
    let sample = Sample::new().await;
    let mut updates = response(&sample, &format!("{SHOP}/events")).await.into_body().into_data_stream();
    let mut next = async || {
        let bytes = updates.next().await?.expect("because the stream does not fail");
        Some(String::from_utf8(bytes.to_vec()).expect("text"))
    };
    let first = next().await.expect("the first update comes at once");
    assert!(first.starts_with("event: update\ndata: ") && first.contains("waits for a person"), "{first}");
    let mut board = sample::calm("shop");
    board.trouble = Some("one\r\rtwo".into());
    sample.boards.publish(board);
    let second = next().await.expect("a change is sent");
    assert!(second.contains("Everything is verified.") && second.contains("one  two"), "{second}");
    sample.readiness.send_replace(Readiness::Stopping);
    assert_eq!(next().await, None);
}
