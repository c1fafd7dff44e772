//! The templates of the pages. Everything that is put into them is escaped.

use std::sync::LazyLock;

use minijinja::{
    Environment,
    value::{Serde, Value},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::visitor::Visitor;
use crate::local_forge::refusal::Refusal;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_filter("path", |text: String| utf8_percent_encode(&text, PATH).to_string());
    let templates = [
        ("base.html", include_str!("../../../templates/local_forge/base.html")),
        ("home.html", include_str!("../../../templates/local_forge/home.html")),
        ("repository.html", include_str!("../../../templates/local_forge/repository.html")),
        ("pull.html", include_str!("../../../templates/local_forge/pull.html")),
        ("commit.html", include_str!("../../../templates/local_forge/commit.html")),
        ("tree.html", include_str!("../../../templates/local_forge/tree.html")),
        ("problem.html", include_str!("../../../templates/local_forge/problem.html")),
        ("diff.html", include_str!("../../../templates/local_forge/diff.html")),
    ];
    for (name, source) in templates {
        environment.add_template(name, source).expect("because a test renders every embedded template");
    }
    environment
});

/// What stays as it is in the path of a link.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Serialize)]
struct Whole<'a, T> {
    visitor: &'a Visitor,
    page: &'a T,
}

#[derive(Serialize)]
struct ProblemPage<'a> {
    status: u16,
    message: &'a str,
    details: Vec<&'a str>,
}

/// Renders a page.
pub(super) fn render(name: &str, visitor: &Visitor, page: &impl Serialize) -> Result<String, Refusal> {
    let whole = Value::from(Serde(Whole { visitor, page }));
    let rendered = TEMPLATES.get_template(name).and_then(|template| template.render(whole));
    rendered.map_err(|error| {
        tracing::error!(error = %error, template = name, "the local forge could not render a page");
        Refusal::new(500, "This page could not be rendered.")
    })
}

/// Renders the page that says no.
pub(super) fn problem(visitor: &Visitor, refusal: &Refusal) -> String {
    let details = refusal.errors.iter().filter_map(|error| error["message"].as_str()).collect();
    let page = ProblemPage { status: refusal.status, message: &refusal.message, details };
    render("problem.html", visitor, &page).unwrap_or_else(|refusal| refusal.message)
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Visitor, problem};

    #[test]
    fn what_people_write_is_escaped() {
        let visitor = Visitor {
            login: None,
            form_token: "token".to_owned(),
            users: vec!["<script>alert(1)</script>".to_owned()],
        };
        let page = problem(&visitor, &Refusal::new(404, "<b>Not</b> Found"));
        assert!(page.contains("&lt;b&gt;Not") && !page.contains("<script>"), "{page}");
    }
}
