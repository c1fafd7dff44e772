//! Who owns which files of a branch: GitHub's `CODEOWNERS`.
//!
//! <https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>
//!
//! - The last pattern that matches a path decides, also one without owners.
//! - Patterns are those of `.gitignore` without negation and ranges of characters: lines with these are skipped,
//!   as the forge does. `docs/*` are the files right in that folder, `docs/` everything below it.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::domain::permission::Grantee;

/// Where the file may be, the first one counts.
pub const CODE_OWNERS_PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// More patterns are not read: together they are compiled into one.
const MOST_PATTERNS: usize = 2_000;

/// A file with more patterns than are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyOwners;

/// An owner as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The text, such as `@acme/web`.
    pub text: String,
    /// The people whom it names; none for mail addresses and teams of other organisations, whom we cannot tell.
    #[serde(skip)]
    pub people: Option<Grantee>,
}

/// The owners of a branch's files.
#[derive(Debug, Clone)]
pub struct CodeOwners {
    patterns: GlobSet,
    owners: Vec<Vec<Owner>>,
}

impl CodeOwners {
    /// Reads the file; teams are those of `organisation`. Lines that the forge would skip are skipped.
    ///
    /// # Errors
    /// When there are more patterns than are read.
    pub fn parse(text: &str, organisation: &str) -> Result<Self, TooManyOwners> {
        let (mut patterns, mut owners) = (GlobSetBuilder::new(), Vec::new());
        for line in text.lines() {
            let Some((pattern, named)) = entry(line, organisation) else { continue };
            let globs: Option<Vec<_>> = globs(&pattern).iter().map(|glob| compile(glob)).collect();
            for glob in globs.into_iter().flatten() {
                patterns.add(glob);
                owners.push(named.clone());
            }
            if owners.len() > MOST_PATTERNS {
                return Err(TooManyOwners);
            }
        }
        Ok(Self { patterns: patterns.build().map_err(|_| TooManyOwners)?, owners })
    }

    /// Returns the owners of a path; nobody where no pattern matches, or the last one names nobody.
    pub fn of(&self, path: &str) -> &[Owner] {
        let last = self.patterns.matches(path).into_iter().max();
        last.map_or(&[], |index| self.owners[index].as_slice())
    }
}

/// Reads a line: a pattern and owners.
fn entry(line: &str, organisation: &str) -> Option<(String, Vec<Owner>)> {
    let words = words(line);
    let (pattern, named) = words.split_first()?;
    if pattern.starts_with('!') || pattern.contains(['[', ']']) {
        return None;
    }
    let owners: Option<Vec<Owner>> = named.iter().map(|text| owner(text, organisation)).collect();
    Some((pattern.clone(), owners?))
}

/// Returns the words of a line up to a comment; `\ ` is a space inside of one, and `\#` no comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut chars) = (Vec::new(), String::new(), line.chars());
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_empty() => break,
            '\\' => word.extend(['\\'].into_iter().chain(chars.next())),
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads an owner; nothing for what the forge takes for no owner.
fn owner(text: &str, organisation: &str) -> Option<Owner> {
    let people = match text.strip_prefix('@') {
        Some(name) => match name.split_once('/') {
            Some((of, slug)) if of.eq_ignore_ascii_case(organisation) => Some(Grantee::Team(slug.to_ascii_lowercase())),
            Some(_) => None,
            None => Some(Grantee::User(name.to_owned())),
        },
        None if text.contains('@') => None,
        None => return None,
    };
    Some(Owner { text: text.to_owned(), people })
}

/// Returns the globs over whole paths that a pattern stands for.
fn globs(pattern: &str) -> Vec<String> {
    let folder = pattern.ends_with('/');
    let bare = pattern.trim_end_matches('/');
    let (anchored, bare) = match bare.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (bare.contains('/'), bare),
    };
    if bare.is_empty() {
        return vec!["**".to_owned()];
    }
    let start = if anchored || bare.starts_with("**/") { bare.to_owned() } else { format!("**/{bare}") };
    let last = bare.rsplit('/').next().unwrap_or(bare);
    match (folder, last) {
        (true, _) => vec![format!("{start}/**")],
        // These are files and no folders: `docs/*` does not reach below.
        (false, "*") if anchored => vec![start],
        (false, "**") => vec![start],
        (false, _) => vec![start.clone(), format!("{start}/**")],
    }
}

/// Compiles a glob in which braces are ordinary text.
fn compile(glob: &str) -> Option<globset::Glob> {
    let escaped = glob.replace('{', "\\{").replace('}', "\\}");
    GlobBuilder::new(&escaped).literal_separator(true).backslash_escape(true).build().ok()
}
