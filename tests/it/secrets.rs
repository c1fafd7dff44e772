//! What must never be told: tokens, and the machine's own paths.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use hydromote::local_forge::{Fault, FaultKind, Release};
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{TestResult, World, everywhere};

/// Everything that is logged, by other stories too, until it is ended.
#[derive(Clone)]
struct Logs(Arc<Mutex<Option<Vec<u8>>>>);

impl Logs {
    fn begin() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    fn end(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        String::from_utf8_lossy(&lines.unwrap_or_default()).into_owned()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(lines) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            lines.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_token_is_ever_logged_or_shown() -> TestResult {
    let logs = Logs::begin();
    // For the whole process: what one thread turns off is off for all while there is no other subscriber.
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(logs.clone()).finish();
    tracing::subscriber::set_global_default(subscriber)?;
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.hold_webhooks();
    for (method, path, kind) in [
        ("POST", "git-receive-pack", FaultKind::Status(403)),
        ("POST", "git-receive-pack", FaultKind::Status(500)),
        ("PUT", "/merge", FaultKind::Status(401)),
    ] {
        let fault = Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times: 1, kind };
        world.forge.fail(fault);
    }
    world.push_dry("second", everywhere("v2")).await?;
    world.ring_the_timer()?;
    let mut troubles = Vec::new();
    while let Ok(words) = world.look_in_vain().await {
        troubles.push(words);
        troubles.push(world.board().await?);
    }
    assert!(!troubles.is_empty(), "something must have gone wrong");
    world.forge.release_webhooks(Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, `health` has not been reported; wants second in #4
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    ");
    let logged = logs.end();
    assert!(logged.contains("merged"), "the log must have been captured");
    for secret in world.tokens() {
        let line = logged.lines().chain(troubles.iter().map(String::as_str)).find(|line| line.contains(&secret));
        assert_eq!(line, None, "a secret was told");
    }
    world.finish().await
}
