//! What is said of missing approvals, once for every place where it is read.

use std::fmt;

use super::{ApprovalWait, Because, PassedOver};

impl fmt::Display for ApprovalWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangesRequested { by, on: None } => write!(f, "{by} asks for changes"),
            Self::ChangesRequested { by, on: Some(on) } => write!(f, "{by} asked for changes on {on}"),
            Self::Count { needed, from, given, passed_over } => write_count(f, *needed, from, given, passed_over),
            Self::CodeOwners { path, more, owners } => {
                write!(f, "waits for the approval of an owner of `{path}`")?;
                match more {
                    0 => {}
                    1 => f.write_str(" and another file")?,
                    more => write!(f, " and {more} more files")?,
                }
                write!(f, ": {}", either(owners))
            }
            Self::NoCodeOwners => {
                f.write_str("waits for the approval of code owners, and the active branch has no `CODEOWNERS`")
            }
            Self::LongCodeOwners => {
                f.write_str("waits for the approval of code owners, and `CODEOWNERS` on the active branch is too long")
            }
            Self::UnreadTeam { team } => {
                write!(f, "the forge does not have `{team}`, or does not show us who is in it")
            }
            Self::UnknownAuthor { dry, name } => write!(
                f,
                "{name}, who wrote {}, is no account of the forge, and may be somebody who approves",
                dry.short()
            ),
            Self::UntoldAuthors { read: None } => {
                f.write_str("the forge does not tell who wrote what it brings, and they may not approve it")
            }
            Self::UntoldAuthors { read: Some(read) } => {
                write!(f, "it brings more than {read} commits, and those who wrote them may not approve it")
            }
        }
    }
}

fn write_count(
    f: &mut fmt::Formatter<'_>,
    needed: usize,
    from: &[String],
    given: &[String],
    passed_over: &[PassedOver],
) -> fmt::Result {
    match needed {
        1 => f.write_str("waits for an approval")?,
        needed => write!(f, "waits for {needed} approvals")?,
    }
    if !from.is_empty() {
        write!(f, " by members of {}", either(&from.iter().map(|team| format!("`{team}`")).collect::<Vec<_>>()))?;
    }
    if !given.is_empty() {
        write!(f, ", has {} ({})", given.len(), given.join(", "))?;
    }
    for (index, PassedOver { by, because }) in passed_over.iter().enumerate() {
        f.write_str(if index == 0 { "; does not count: " } else { ", " })?;
        match because {
            Because::OtherHead => write!(f, "{by} (approved another head)")?,
            Because::NotAmong => write!(f, "{by} (may not approve)")?,
            Because::Author { dry } => write!(f, "{by} (wrote {})", dry.short())?,
        }
    }
    Ok(())
}

/// Returns names as a choice.
fn either(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}
