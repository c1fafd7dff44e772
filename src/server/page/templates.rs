//! The templates of the pages, and what is put into them.

use std::sync::LazyLock;

use jiff::Timestamp;
use minijinja::{Environment, HtmlEscape, UndefinedBehavior, Value, value::Serde};
use serde::Serialize;

use crate::{
    reconcile::board::StrategyBoard,
    server::{
        api::{
            self,
            documents::{StrategiesView, StrategyView},
            history::HistoryView,
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

/// How many promotions and events the page shows.
const RECENT: usize = 12;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_filter("time", time);
    templates.add_filter("words", words);
    templates.add_filter("short", |sha: String| sha.chars().take(7).collect::<String>());
    for (name, source) in [
        ("layout.html", include_str!("../../../templates/page/layout.html")),
        ("index.html", include_str!("../../../templates/page/index.html")),
        ("strategy.html", include_str!("../../../templates/page/strategy.html")),
        ("environment.html", include_str!("../../../templates/page/environment.html")),
        ("problem.html", include_str!("../../../templates/page/problem.html")),
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
    /// Returns one sentence for those who do not see the page.
    fn summary(&self) -> String;
    /// Returns where updates come from.
    fn events(&self) -> String;
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
    history: HistoryView,
}

impl Index {
    pub(super) fn of(site: &Site) -> Self {
        Self { all: StrategiesView::of(&site.commands.boards) }
    }
}

impl Look {
    pub(super) async fn of(site: &Site, board: &StrategyBoard) -> Result<Self, Problem> {
        let history = api::history_of(site, board, None, RECENT).await?;
        Ok(Self { board: StrategyView::of(board), history })
    }
}

impl Page for Index {
    const TEMPLATE: &'static str = "index.html";

    fn title(&self) -> String {
        "Strategies".into()
    }

    fn summary(&self) -> String {
        let told = self.all.strategies.iter().map(|board| format!("{}: {}", board.name, board.summary));
        let troubles = self.all.troubles.iter().map(|one| format!("{}: could not be looked at.", one.repository));
        told.chain(troubles).collect::<Vec<_>>().join(" ")
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

    fn summary(&self) -> String {
        self.board.summary.clone()
    }

    fn events(&self) -> String {
        format!("/strategies/{}/events", self.board.strategy)
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    title: String,
    summary: String,
    events: String,
    part: &'a str,
    version: &'a str,
}

/// Renders a whole page.
pub(super) fn page<P: Page>(page: &P) -> Result<String, Problem> {
    let part = part(page)?;
    let whole =
        Whole { title: page.title(), summary: page.summary(), events: page.events(), part: &part, version: &VERSION };
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
        summary: String::new(),
        events: String::new(),
        part: &part,
        version: &VERSION,
    };
    render("layout.html", &whole).unwrap_or_else(|problem| problem.document.error)
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
