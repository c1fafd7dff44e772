//! What an on-call person does on the status page, with a real browser, and what nobody may do.

use crate::{
    browser::Browser,
    program::{API_TOKEN, Served, Site, Start, until},
    world::{Fallible, TestResult, everywhere, strategy},
};

const SHOP: &str = "/strategies/acme/shop/shop";

/// Starts a service where `second` runs in dev after `first`, and waits for a person before prod.
async fn second_waits_before_prod(site: &Site) -> Fallible<(Served, String)> {
    let served = site.serve(Start::default()).await?;
    site.tell(&served).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "prod, autoMerge: false"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    needs_person(&served).await?;
    promote(&served).await?;
    served.runs("prod", &one).await?;
    site.healthy("prod").await?;
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    site.healthy("dev").await?;
    needs_person(&served).await?;
    Ok((served, two))
}

async fn needs_person(served: &Served) -> TestResult {
    until("prod waits for a person", async || {
        let place = served.environment("prod").await?.unwrap_or_default();
        Ok((place["state"] == "needsPerson").then_some(()))
    })
    .await
}

async fn promote(served: &Served) -> TestResult {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let promote = format!("{}/api/v1{SHOP}/promote/prod", served.url);
    client.post(&promote).bearer_auth(API_TOKEN).json(&serde_json::json!({})).send().await?.error_for_status()?;
    Ok(())
}

fn sign_in(browser: &mut Browser, token: &str) -> TestResult {
    browser.type_into("#name", "Ada Lovelace")?;
    browser.type_into("#token", token)?;
    browser.press("Sign in")
}

/// A person on call, by keyboard and on a phone; without scripts first, then with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_on_call_holds_releases_promotes_and_rolls_back() -> TestResult {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let site = Site::new().await?;
    let (served, two) = second_waits_before_prod(&site).await?;
    let page = format!("{}{SHOP}", served.url);

    browser.play(|browser| {
        browser.scripts(false)?;
        browser.open(&page)?;
        browser.press("Hold prod")?;
        assert_eq!(browser.path()?, format!("/sign-in?next={SHOP}/environments/prod/hold"));
        sign_in(browser, "wrong")?;
        browser.wait_for("That is not the API token.")?;
        browser.type_into("#token", API_TOKEN)?;
        // The name is still there.
        browser.press("Sign in")?;
        assert_eq!(browser.path()?, format!("{SHOP}/environments/prod/hold"));
        browser.type_into("#reason", "the database is being <b>moved</b>")?;
        browser.press("Hold prod")?;
        assert_eq!(browser.path()?, SHOP);
        browser.wait_for("Prod is held until somebody releases it.")?;
        browser.wait_for("Ada Lovelace holds it: the database is being <b>moved</b>")
    })?;

    browser.play(|browser| {
        browser.press("Release prod")?;
        browser.wait_for("The hold ends, and promotions go on.")?;
        browser.press("Release prod")?;
        browser.wait_for("Taken back for prod: the hold of Ada Lovelace.")?;
        browser.press("Promote to prod")?;
        browser.wait_for("+  version: v2")?;
        browser.press("Promote to prod")?;
        browser.wait_for("is promoted to prod with")
    })?;
    served.runs("prod", &two).await?;
    site.healthy("prod").await?;

    // The page follows by itself, and what stands around it stays.
    browser.play(|browser| {
        browser.scripts(true)?;
        browser.open(&page)?;
        browser.wait_for("Live")?;
        browser.wait_for("Everything is verified.")?;
        browser.press("Roll back prod")?;
        browser.wait_for("known to be good")?;
        browser.wait_for("-  version: v2")?;
        browser.type_into("#reason", "checkout is slow")?;
        browser.press("Roll back prod")?;
        browser.wait_for("Prod goes back from")?;
        browser.wait_for("Ada Lovelace rolled it back: checkout is slow")?;
        browser.press("The whole history")?;
        browser.wait_for("checkout is slow")?;
        browser.press("Sign out")?;
        browser.wait_for("Sign in")
    })?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// What a person is writing stays while boards change; what they saw is what is done, or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_page_is_refused_and_nothing_destroys_what_is_being_written() -> TestResult {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let site = Site::new().await?;
    let (served, two) = second_waits_before_prod(&site).await?;
    browser.play(|browser| {
        browser.open(&format!("{}{SHOP}/environments/prod/hold", served.url))?;
        sign_in(browser, API_TOKEN)?;
        browser.type_into("#reason", "wait for me")
    })?;
    promote(&served).await?;
    served.runs("prod", &two).await?;
    browser.play(|browser| {
        assert_eq!(browser.evaluate("document.querySelector('#reason').value")?, "wait for me");
        browser.press("Hold prod")?;
        browser.wait_for(&format!("Nothing was done. Prod runs {} now, and no longer", &two[..7]))?;
        assert_eq!(browser.evaluate("document.querySelector('#reason').value")?, "wait for me");
        assert_eq!(browser.evaluate("document.cookie")?, "", "no script can read the session");
        browser.press("Hold prod")?;
        browser.wait_for("Prod is held")
    })?;

    // A page of another site sends the form that releases it.
    let state = served.environment("prod").await?.ok_or("prod is there")?["hold"].clone();
    browser.play(|browser| {
        let send = format!(
            "(() => {{ const form = document.createElement('form'); form.method = 'post'; form.id = 'forged';
               form.action = '{}{SHOP}/environments/prod/release';
               form.innerHTML = '<input name=seen value=\"{}\"><button>Win a prize</button>';
               document.body.append(form); return ''; }})()",
            served.url,
            state["since"].as_str().ok_or("a time")?
        );
        browser.open("data:text/html,<p>elsewhere</p>")?;
        browser.evaluate(&send)?;
        browser.press("Win a prize")?;
        browser.wait_for("Pages of other sites may not ask.")
    })?;
    let now = served.environment("prod").await?.ok_or("prod is there")?;
    assert_eq!(now["hold"], state, "nothing was released");
    let (_, log) = served.terminate().await?;
    assert!(!log.contains(API_TOKEN), "{log}");
    site.forge.shutdown().await?;
    Ok(())
}
