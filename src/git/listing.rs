//! Lists branches of a remote without starting git: one [request](protocol) of `ls-refs`
//! (<https://git-scm.com/docs/protocol-v2#_ls_refs>).
//!
//! What cannot be listed so, be it for the address, an older server or a refusal, is left to `git ls-remote`, which has
//! the words for it: an answer is taken whole and as expected, or not at all.

use std::time::Duration;

use git2::Oid;

use super::{
    mirror::Remote,
    protocol::{self, FLUSH},
};
use crate::network::Network;

/// How long a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(20);
/// Returns the references whose names begin so, each with the object that it names; nothing where git has to be asked.
pub(super) async fn references(remote: &Remote, network: &Network, prefixes: &[String]) -> Option<Vec<(Oid, String)>> {
    let listed = tokio::time::timeout(LIST_LIMIT, list(remote, network, prefixes)).await;
    match listed.map_err(anyhow::Error::from).flatten() {
        Ok(references) => Some(references),
        Err(error) => {
            tracing::debug!("branches are not listed without git: {error:#}");
            None
        }
    }
}

async fn list(remote: &Remote, network: &Network, prefixes: &[String]) -> anyhow::Result<Vec<(Oid, String)>> {
    let answer = protocol::ask(remote, network, asked(prefixes)).await?;
    told(&answer).ok_or_else(|| anyhow::anyhow!("the answer is no list"))
}

fn asked(prefixes: &[String]) -> Vec<u8> {
    protocol::asked("ls-refs", prefixes.iter().map(|prefix| format!("ref-prefix {prefix}")))
}

/// Reads the answer; nothing unless all of it is a list that has come to its end.
fn told(answer: &[u8]) -> Option<Vec<(Oid, String)>> {
    let (mut rest, mut references) = (answer, Vec::new());
    while rest != FLUSH.as_bytes() {
        let (line, after) = protocol::first(rest)?;
        let (id, name) = std::str::from_utf8(line).ok()?.trim_end_matches('\n').split_once(' ')?;
        // What else is told of it is told behind its name.
        let name = name.split(' ').next()?;
        references.push((protocol::object(id)?, name.to_owned()));
        rest = after;
    }
    Some(references)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn prefixes_are_asked_for_in_lines_behind_their_lengths() {
        let asked = asked(&["refs/heads/main".to_owned()]);
        assert_eq!(String::from_utf8_lossy(&asked), "0014command=ls-refs\n0001001fref-prefix refs/heads/main\n0000");
    }

    #[test]
    fn a_list_is_read_to_its_end_or_not_at_all() {
        let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let (main, dev) = (line(&format!("{ONE} refs/heads/main\n")), line(&format!("{ONE} refs/heads/env/dev x:y\n")));
        let names = |text: &str| told(text.as_bytes()).map(|all| all.into_iter().map(|(_, name)| name).collect());
        let both: Option<Vec<String>> = Some(vec!["refs/heads/main".to_owned(), "refs/heads/env/dev".to_owned()]);
        assert_eq!(names(&format!("{main}{dev}0000")), both);
        assert_eq!(names("0000"), Some(Vec::new()));
        for other in ["", &main, &format!("{main}00"), &format!("{main}0000{dev}"), "<html></html>", "00010000"] {
            assert_eq!(names(other), None, "{other}");
        }
        let unborn = line("unborn HEAD\n");
        let refusal = line("ERR access denied");
        for other in [unborn, refusal] {
            assert_eq!(names(&format!("{other}0000")), None, "{other}");
        }
    }
}
