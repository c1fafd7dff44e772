//! What is asked of people before a promotion is merged.

use std::collections::BTreeMap;

use super::{environments::deadline, permissions};
use crate::domain::{
    approvals::ApprovalRule,
    permission::Grantee,
    strategy::{
        document::ApprovalsDocument,
        mistake::Report,
        position::{At, Position},
    },
};

/// More approvals are refused: nobody could give them.
const MOST: i64 = 20;

/// More teams are refused: each is asked about for each person who approves.
const MOST_TEAMS: usize = 20;

/// Returns the rule; mistakes are left out of it.
pub(super) fn rule(document: &ApprovalsDocument, report: &mut Report<'_>) -> ApprovalRule {
    ApprovalRule {
        count: document.count.as_ref().map_or(1, |count| self::count(count, report)),
        teams: document.teams.as_ref().map(|teams| self::teams(teams, report)).unwrap_or_default(),
        code_owners: document.code_owners,
        not_author: document.not_author,
        deadline: document.deadline.as_ref().and_then(|text| deadline(text, report)),
    }
}

fn count(count: &At<i64>, report: &mut Report<'_>) -> usize {
    let At { value, position } = *count;
    if value == 0 {
        report.mistake(position, "no approval is asked for", "write `1` or more, or remove `approvals`");
    } else if value < 0 {
        report.mistake(position, format!("`{value}` is no number of approvals"), "write `1` or more");
    } else if value > MOST {
        let message = format!("{value} approvals are asked for; at most {MOST} can be");
        report.mistake(position, message, format!("write a number up to {MOST}"));
    }
    usize::try_from(value).unwrap_or_default()
}

fn teams(teams: &At<Vec<At<String>>>, report: &mut Report<'_>) -> Vec<Grantee> {
    if teams.value.is_empty() {
        let position = report.key("teams", teams.position);
        report.mistake(position, "`teams` lists no team", "list at least one, or remove `teams`");
    }
    if let Some(extra) = teams.value.get(MOST_TEAMS) {
        report.mistake(
            extra.position,
            format!("a list has at most {MOST_TEAMS} teams"),
            "make one team of some of them",
        );
    }
    let (mut named, mut lines) = (Vec::new(), BTreeMap::new());
    for At { value, position } in teams.value.iter().take(MOST_TEAMS) {
        let text = value.strip_prefix("team:").unwrap_or(value);
        if let Some(slug) = team(text, *position, report) {
            match lines.insert(slug.clone(), position.line) {
                None => named.push(Grantee::Team(slug)),
                Some(line) => {
                    let message = format!("`{value}` is named already, in line {line}");
                    report.mistake(*position, message, "remove one of them");
                }
            }
        }
    }
    named
}

fn team(text: &str, position: Position, report: &mut Report<'_>) -> Option<String> {
    if permissions::is_name(text) {
        return Some(text.to_ascii_lowercase());
    }
    if text.starts_with("user:") {
        let help = "name a team that the person is in; without `teams`, everybody with write access may approve";
        report.mistake(position, format!("`{text}` is no team"), help);
        return None;
    }
    let last = text.trim_start_matches('@').rsplit('/').next().filter(|last| permissions::is_name(last));
    let help = match last {
        Some(slug) => format!("write `{slug}`; teams are those of the repository's own organisation"),
        None => "write the slug from the address of the team's page: letters, digits, `-` and `_`".to_owned(),
    };
    report.mistake(position, format!("`{text}` is the slug of no team"), help);
    None
}
