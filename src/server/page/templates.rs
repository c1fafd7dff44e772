//! The templates of the pages, and what is put into them.

use std::sync::LazyLock;

use jiff::Timestamp;
use minijinja::{Environment, HtmlEscape, UndefinedBehavior, Value, value::Serde};
use serde::Serialize;

use super::{
    frame::Frame,
    past::{self, Happened},
};
use crate::{
    domain::{ids::StrategyId, plan::PlaceView},
    reconcile::board::StrategyBoard,
    server::{
        api::{
            documents::{PullRequestView, StrategiesView, StrategyView},
            history::EventView,
        },
        problem::Problem,
        site::Site,
    },
};

/// The styles.
pub(super) const STYLE: &str = include_str!("../../../templates/page/page.css");
/// The script.
pub(super) const SCRIPT: &str = include_str!("../../../templates/page/page.js");
/// The mark in the tab.
pub(super) const MARK: &str = include_str!("../../../templates/page/mark.svg");

/// How many lines of the history and events the page of a strategy shows.
const RECENT: usize = 12;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_filter("time", time);
    templates.add_filter("words", words);
    templates.add_filter("path", |strategy: String| path(&strategy));
    templates.add_filter("short", |sha: String| sha.chars().take(7).collect::<String>());
    for (name, source) in [
        ("layout.html", include_str!("../../../templates/page/layout.html")),
        ("index.html", include_str!("../../../templates/page/index.html")),
        ("strategy.html", include_str!("../../../templates/page/strategy.html")),
        ("environment.html", include_str!("../../../templates/page/environment.html")),
        ("problem.html", include_str!("../../../templates/page/problem.html")),
        ("happened.html", include_str!("../../../templates/page/happened.html")),
        ("events.html", include_str!("../../../templates/page/events.html")),
        ("history.html", include_str!("../../../templates/page/history.html")),
        ("difference.html", include_str!("../../../templates/page/difference.html")),
        ("change.html", include_str!("../../../templates/page/change.html")),
        ("confirm.html", include_str!("../../../templates/page/confirm.html")),
        ("sign_in.html", include_str!("../../../templates/page/sign_in.html")),
    ] {
        templates.add_template(name, source).expect("because a test renders every embedded template");
    }
    templates
});

/// A page: the whole, or only the part that changes.
pub(super) trait Page: Serialize {
    /// The template of the part that changes.
    const TEMPLATE: &'static str;
    /// Returns the title.
    fn title(&self) -> String;
    /// Returns where updates come from; none when the page is not updated.
    fn events(&self) -> String {
        String::new()
    }
}

/// All strategies.
#[derive(Debug, Serialize)]
pub(super) struct Index {
    #[serde(flatten)]
    all: StrategiesView,
}

/// One strategy.
#[derive(Debug, Serialize)]
pub(super) struct Look {
    board: StrategyView,
    /// What brought what runs, for each environment in order.
    brought: Vec<Option<Brought>>,
    /// Whether rollbacks of an environment keep anything out, for each in order.
    restoring: Vec<bool>,
    history: Vec<Happened>,
    events: Vec<EventView>,
    can_act: bool,
}

/// What brought what runs.
#[derive(Debug, Serialize)]
struct Brought {
    promoted_by: Option<String>,
    who: Option<String>,
    pull_request: Option<PullRequestView>,
}

impl Index {
    pub(super) fn of(site: &Site) -> Self {
        Self { all: StrategiesView::of(&site.commands.boards) }
    }
}

impl Look {
    pub(super) async fn of(site: &Site, board: &StrategyBoard) -> Result<Self, Problem> {
        let (mut history, mut events) = past::read(site, board).await?;
        let brought = |view: &PlaceView| {
            let line = history.iter().find(|line| Some(&line.active_sha) == view.brought_by.as_ref())?;
            Some(Brought {
                promoted_by: line.promoted_by.clone(),
                who: line.who.clone(),
                pull_request: line.pull_request.clone(),
            })
        };
        let brought = board.places.iter().map(brought).collect();
        history.truncate(RECENT);
        events.truncate(RECENT);
        let restoring = board.places.iter().map(|view| !view.restoring.is_empty()).collect();
        let can_act = site.access.has_token();
        Ok(Self { board: StrategyView::of(board), brought, restoring, history, events, can_act })
    }
}

impl Page for Index {
    const TEMPLATE: &'static str = "index.html";

    fn title(&self) -> String {
        "Strategies".into()
    }

    fn events(&self) -> String {
        "/events".into()
    }
}

impl Page for Look {
    const TEMPLATE: &'static str = "strategy.html";

    fn title(&self) -> String {
        self.board.strategy.clone()
    }

    fn events(&self) -> String {
        format!("/strategies/{}/events", path(&self.board.strategy))
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    title: String,
    frame: &'a Frame,
    events: String,
    part: &'a str,
    version: &'a str,
}

/// Renders a whole page.
pub(super) fn page<P: Page>(page: &P, frame: &Frame) -> Result<String, Problem> {
    let part = part(page)?;
    let whole = Whole { title: page.title(), frame, events: page.events(), part: &part, version: &VERSION };
    render("layout.html", &whole)
}

/// Renders the part of a page that changes.
pub(super) fn part<P: Page>(page: &P) -> Result<String, Problem> {
    render(P::TEMPLATE, page)
}

/// Renders the page that says what went wrong.
pub(super) fn problem(problem: &Problem) -> String {
    let part = render("problem.html", &problem.document).unwrap_or_default();
    let whole = Whole {
        title: problem.document.error.clone(),
        frame: &Frame::default(),
        events: String::new(),
        part: &part,
        version: &VERSION,
    };
    render("layout.html", &whole).unwrap_or_else(|problem| problem.document.error)
}

/// Returns a page that goes on to its own address at once.
pub(super) fn again() -> String {
    include_str!("../../../templates/page/again.html").to_owned()
}

/// Changes whenever styles or script do.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update(STYLE).chain_update(SCRIPT).chain_update(MARK).finalize();
    hex::encode(&digest[..6])
});

fn render(name: &str, context: &impl Serialize) -> Result<String, Problem> {
    let rendered = TEMPLATES.get_template(name).and_then(|template| template.render(Value::from(Serde(context))));
    rendered.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, template = name, "could not render a page");
        let status = http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "This page could not be made.", "The service's log says more.")
    })
}

/// Writes a strategy as a path.
fn path(strategy: &str) -> String {
    strategy.parse().map_or_else(|_| strategy.to_owned(), |id: StrategyId| id.path())
}

/// Writes a time: in UTC as it stands, and for scripts.
fn time(text: String) -> Value {
    let Ok(time) = text.parse::<Timestamp>() else { return Value::from(text) };
    let (machine, people) = (time.strftime("%Y-%m-%dT%H:%M:%SZ"), time.strftime("%Y-%m-%d %H:%M UTC"));
    Value::from_safe_string(format!("<time datetime=\"{machine}\">{people}</time>"))
}

/// Writes words of the domain as a sentence would begin, with what stands between backticks as code.
fn words(text: String) -> Value {
    let mut html = String::new();
    let mut parts = text.split('`').peekable();
    let mut code = false;
    while let Some(part) = parts.next() {
        let closed = parts.peek().is_some();
        match (code, closed) {
            (true, true) => html.push_str(&format!("<code>{}</code>", HtmlEscape(part))),
            (true, false) => html.push_str(&format!("`{}", HtmlEscape(part))),
            (false, _) => {
                html.push_str(&HtmlEscape(&if html.is_empty() { sentence(part) } else { part.into() }).to_string())
            }
        }
        code = !code;
    }
    Value::from_safe_string(html)
}

/// Returns the text with a capital first letter, unless it begins with a commit id.
fn sentence(text: &str) -> String {
    if text.split_whitespace().next().is_some_and(|word| word.contains(|c: char| c.is_ascii_digit())) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
