//! The comment that tells people of waits that have passed their deadline.
//!
//! Code, not the text, mentions people and adds the marks by which the comment is known again.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{LENGTH_LIMIT, MessageError, Messages, comment::cell, cut, template::OVERDUE};
use crate::domain::{
    ids::Place,
    overdue::{Overdue, Wait},
    permission::Grantee,
};

/// What begins each mark.
const MARK: &str = "<!-- hydromote:overdue ";

/// About waits that have passed their deadline.
#[derive(Debug, Clone, Copy)]
pub struct OverdueText<'a> {
    /// Where.
    pub place: &'a Place,
    /// The waits.
    pub overdue: &'a [Overdue],
    /// Whom to mention.
    pub people: &'a [Grantee],
    /// The organisation whose teams are meant.
    pub organisation: &'a str,
    /// The status page.
    pub status_url: Option<&'a str>,
}

impl Messages {
    /// Returns the comment.
    ///
    /// # Errors
    /// When the text cannot be rendered.
    pub fn overdue_comment(&self, text: &OverdueText<'_>) -> Result<String, MessageError> {
        let body = self.render(OVERDUE, &overdue_context(text))?;
        let marks: Vec<String> = text.overdue.iter().map(|overdue| mark(&overdue.wait)).collect();
        Ok(format!("{}\n\n{}", cut(body.trim(), LENGTH_LIMIT), marks.join("\n")))
    }
}

/// Says whether a comment of ours tells of a wait.
pub fn tells_of(body: &str, wait: &Wait) -> bool {
    let mark = mark(wait);
    body.trim_end().lines().rev().take_while(|line| line.starts_with(MARK)).any(|line| line == mark)
}

/// Returns what the comment may say.
pub(super) fn overdue_context(text: &OverdueText<'_>) -> Value {
    let mention = |people: &Grantee| match people {
        Grantee::Team(slug) => format!("@{}/{slug}", text.organisation),
        Grantee::User(login) => format!("@{login}"),
    };
    json!({
        "place": text.place.to_string(),
        "waits": text.overdue.iter().map(|overdue| cell(&overdue.words)).collect::<Vec<_>>(),
        "people": text.people.iter().map(mention).collect::<Vec<_>>().join(", "),
        "status_url": text.status_url,
    })
}

fn mark(wait: &Wait) -> String {
    format!("{MARK}{} -->", utf8_percent_encode(&wait.to_string(), NON_ALPHANUMERIC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            ids::{EnvironmentName, LaneName, ProposedSha, PullRequestNumber},
            overdue::Waiting,
        },
        messages::is_status_comment,
    };

    #[test]
    fn the_comment_mentions_people_and_is_known_again() {
        let proposed = ProposedSha::new("c7d1f0a").expect("an id");
        let waiting = Waiting::Proposal { proposed, number: PullRequestNumber(7) };
        let wait = |name: &str| Wait::new(name, &waiting);
        let overdue = [
            Overdue { wait: wait("proposed:a --> b"), words: "`a --> b` is pending, overdue since noon".into() },
            Overdue { wait: wait("approvals"), words: "waits for an approval of @stranger".into() },
        ];
        let environment = EnvironmentName::new("prod").expect("a name");
        let text = OverdueText {
            place: &Place { environment, lane: LaneName::single() },
            overdue: &overdue,
            people: &[Grantee::Team("qa".into()), Grantee::User("ada".into())],
            organisation: "acme",
            status_url: Some("https://hydromote.example.com/strategies/acme/shop/shop"),
        };
        let body = Messages::built_in().overdue_comment(&text).expect("the text is good");
        insta::assert_snapshot!(body.replace('\u{200b}', "[nothing]"), @"
        @acme/qa, @ada: **prod** waits longer than it should.

        - `a --> b` is pending, overdue since noon
        - waits for an approval of @[nothing]stranger

        Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

        <!-- hydromote:overdue proposed%3Aa%20%2D%2D%3E%20b%20c7d1f0a -->
        <!-- hydromote:overdue approvals%20c7d1f0a -->
        ");
        assert!(tells_of(&body, &wait("approvals")) && tells_of(&body, &wait("proposed:a --> b")));
        assert!(!tells_of(&body, &wait("promote")) && !is_status_comment(&body));
        assert!(!tells_of(&format!("{body}\nand more"), &wait("approvals")), "only the end of a comment is a mark");
        let quiet = OverdueText { people: &[], status_url: None, ..text };
        let quiet = Messages::built_in().overdue_comment(&quiet).expect("the text is good");
        assert!(quiet.starts_with("**prod** waits longer than it should."), "{quiet}");
    }
}
