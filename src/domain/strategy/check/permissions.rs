//! Who may give commands without the right on the repository.

use std::collections::BTreeMap;

use crate::domain::{
    permission::{Grantee, Grants},
    strategy::{
        document::{GranteeText, PermissionsDocument},
        mistake::Report,
        nearest::nearest,
    },
};

/// What an entry looks like, for the JSON Schema.
pub(in crate::domain::strategy) const PATTERN: &str = "^(team|user):[A-Za-z0-9][A-Za-z0-9_-]*$";

/// More entries of one key are refused: each may cost a question to the forge.
const MOST: usize = 20;

/// The longest slug or login.
const LONGEST: usize = 100;

/// What may stand before the colon.
const KINDS: [&str; 2] = ["team", "user"];

/// Returns who may do what; mistakes are left out of it.
pub(super) fn grants(document: Option<&PermissionsDocument>, report: &mut Report<'_>) -> Grants {
    let Some(document) = document else { return Grants::default() };
    Grants {
        promote: grantees(&document.promote, report),
        rollback: grantees(&document.rollback, report),
        overriding: grantees(&document.overriding, report),
    }
}

/// Returns people; mistakes are left out.
pub(super) fn grantees(entries: &[GranteeText], report: &mut Report<'_>) -> Vec<Grantee> {
    if let Some(GranteeText(extra)) = entries.get(MOST) {
        report.mistake(extra.position, format!("a list has at most {MOST} entries"), "name a team with all of them");
    }
    let (mut grantees, mut lines) = (Vec::new(), BTreeMap::new());
    for GranteeText(entry) in entries.iter().take(MOST) {
        match grantee(&entry.value) {
            Ok(grantee) => match lines.insert(grantee.to_string().to_lowercase(), entry.position.line) {
                None => grantees.push(grantee),
                Some(line) => {
                    let message = format!("`{}` is named already, in line {line}", entry.value);
                    report.mistake(entry.position, message, "remove one of them");
                }
            },
            Err((message, help)) => report.mistake(entry.position, message, help),
        }
    }
    grantees
}

/// Returns the people that a text names, or what is wrong with it and what would be right.
fn grantee(text: &str) -> Result<Grantee, (String, String)> {
    let Some((kind, name)) = text.split_once(':') else { return Err(bare(text)) };
    if !KINDS.contains(&kind) {
        let help = match nearest(kind, &KINDS) {
            Some(near) => format!("did you mean `{near}:{name}`?"),
            None => "write `team:SLUG` or `user:LOGIN`".to_owned(),
        };
        return Err((format!("`{kind}` is neither a team nor a user"), help));
    }
    if name.is_empty() {
        let help =
            if kind == "team" { "write the team's slug, like `team:qa`" } else { "write a login, like `user:ada`" };
        return Err((format!("`{text}` names nobody"), help.to_owned()));
    }
    if !is_name(name) {
        let last = name.trim_start_matches('@').rsplit('/').next().filter(|last| is_name(last));
        let help = match (kind, last) {
            ("team", Some(slug)) => {
                format!("write `team:{slug}`; teams are those of the repository's own organisation")
            }
            ("user", Some(login)) => format!("write `user:{login}`"),
            ("team", None) => {
                "write the slug from the address of the team's page: letters, digits, `-` and `_`".to_owned()
            }
            _ => "write a login: letters, digits, `-` and `_`".to_owned(),
        };
        let what = if kind == "team" { "the slug of no team" } else { "no login" };
        return Err((format!("`{name}` is {what}"), help));
    }
    match kind {
        "team" => Ok(Grantee::Team(name.to_ascii_lowercase())),
        _ => Ok(Grantee::User(name.to_owned())),
    }
}

/// Returns what to say of a word without a kind.
fn bare(text: &str) -> (String, String) {
    let message = format!("`{text}` does not say whether it is a team or a user");
    let name = text.trim_start_matches('@');
    let help = match name.split_once('/') {
        Some((_, slug)) if is_name(slug) => format!("write `team:{slug}`"),
        None if is_name(name) && name != text => format!("write `user:{name}`"),
        None if is_name(name) => format!("write `team:{name}` or `user:{name}`"),
        _ => "write `team:SLUG` or `user:LOGIN`".to_owned(),
    };
    (message, help)
}

/// Says whether a text is the slug of a team, or a login.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_part)
}
