//! The pages, as a person with a browser uses them.

use super::{Fallible, REPOSITORY, Scene, TestResult};

/// A visitor of the pages.
struct Browser<'a> {
    scene: &'a Scene,
    cookie: String,
}

impl Browser<'_> {
    async fn open(&self, path: &str) -> Fallible<(u16, String)> {
        let request = self.scene.client.get(format!("{}{path}", self.scene.forge.url())).header("cookie", &self.cookie);
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Sends a form with the token of the page at `from`.
    async fn submit(&mut self, from: &str, path: &str, fields: &str) -> Fallible<u16> {
        let page = self.open(from).await?.1;
        let token = page.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.send(path, &format!("form_token={}&{fields}", token.ok_or("a form")?), self.scene.forge.url()).await
    }

    async fn send(&mut self, path: &str, body: &str, origin: &str) -> Fallible<u16> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let request = client
            .post(format!("{}{path}", self.scene.forge.url()))
            .header("cookie", &self.cookie)
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(body.to_owned()).send().await?;
        if let Some(cookie) = response.headers().get("set-cookie") {
            self.cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        }
        Ok(response.status().as_u16())
    }
}

#[tokio::test]
async fn a_person_can_look_and_act_on_the_pages() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic/one", "app/b.yaml", "b: <script>\n").await?;
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("guest").comment(REPOSITORY, number, "<img src=x> & more").await?;
    let pull = format!("/{REPOSITORY}/pull/{number}");
    let mut browser = Browser { scene: &scene, cookie: String::new() };
    for path in [
        "/".to_owned(),
        format!("/{REPOSITORY}"),
        pull.clone(),
        format!("/{REPOSITORY}/commit/{sha}"),
        format!("/{REPOSITORY}/tree/topic/one"),
        format!("/{REPOSITORY}/tree/topic/one/app/b.yaml"),
    ] {
        let (status, page) = browser.open(&path).await?;
        assert_eq!(status, 200, "{path}: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}");
    }
    assert_eq!(browser.open(&format!("/{REPOSITORY}/pull/99")).await?.0, 404);
    assert_eq!(browser.submit("/", "/-/login", "login=dev").await?, 303);
    assert!(browser.open(&pull).await?.1.contains("You are <strong>dev</strong>"));
    assert_eq!(browser.submit(&pull, &format!("{pull}/comment"), "text=looks+good").await?, 303);
    assert_eq!(browser.send(&format!("{pull}/close"), "form_token=guessed", scene.forge.url()).await?, 403);
    assert_eq!(browser.submit(&pull, &format!("{pull}/close"), "").await?, 303);
    assert_eq!(browser.submit(&pull, &format!("{pull}/reopen"), "").await?, 303);
    assert_eq!(browser.submit(&pull, &format!("{pull}/merge"), "method=merge&sha=old").await?, 409);
    assert_eq!(browser.submit(&pull, &format!("{pull}/merge"), &format!("method=squash&sha={sha}")).await?, 303);
    assert!(browser.open(&pull).await?.1.contains("Merged as"));
    let foreign = scene.client.get(scene.forge.url()).header("host", "evil.example.com").send().await?;
    assert_eq!(foreign.status().as_u16(), 421);
    scene.finish().await
}
