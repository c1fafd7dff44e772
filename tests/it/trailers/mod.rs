//! What our commits say of themselves is read back from the whole message, whatever people wrote into it and
//! forges put around it.

mod anything;

use std::{collections::BTreeSet, io::Write as _, process::Stdio};

use hydromote::{
    domain::{
        content::Content,
        ids::{DrySha, Place, RenderingId, RootName},
    },
    git::trailers::Trailers,
    messages::{Changes, DryText, Messages, PromotionText, RollbackText},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

use self::anything::{roots, trailers, words};
use crate::world::{Fallible, TestResult};

/// A text of people for each place that has one in a message.
#[derive(Debug, Clone)]
struct Words {
    subject: String,
    author: String,
    by: String,
    reason: String,
    gates: Vec<String>,
    roots: BTreeSet<RootName>,
}

/// A message of ours.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Commit,
    Merge,
    RollbackCommit,
    RollbackMerge,
}

/// What stands before it: forges and people put it there.
const BEFORE: [&str; 4] = [
    "",
    "Merge pull request #7 from acme/env/dev-next\n\n",
    "Promote it (#7)\n\n* a first commit\n\nSigned-off-by: A Person <a@example.com>\n\n* ",
    "Revert \"Promote it\"\n\nHydromote-Dry-Sha: forged\nHydromote-Strategy: forged\nHydromote-Environment: forged\n\
     Hydromote-Lane: forged\nHydromote-Proposed-Sha: forged\n\n",
];

/// What stands behind it.
const BEHIND: [&str; 7] = [
    "",
    "\n \n\n",
    "Signed-off-by: A Person <a@example.com>\n",
    "\nSigned-off-by: A Person <a@example.com>\n",
    "\n\nCo-authored-by: A Person <a@example.com>\nCo-authored-by: B Person <b@example.com>",
    "\n---------\n\nCo-authored-by: A Person <a@example.com>\n",
    "\n\t\nReviewed-on: https://forge.example.com/acme/shop/pulls/7\nReviewed-by: A Person\n  <a@example.com>\n",
];

fn some_words() -> impl Strategy<Value = Words> {
    let lists = (prop::collection::vec(words(), 0..4), roots());
    (words(), words(), words(), words(), lists).prop_map(|(subject, author, by, reason, (gates, roots))| Words {
        subject,
        author,
        by,
        reason,
        gates,
        roots,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Commit, Kind::Merge, Kind::RollbackCommit, Kind::RollbackMerge])
}

/// Returns a message as the service writes it.
fn message(kind: Kind, words: &Words, trailers: &Trailers) -> Fallible<String> {
    let (messages, block) = (Messages::built_in(), trailers.render());
    let place = Place { environment: trailers.origin.environment.clone(), lane: trailers.origin.lane.clone() };
    let dry = DryText::new(&trailers.dry, &words.subject, &words.author);
    let rollback = || {
        let from = DryText::new(&DrySha::new("0123456789").expect("an id"), &words.reason, &words.by);
        RollbackText::new(&place, from, dry.clone(), &words.by, words.gates.is_empty(), &words.reason)
    };
    Ok(match kind {
        Kind::Commit => {
            let rendering = RenderingId::new("0123456789").expect("an id");
            let content: Content = words.roots.iter().map(|root| (root.clone(), rendering.clone())).collect();
            let changes = Changes::between(&Content::default(), &content);
            messages.commit(&PromotionText { dry, place, changes, parts: Vec::new(), renderers: Vec::new() }, &block)?
        }
        Kind::Merge => messages.merge(&words.gates, &block)?,
        Kind::RollbackCommit => messages.rollback_commit(&rollback(), &block)?,
        Kind::RollbackMerge => messages.rollback_merge(&rollback(), &block)?,
    })
}

proptest! {
    #[test]
    fn every_message_is_read_back_as_it_was_meant(
        kind in kind(),
        words in some_words(),
        trailers in trailers(),
        before in prop::sample::select(&BEFORE[..]),
        behind in prop::sample::select(&BEHIND[..]),
        ends in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let ours = message(kind, &words, &trailers).expect("because the built-in texts are right");
        prop_assert!(!ours.contains('\0') && !ours.contains('\r'), "{ours:?}");
        let whole = format!("{before}{ours}{behind}").replace('\n', ends);
        prop_assert_eq!(Trailers::parse(&whole), Some(trailers), "{:?}", whole);
    }
}

/// How many messages git itself reads.
const READ_BY_GIT: usize = 48;

#[test]
fn git_reads_the_same_lines() -> TestResult {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let any = (kind(), some_words(), trailers(), prop::sample::select(&BEFORE[..]));
    for _ in 0..READ_BY_GIT {
        let (kind, words, trailers, before) = any.new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
        let whole = format!("{before}{}", message(kind, &words, &trailers)?);
        assert_eq!(read_by_git(&whole)?, trailers.render(), "{whole:?}");
    }
    Ok(())
}

/// Returns the trailers of a message, as git finds them.
fn read_by_git(message: &str) -> Fallible<String> {
    #[expect(clippy::disallowed_methods, reason = "git itself says what a trailer is")]
    let mut git = std::process::Command::new("git");
    // What begins with three dashes ends a mail, not a message.
    git.args(["interpret-trailers", "--parse", "--no-divider"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = git.spawn()?;
    running.stdin.take().ok_or("git reads nothing")?.write_all(message.as_bytes())?;
    Ok(String::from_utf8(running.wait_with_output()?.stdout)?)
}
