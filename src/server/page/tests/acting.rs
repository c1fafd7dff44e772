//! What signed-in people can do from the page, and what is refused.

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use tower::ServiceExt as _;

use super::{SHOP, text};
use crate::{
    domain::{
        hold::{Hold, HoldRule},
        ids::{ActiveSha, DrySha},
        rollback::{Choice, Target},
    },
    server::sample::{self, PROD_PROPOSED, Sample, TOKEN},
};

const HOST: &str = "localhost:8080";
const ORIGIN: &str = "http://localhost:8080";

/// A browser: it keeps one cookie and says where it comes from.
struct Browser<'a> {
    sample: &'a Sample,
    cookie: String,
}

/// An answer, read.
struct Answer {
    status: StatusCode,
    location: String,
    body: String,
}

impl<'a> Browser<'a> {
    fn new(sample: &'a Sample) -> Self {
        Self { sample, cookie: String::new() }
    }

    async fn signed_in(sample: &'a Sample) -> Self {
        let mut browser = Self::new(sample);
        let answer = browser.sign_in("Ada", TOKEN).await;
        assert_eq!((answer.status.as_u16(), answer.location.as_str()), (303, SHOP), "{}", answer.body);
        browser
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Response<Body> {
        let request = request.header(header::HOST, HOST).header(header::COOKIE, &self.cookie);
        let request = request.body(Body::from(body)).expect("a request");
        self.sample.router.clone().oneshot(request).await.expect("because the router never fails")
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::read(self.send(Request::get(path), String::new()).await).await
    }

    /// Sends a form as a page of `origin` does.
    async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Response<Body> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        // The worker of a real service looks again after a command; the page that comes next waits for that.
        let look_again = async {
            loop {
                self.sample.boards.change(&sample::id(), |_| {});
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = self.send(request, body) => answer,
            () = look_again => unreachable!("because it never ends"),
        }
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::read(self.post_from(ORIGIN, path, fields).await).await
    }

    async fn sign_in(&mut self, name: &str, token: &str) -> Answer {
        let fields = [("name", name), ("token", token), ("next", SHOP)];
        let answer = self.post_from(ORIGIN, "/sign-in", &fields).await;
        if let Some(cookie) = answer.headers().get(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            assert!(cookie.contains("HttpOnly; SameSite=Strict; Secure"), "{cookie}");
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        Answer::read(answer).await
    }

    /// Opens the page before a command and sends its form, with these fields filled in.
    async fn confirm(&self, environment: &str, act: &str, filled: &[(&str, &str)]) -> Answer {
        let path = format!("{SHOP}/environments/{environment}/{act}");
        let page = self.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        self.post(&path, &page.form(filled)).await
    }
}

impl Answer {
    async fn read(response: Response<Body>) -> Self {
        let status = response.status();
        let location = response.headers().get(header::LOCATION).map(|to| to.to_str().expect("text").to_owned());
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
        let body = String::from_utf8(body.to_vec()).expect("text").replace("&#x2f;", "/");
        Self { status, location: location.unwrap_or_default(), body }
    }

    /// Returns the hidden fields of the page's own form, with these filled in.
    fn form<'b>(&'b self, filled: &[(&'b str, &'b str)]) -> Vec<(&'b str, &'b str)> {
        let main = self.body.split("<main").nth(1).unwrap_or_default();
        let hidden = main.split("<input type=\"hidden\" name=\"").skip(1).filter_map(|input| {
            let (name, rest) = input.split_once("\" value=\"")?;
            Some((name, rest.split('"').next()?))
        });
        hidden.chain(filled.iter().copied()).collect()
    }

    /// Returns what people read.
    fn text(&self) -> String {
        text(self.body.split("<main").nth(1).map_or(&self.body, |_| &self.body))
    }
}

fn held(sample: &Sample, environment: &str, hold: Option<Hold>) {
    let mut board = sample::board();
    board.places.iter_mut().filter(|view| view.place.environment.as_str() == environment).for_each(|view| {
        view.hold.clone_from(&hold);
    });
    sample.boards.publish(board);
}

fn hold(by: &str, second: i8) -> Hold {
    Hold {
        rule: HoldRule::Strict,
        by: by.to_owned(),
        reason: "why".to_owned(),
        at: format!("2026-03-04T11:00:{second:02}Z").parse().expect("a time"),
        expires_at: None,
        through: None,
        target: None,
        roots: Default::default(),
    }
}

/// Prod ran something before, which is known to be good, and something else, which is not.
fn with_choices(sample: &Sample) {
    let mut board = sample::board();
    let choice = |letter: &str, known_good| Choice {
        target: Target {
            dry: DrySha::new(letter.repeat(40)).expect("an id"),
            commit: ActiveSha::new(letter.repeat(40)).expect("an id"),
        },
        since: sample::now(),
        known_good,
    };
    let prod = board.places.last_mut().expect("prod");
    prod.choices = vec![choice("b", false), choice("a", true)];
    prod.brought_by = Some(ActiveSha::new("c".repeat(40)).expect("an id"));
    sample.boards.publish(board);
}

#[tokio::test]
async fn a_person_signs_in_holds_with_a_reason_and_signs_out() {
    let sample = Sample::new().await;
    let browser = Browser::signed_in(&sample).await;
    let answer = browser.confirm("dev", "hold", &[("reason", " disk  <full>"), ("minutes", "60")]).await;
    assert_eq!((answer.status.as_u16(), answer.location.as_str()), (303, SHOP), "{}", answer.body);
    let page = browser.get(SHOP).await;
    assert!(page.body.contains("Dev is held until 2026-03-04 13:00 UTC.") && page.body.contains("Sign out"));
    assert!(!browser.get(SHOP).await.body.contains("is held until"), "it is said once");
    insta::assert_snapshot!(sample.forge.posted().join("\n"), @"14aaaaa hydromote/hold/dev pending strict from 9b7d03e5c1a2f4e6 until 2026-03-04T13:00:00Z by Ada: disk <full>");
    let page = browser.get(&format!("{SHOP}/history")).await;
    assert!(page.text().contains("Holds dev: disk &lt;full&gt; Ada"), "{}", page.text());
    assert_eq!(browser.post("/sign-out", &[("form_token", "")]).await.status, 403, "only with the form's token");
    let token = page.body.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let answer = browser.post("/sign-out", &[("form_token", token.expect("a token"))]).await;
    assert_eq!(answer.status, 303);
    assert!(browser.get(SHOP).await.body.contains("Sign in"), "the session is over on the server");
}

#[tokio::test]
async fn nobody_acts_without_signing_in() {
    let sample = Sample::new().await;
    let browser = Browser::new(&sample);
    let path = format!("{SHOP}/environments/prod/promote");
    let answer = browser.get(&path).await;
    assert_eq!((answer.status.as_u16(), answer.location), (303, format!("/sign-in?next={path}")));
    for cookie in ["", "hydromote_session=0", "__Host-hydromote_session="] {
        let browser = Browser { sample: &sample, cookie: cookie.to_owned() };
        let answer = browser.post(&path, &[("form_token", ""), ("seen", PROD_PROPOSED)]).await;
        assert_eq!(answer.status, 401, "{cookie}");
    }
    assert!(sample.forge.posted().is_empty());
}

#[tokio::test]
async fn a_wrong_token_is_said_clearly_and_tried_only_so_often() {
    let sample = Sample::new().await;
    let mut browser = Browser::new(&sample);
    let answer = browser.sign_in("Ada <b>", "wrong-secret").await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("That is not the API token."), "{}", answer.text());
    assert!(!answer.body.contains("wrong-secret") && answer.body.contains("Ada &lt;b&gt;"));
    for _ in 0..9 {
        browser.sign_in("Ada", "wrong").await;
    }
    assert_eq!(browser.sign_in("Ada", TOKEN).await.status, 429);
    assert!(browser.cookie.is_empty());
}

#[tokio::test]
async fn forms_of_other_sites_and_other_sessions_are_refused() {
    let sample = Sample::new().await;
    let (ada, other) = (Browser::signed_in(&sample).await, Browser::signed_in(&sample).await);
    let path = format!("{SHOP}/environments/prod/promote");
    let page = ada.get(&path).await;
    let form = page.form(&[]);
    for origin in ["https://evil.example", "http://localhost:9090", "null"] {
        assert_eq!(ada.post_from(origin, &path, &form).await.status(), 403, "{origin}");
        let fields = [("name", "Eve"), ("token", TOKEN)];
        assert_eq!(ada.post_from(origin, "/sign-in", &fields).await.status(), 403, "{origin}");
    }
    assert_eq!(other.post(&path, &form).await.status, 403, "the token is another session's");
    let without: Vec<_> = form.iter().copied().filter(|(name, _)| *name != "form_token").collect();
    assert_eq!(ada.post(&path, &without).await.status, 403);
    assert!(sample.forge.posted().is_empty());
    assert_eq!(ada.post(&path, &form).await.status, 303);
    insta::assert_snapshot!(sample.forge.posted().join("\n"), @"e1e1e1e hydromote/promote/prod success Promoted by Ada");
}

#[tokio::test]
async fn a_promotion_of_what_is_not_proposed_any_more_is_refused() {
    let sample = Sample::new().await;
    let browser = Browser::signed_in(&sample).await;
    let path = format!("{SHOP}/environments/prod/promote");
    let answer = browser.post(&path, &[("form_token", ""), ("seen", "")]).await;
    assert_eq!(answer.status, 403);
    let page = browser.get(&path).await;
    let old = "0".repeat(40);
    let stale: Vec<_> =
        page.form(&[]).into_iter().map(|(n, v)| if n == "seen" { (n, old.as_str()) } else { (n, v) }).collect();
    let answer = browser.post(&path, &stale).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("Nothing was done. Prod would get 9b7d03e in e1e1e1e now, and no longer 0000000."));
    assert!(answer.form(&[]).contains(&("seen", PROD_PROPOSED)), "the page shows how it is now");
    assert!(sample.forge.posted().is_empty());
}

#[tokio::test]
async fn a_rollback_shows_its_choices_and_goes_to_last_known_good() {
    let sample = Sample::new().await;
    with_choices(&sample);
    let browser = Browser::signed_in(&sample).await;
    let path = format!("{SHOP}/environments/prod/rollback");
    insta::assert_snapshot!(browser.get(&path).await.text(), @"
    Roll back prod · Hydromote
    Skip to the content
    Hydromote
    Ada Sign out
    acme/shop/shop
    Roll back prod
    Runs 4f1c2a9 Raise the memory limit of checkout to 512Mi since 2026-03-04 09:00 UTC
    Back to
    bbbbbbb  not known to be good · came 2026-03-04 12:00 UTC
    aaaaaaa  known to be good · came 2026-03-04 12:00 UTC
    The content of aaaaaaa comes back with a pull request of its own, at once. Every commit after it, up to 4f1c2a9, stays out here and in later environments until a fix, a revert or a release.
    Reason
    It is written into the commit and the record.
    Roll back prod Cancel
    What changes
    These commits are not here yet; open the page again in a moment.
    The gates' words are the same in hydromote explain, the pull request and the commit status. Hold the pointer on a time to see it in UTC.
    ");
    let answer = browser.confirm("prod", "rollback", &[("reason", "")]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("A rollback of prod needs a reason."), "{}", answer.text());
    let doubtful = browser.get(&format!("{path}?to={}", "b".repeat(40))).await;
    assert!(doubtful.text().contains("although it is not known to be good"), "{}", doubtful.text());
    let answer = browser.post(&path, &doubtful.form(&[("reason", "it is slow")])).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("value=\"it is slow\""), "what was written is still there");
    let answer = browser.confirm("prod", "rollback", &[("reason", "it is slow")]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    insta::assert_snapshot!(sample.forge.posted().join("\n"), @"14aaaaa hydromote/hold/prod pending next from 4f1c2a9b8d7e6f5a to aaaaaaaaaaaaaaaa by Ada: it is slow");
    assert!(browser.get(SHOP).await.body.contains("Prod goes back from 4f1c2a9 to aaaaaaa."));
}

#[tokio::test]
async fn a_rollback_and_a_hold_of_what_does_not_run_any_more_are_refused() {
    let sample = Sample::new().await;
    with_choices(&sample);
    let browser = Browser::signed_in(&sample).await;
    let old = "0".repeat(40);
    for act in ["rollback", "hold"] {
        let path = format!("{SHOP}/environments/prod/{act}");
        let page = browser.get(&path).await;
        let form = page.form(&[("reason", "it is slow")]);
        let stale: Vec<_> =
            form.into_iter().map(|(n, v)| if n == "seen" { (n, old.as_str()) } else { (n, v) }).collect();
        let answer = browser.post(&path, &stale).await;
        assert_eq!(answer.status, 409, "{act}");
        assert!(answer.text().contains("Prod runs 4f1c2a9 now, and no longer 0000000."), "{}", answer.text());
    }
    assert!(sample.forge.posted().is_empty());
}

#[tokio::test]
async fn only_the_hold_that_was_seen_is_released() {
    let sample = Sample::new().await;
    let browser = Browser::signed_in(&sample).await;
    let path = format!("{SHOP}/environments/dev/hold");
    assert_eq!(browser.confirm("dev", "hold", &[("reason", "mine")]).await.status, 303, "{path}");
    held(&sample, "dev", Some(hold("Grace", 7)));
    let answer = browser.confirm("dev", "release", &[]).await;
    assert_eq!(answer.status, 409, "the store has the newer hold");
    assert!(answer.text().contains("Dev is held by another hold now: Ada holds it: mine."), "{}", answer.text());
    let mine = Hold { at: sample::now(), ..hold("Ada", 0) };
    held(&sample, "dev", Some(mine));
    assert_eq!(browser.confirm("dev", "release", &[]).await.status, 303);
    assert!(browser.get(SHOP).await.body.contains("Taken back for dev: the hold of Ada."));
}

#[tokio::test]
async fn where_nothing_can_be_done_the_page_says_so() {
    let sample = Sample::new().await;
    let browser = Browser::signed_in(&sample).await;
    for (act, words) in [
        ("promote", "Nothing is proposed here now."),
        ("release", "It is not held, and no rollback of it keeps anything out."),
        ("rollback", "Nothing else ran here before that it could go back to."),
    ] {
        let page = browser.get(&format!("{SHOP}/environments/dev/{act}")).await;
        assert!(page.text().contains(words) && page.form(&[]).is_empty(), "{}", page.text());
    }
    assert_eq!(browser.get(&format!("{SHOP}/environments/dev/explode")).await.status, 404);
    assert_eq!(browser.get(&format!("{SHOP}/environments/nowhere/hold")).await.status, 404);
    let silent = Sample::listening("127.0.0.1:8080", None).await;
    let page = Browser::new(&silent).get(SHOP).await;
    assert!(!page.body.contains("/hold") && !page.body.contains("Sign in"), "without a token nobody acts");
    assert!(Browser::new(&silent).get("/sign-in").await.text().contains("no API token is configured"));
}

#[tokio::test]
async fn a_session_lets_a_person_read_beyond_this_machine() {
    let sample = Sample::listening("0.0.0.0:80", Some(TOKEN)).await;
    let mut browser = Browser::new(&sample);
    assert_eq!(browser.get(SHOP).await.location, format!("/sign-in?next={SHOP}"));
    let bounced = browser.send(Request::get(SHOP).header("sec-fetch-site", "cross-site"), String::new()).await;
    let bounced = Answer::read(bounced).await;
    assert!(bounced.body.contains("http-equiv=\"refresh\""), "a strict cookie comes with the next request");
    browser.sign_in("Ada", TOKEN).await;
    assert_eq!(browser.get(SHOP).await.status, 200);
}
