//! The one comment that answers commands on a pull request: how it stands, and what became of them.
//!
//! Code ends it with a hidden marker, by which it is known again together with its author.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    LENGTH_LIMIT, MessageError, Messages,
    harmless::{cut, escape, plain},
    template::{ANSWER, STATUS},
};
use crate::domain::{
    comment::{Answer, Outcome, Verb},
    gate::ClosedGate,
    ids::{DrySha, Place, ProposedSha},
    permission::OVERRIDE_NEEDS,
    plan::PlaceView,
    remedy,
};

/// Ends each status comment; nobody sees it.
const MARKER: &str = "<!-- hydromote:status-comment -->";

/// The most characters of one gate or notice.
pub(super) const WORDS_LIMIT: usize = 400;

/// How many lanes are named that one gate keeps.
const LANES_NAMED: usize = 3;

/// The fence around differences; nothing in them may end it.
const FENCE: &str = "````";

/// Whether a pull request is still to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is open.
    Open,
    /// It was merged or closed.
    Ended,
}

/// What a status comment is about.
#[derive(Debug, Clone, Copy)]
pub struct StatusText<'a> {
    /// The place that the pull request promotes to.
    pub place: &'a PlaceView,
    /// The lanes that it promotes together; empty where one goes by itself.
    pub bundle: &'a [&'a PlaceView],
    /// Every place of its strategy: commands may name another one.
    pub places: &'a [PlaceView],
    /// Whether it is open.
    pub standing: Standing,
    /// What became of commands, newest first.
    pub answers: &'a [Answer],
    /// Our login.
    pub bot: &'a str,
    /// The strategy's page.
    pub status_url: Option<&'a str>,
}

/// Says whether a comment of ours is a status comment.
pub fn is_status_comment(body: &str) -> bool {
    body.trim_end().ends_with(MARKER)
}

impl Messages {
    /// Returns the text of a status comment; when it is too long the oldest answers are left out.
    pub fn status_comment(&self, text: &StatusText<'_>) -> Result<String, MessageError> {
        let places: Vec<&PlaceView> = text.places.iter().collect();
        self.fitting(text.answers, |answers| {
            let answers = self.answers(answers, &places, text.bot)?;
            self.render(STATUS, &status_context(text, &answers))
        })
    }

    /// Returns what `render` makes of as many answers as there is room for, with the marker.
    pub(super) fn fitting(
        &self,
        answers: &[Answer],
        render: impl Fn(&[Answer]) -> Result<String, MessageError>,
    ) -> Result<String, MessageError> {
        for shown in (0..=answers.len()).rev() {
            let body = render(&answers[..shown])?;
            if body.chars().count() <= LENGTH_LIMIT || shown == 0 {
                return Ok(format!("{}\n\n{MARKER}", cut(body.trim(), LENGTH_LIMIT)));
            }
        }
        unreachable!("the range ends with no answer at all")
    }

    /// Returns answers with their words; `places` are those that they may be about.
    pub(super) fn answers<'a>(
        &self,
        answers: &'a [Answer],
        places: &[&PlaceView],
        bot: &str,
    ) -> Result<Vec<(&'a Answer, String)>, MessageError> {
        let words = |answer: &Answer| self.render(ANSWER, &answer_context(answer, places, bot));
        answers.iter().map(|answer| Ok((answer, words(answer)?.trim().to_owned()))).collect()
    }
}

/// Returns answers as templates show them.
pub(super) fn answered(answers: &[(&Answer, String)]) -> Vec<Value> {
    let shown = answers.iter();
    shown
        .map(|(answer, words)| json!({"line": format!("`{}`", answer.line), "by": cell(&answer.by), "text": words}))
        .collect()
}

/// Returns what a status comment may say, with answers in words.
pub(super) fn status_context(text: &StatusText<'_>, answers: &[(&Answer, String)]) -> Value {
    let place = text.place;
    let proposed = |view: &PlaceView| view.wanted.clone().filter(|_| view.proposed.is_some());
    let short = |dry: DrySha| dry.short().to_owned();
    let running = |view: &PlaceView| view.running.as_ref().map(|running| running.dry.short().to_owned());
    let lane = |view: &&PlaceView| {
        let (lane, wanted) = (view.place.lane.as_str(), proposed(view).map(short));
        json!({"lane": cell(lane), "running": running(view), "wanted": wanted})
    };
    let notices: Vec<_> = match text.bundle {
        [] => place.notices.iter().map(|notice| cell(&notice.to_string())).collect(),
        lanes => {
            let of = |view: &&PlaceView| {
                let lane = view.place.lane.clone();
                view.notices.iter().map(|notice| cell(&format!("{lane}: {notice}"))).collect::<Vec<_>>()
            };
            lanes.iter().flat_map(of).collect()
        }
    };
    json!({
        "standing": text.standing,
        "place": if text.bundle.is_empty() { place.place.to_string() } else { place.place.environment.to_string() },
        "running": running(place),
        "wanted": std::iter::once(&place).chain(text.bundle).find_map(|view| proposed(view)).map(short),
        "lanes": text.bundle.iter().map(lane).collect::<Vec<_>>(),
        "gates": gates(text),
        "notices": notices,
        "answers": answered(answers),
        "status_url": text.status_url,
    })
}

/// Returns the closed gates of what is promoted; one that keeps only some lanes of a bundle names them.
fn gates(text: &StatusText<'_>) -> Vec<Value> {
    let views = if text.bundle.is_empty() { std::slice::from_ref(&text.place) } else { text.bundle };
    let mut closed: Vec<(String, &ClosedGate, Vec<&PlaceView>)> = Vec::new();
    for view in views {
        for gate in &view.gates {
            let words = gate.to_string();
            match closed.iter_mut().find(|(known, ..)| *known == words) {
                Some((.., of)) => of.push(view),
                None => closed.push((words, gate, vec![view])),
            }
        }
    }
    let row = |(words, closed, of): (String, &ClosedGate, Vec<&PlaceView>)| {
        let lanes: Vec<&str> = of.iter().map(|view| view.place.lane.as_str()).collect();
        let named = match lanes.len().checked_sub(LANES_NAMED) {
            Some(more @ 1..) => format!("{} and {more} more", lanes[..LANES_NAMED].join(", ")),
            _ => lanes.join(", "),
        };
        let words = if of.len() < views.len() { format!("{named}: {words}") } else { words };
        let since = closed.since.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let place = of.first().map_or(&text.place.place, |view| &view.place);
        json!({"words": cell(&words), "since": since, "remedy": cell(&remedy::of(&closed.gate, place))})
    };
    closed.into_iter().map(row).collect()
}

/// Returns what the answer to one command may say.
pub(super) fn answer_context(answer: &Answer, places: &[&PlaceView], bot: &str) -> Value {
    let mut context = serde_json::to_value(&answer.outcome).expect("because outcomes are plain data");
    // Its own words for places stand in `places`.
    context.as_object_mut().map(|context| context.remove("runs_in"));
    context["by"] = json!(cell(&answer.by));
    match &answer.outcome {
        Outcome::Help => {
            let row = |verb: Verb| json!({"usage": verb.usage().replace('|', "\\|"), "purpose": verb.purpose(), "needs": verb.needs().to_string()});
            context["commands"] = json!(Verb::ALL.map(row));
            context["bot"] = json!(bot.trim_end_matches("[bot]"));
            let bare: Vec<_> = Verb::ALL.iter().filter(|verb| verb.is_own()).map(|verb| format!("`{verb}`")).collect();
            context["bare"] = json!(bare.join(", "));
        }
        Outcome::Diff { patch, place, .. } => {
            context["place"] = json!(place.to_string());
            context["patch"] = json!(fenced(patch));
        }
        Outcome::Promoting { place, proposed, dry } => {
            context["fate"] = json!(fate(places, place, proposed, dry.as_ref()));
            context["place"] = json!(place.to_string());
            context["short"] = json!(dry.as_ref().map_or(proposed.short(), |dry| dry.short()));
        }
        Outcome::Moved { place } => context["place"] = json!(place.to_string()),
        Outcome::Ended { place, open } => {
            context["place"] = json!(place.to_string());
            context["open"] = json!(open.map(|number| number.to_string()));
        }
        Outcome::LacksRight { verb, needs, has, grant, unread, repository } => {
            context["repository"] = json!(repository.as_ref().map(ToString::to_string));
            context["grant"] = json!(grant.map(|grant| grant.to_string()));
            context["unread"] = json!(unread.iter().map(|people| format!("`{people}`")).collect::<Vec<_>>());
            if *verb == Verb::Promote && *needs == OVERRIDE_NEEDS {
                context["verb"] = json!(format!("{verb} override=windows"));
            }
            context["needs"] = json!(needs.to_string());
            context["has"] = json!(has.to_string());
        }
        Outcome::Refused { message, help } => {
            context["message"] = json!(prose(message));
            context["help"] = json!(prose(help));
        }
        Outcome::Held { place } => context["place"] = json!(place.to_string()),
        Outcome::Released { place, what } => {
            context["place"] = json!(place.to_string());
            context["what"] = json!(escape(what));
        }
        Outcome::Restoring { place, over } => {
            context["place"] = json!(place.to_string());
            context["short"] = json!(over);
        }
        Outcome::Adopted { place, commit } => {
            context["place"] = json!(place.to_string());
            context["short"] = json!(commit.short());
        }
        Outcome::RollingBack { place, from, to } => {
            context["place"] = json!(place.to_string());
            context["environment"] = json!(place.environment);
            context["from"] = json!(from.short());
            context["to"] = json!(to.short());
        }
        Outcome::Rejected { dry, runs_in } => {
            context["short"] = json!(dry.short());
            context["places"] = json!(runs_in.iter().map(Place::to_string).collect::<Vec<_>>().join(", "));
        }
        Outcome::Unrejected { dry } => context["short"] = json!(dry.short()),
        Outcome::Overridden { head } | Outcome::Previewing { head } => context["short"] = json!(head.short()),
        Outcome::Status
        | Outcome::Retried
        | Outcome::TooMany { .. }
        | Outcome::NotYet { .. }
        | Outcome::Interrupted
        | Outcome::Forgotten => {}
    }
    context
}

/// Says what became of a promotion that was accepted for exactly this head; strategies may share the
/// names of their places, but no head.
fn fate(places: &[&PlaceView], to: &Place, proposed: &ProposedSha, dry: Option<&DrySha>) -> &'static str {
    let here = || places.iter().filter(|view| view.place == *to);
    if here().any(|view| view.pull_request.is_some() && view.proposed.as_ref() == Some(proposed)) {
        "waits"
    } else if dry.is_some() && here().any(|view| view.running.as_ref().map(|running| &running.dry) == dry) {
        "merged"
    } else {
        "dropped"
    }
}

/// Returns differences in a fence that nothing in them ends.
pub(super) fn fenced(patch: &str) -> String {
    // A longer run of backticks would end it.
    let patch = patch.trim_end().replace(FENCE, "```\u{200b}`");
    format!("{FENCE}diff\n{patch}\n{FENCE}")
}

/// Makes words harmless in a cell of a table: one line, no mentions, no HTML, no further cells.
pub(super) fn cell(text: &str) -> String {
    prose(&cut(text, WORDS_LIMIT)).replace('|', "\\|")
}

/// Makes words of our own that name things of users harmless; code spans stay.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut safe = String::new();
    for c in plain(text).chars() {
        match c {
            '`' => {
                inside = !inside;
                safe.push(c);
            }
            // Else it would take its meaning from a backtick that is counted here.
            '\\' if !inside => safe.push_str("\\\\"),
            '<' if !inside => safe.push_str("&lt;"),
            '&' if !inside => safe.push_str("&amp;"),
            c => safe.push(c),
        }
    }
    // What does not end would swallow what follows.
    if inside { safe.replace('`', "'").replace('<', "&lt;") } else { safe }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        gate::{ClosedGate, Gate},
        ids::{ActiveSha, BranchName, EnvironmentName, HeadSha, LaneName, PullRequestNumber},
        permission::Permission,
    };

    fn place() -> PlaceView {
        PlaceView {
            active: Some(ActiveSha::new("active").expect("an id")),
            wanted: Some(DrySha::new("0123456789").expect("an id")),
            proposed: Some(ProposedSha::new("proposed-1").expect("an id")),
            pull_request: Some(PullRequestNumber(7)),
            ..PlaceView::empty(
                Place { environment: EnvironmentName::new("prod").expect("a name"), lane: LaneName::single() },
                BranchName::new("env/prod").expect("a branch"),
            )
        }
    }

    fn answer(outcome: Outcome) -> Answer {
        Answer { by: "ada".into(), line: "/promote".into(), outcome }
    }

    fn render(place: &PlaceView, answers: &[Answer]) -> String {
        let (places, standing) = (std::slice::from_ref(place), Standing::Open);
        let text = StatusText { place, bundle: &[], places, standing, answers, bot: "hydro[bot]", status_url: None };
        Messages::built_in().status_comment(&text).expect("is rendered")
    }

    #[test]
    fn what_others_wrote_mentions_nobody_hides_nothing_and_breaks_no_table() {
        let gate = Gate::Forge { words: "ask @all | <!-- hydromote:status-comment -->".into() };
        let closed = ClosedGate { gate, since: Timestamp::UNIX_EPOCH, until: None, deadline: None, is_overdue: false };
        let hostile = Answer { by: "@all|<b>".into(), ..answer(Outcome::Retried) };
        let body = render(&PlaceView { gates: vec![closed], ..place() }, &[hostile]);
        insta::assert_snapshot!(body.replace('\u{200b}', "[nothing]"), @r"
        Nothing runs in **prod** yet, and 0123456 is proposed here.

        | closed gate | since | who opens it |
        |---|---|---|
        | the forge does not merge it: ask @[nothing]all \| &lt;!-- hydromote:status-comment --> | 1970-01-01 00:00:00Z | whoever can meet the forge's conditions; it is asked again by itself |

        `/promote` by @[nothing]all\|&lt;b>:

        What had failed is tried again.

        <!-- hydromote:status-comment -->
        ");
        assert_eq!(body.matches(MARKER).count(), 1);
        assert!(is_status_comment(&body));
        assert!(!is_status_comment(&body.replace(MARKER, "")));
    }

    #[test]
    fn a_backslash_takes_no_meaning_from_what_keeps_html_out() {
        let hidden = prose(r"\` <!-- hidden --> \`");
        assert_eq!(hidden, r"\\` <!-- hidden --> \`");
        assert_eq!(prose(r"C:\web\*"), r"C:\\web\\*");
        assert_eq!(prose(r"`\d` & \d"), r"`\d` &amp; \\d");
    }

    #[test]
    fn a_promotion_waits_is_done_or_is_dropped() {
        let proposed = |id: &str| ProposedSha::new(id).expect("an id");
        let accepted =
            |id: &str| answer(Outcome::Promoting { place: place().place, proposed: proposed(id), dry: place().wanted });
        let words = |body: String| {
            body.lines().find(|line| line.contains("0123456") && !line.contains("**")).map(str::to_owned)
        };
        let waits = words(render(&place(), &[accepted("proposed-1")]));
        assert_eq!(waits.as_deref(), Some("Accepted: prod gets 0123456 as soon as all other gates are open."));
        let dropped = words(render(&place(), &[accepted("proposed-0")])).unwrap_or_default();
        assert!(dropped.starts_with("Dropped: what is proposed for prod is no longer 0123456."), "{dropped}");
    }

    #[test]
    fn differences_end_no_fence_and_the_oldest_answers_go_first_when_it_is_too_long() {
        let diff = |patch: String| {
            let place = place().place;
            answer(Outcome::Diff { place, files: 1, added: 1, removed: 0, patch, cut: true })
        };
        let body = render(&place(), &[diff("+`````\n+</details>".into())]);
        assert_eq!(body.matches(FENCE).count(), 2, "{body}");
        let answers: Vec<Answer> = (0..5).map(|n| diff(format!("+{n}{}", "x".repeat(14_000)))).collect();
        let body = render(&place(), &answers);
        assert!(body.chars().count() < 65_536);
        assert!(body.contains("+3x") && !body.contains("+4x"));
    }

    #[test]
    fn every_answer_has_words() {
        let dry = DrySha::new("0123456789").expect("an id");
        let active = ActiveSha::new("89abcdef01").expect("an id");
        let place = place().place;
        let verb = Verb::Rollback;
        for outcome in [
            Outcome::Status,
            Outcome::Help,
            Outcome::Held { place: place.clone() },
            Outcome::Released { place: place.clone(), what: "the hold of ada".into() },
            Outcome::RollingBack { place: place.clone(), from: dry.clone(), to: dry.clone() },
            Outcome::Restoring { place: place.clone(), over: active.short().to_owned() },
            Outcome::Adopted { place: place.clone(), commit: active },
            Outcome::Rejected { dry: dry.clone(), runs_in: vec![place.clone()] },
            Outcome::Rejected { dry: dry.clone(), runs_in: Vec::new() },
            Outcome::Unrejected { dry: dry.clone() },
            Outcome::Retried,
            Outcome::Refused { message: "No.".into(), help: "Yes.".into() },
            Outcome::LacksRight {
                verb,
                needs: Permission::Maintain,
                has: Permission::None,
                grant: None,
                unread: Vec::new(),
                repository: None,
            },
            Outcome::Moved { place: place.clone() },
            Outcome::Ended { place: place.clone(), open: Some(PullRequestNumber(9)) },
            Outcome::TooMany { limit: 10 },
            Outcome::Overridden { head: HeadSha::new("0123456789").expect("an id") },
            Outcome::Previewing { head: HeadSha::new("0123456789").expect("an id") },
            Outcome::NotYet { verb },
            Outcome::Interrupted,
            Outcome::Forgotten,
        ] {
            let body = render(&super::tests::place(), &[answer(outcome.clone())]);
            let words = body.split("by ada:").nth(1).unwrap_or_default().trim();
            assert!(words.len() > MARKER.len() + 5, "{outcome:?}: {body}");
            assert!(!body.contains("{{") && !body.contains("  "), "{outcome:?}: {body}");
        }
    }
}
