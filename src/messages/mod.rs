//! All prose that people read in commits and on a forge, from `templates/messages`.
//!
//! Templates get a context and return text; those of users come before the built-in ones.
//!
//! - Trailers, the mark of our comment and the differences' fence are written by code, and titles are
//!   made one line by it: no template can break them.
//! - Text from users is harmless before a template sees it, as its form asks for: it mentions nobody,
//!   hides nothing and ends no fence.
//! - A template of users that fails is not an error: the built-in one stands in.

mod comment;
mod dry_comment;
mod harmless;
mod overdue;
mod overrides;
mod preview;
mod samples;
mod strategy;
mod template;
mod texts;

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde_json::{Value, json};

use crate::domain::ids::RootName;

pub use self::{
    comment::{Standing, StatusText, is_status_comment},
    dry_comment::{DryRow, DryStage, DryStatusText},
    overdue::{OverdueText, tells_of},
    overrides::{OverridesError, TemplateMistake},
    strategy::{StrategyOutcome, StrategySection},
    template::{TEMPLATES, Template, Variable},
    texts::{Changes, DryText, PartText, PromotionText, RendererChange, RestoreText, RollbackText},
};
use self::{
    harmless::{NAMES_LIMIT, REASON_LIMIT, cut, listed, one_line, plain},
    overrides::Overrides,
    template::{
        BODY, COMMIT, Form, MERGE, README, RESTORE_BODY, RESTORE_COMMIT, RESTORE_TITLE, ROLLBACK_BODY, ROLLBACK_COMMIT,
        ROLLBACK_TITLE, TITLE,
    },
};

/// How much work one template may do.
const FUEL: u64 = 200_000;

/// The most characters of a description or comment: what GitHub takes, with room to spare.
const LENGTH_LIMIT: usize = 60_000;

/// Renders messages.
#[derive(Debug, Clone)]
pub struct Messages {
    built_in: Environment<'static>,
    overrides: Overrides,
}

/// A message could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("could not render the message `{name}`")]
pub struct MessageError {
    name: &'static str,
    #[source]
    source: minijinja::Error,
}

/// What a pull request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestText {
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
}

impl Messages {
    /// Returns the messages that the program brings.
    pub fn built_in() -> Self {
        let mut built_in = environment();
        for template in TEMPLATES {
            let added = built_in.add_template(template.name, template.built_in);
            added.expect("because the tests render every built-in template");
        }
        Self { built_in, overrides: Overrides::default() }
    }

    /// Returns the messages that the program brings, but for those in a folder of the user.
    ///
    /// # Errors
    /// With every file that is none of the texts, and every text that cannot be right.
    pub fn with_overrides(folder: &Path) -> Result<Self, OverridesError> {
        Ok(Self { overrides: Overrides::read(folder)?, ..Self::built_in() })
    }

    /// Returns the message of a proposed commit; `trailers` end it.
    pub fn commit(&self, text: &PromotionText, trailers: &str) -> Result<String, MessageError> {
        Ok(with_trailers(&self.render(COMMIT, &promotion_context(text, Form::Plain))?, trailers))
    }

    /// Returns title and body of a promotion pull request.
    pub fn pull_request(
        &self,
        text: &PromotionText,
        auto_merge: bool,
        status_key: &str,
        status_url: Option<&str>,
    ) -> Result<PullRequestText, MessageError> {
        let context = |form| pull_request_context(text, auto_merge, status_key, status_url, form);
        let title = self.render(TITLE, &context(Form::Plain))?;
        let body = self.render(BODY, &context(Form::Markdown))?;
        Ok(PullRequestText { title: one_line(&title), body: cut(&body, LENGTH_LIMIT) })
    }

    /// Returns the message of a merge commit; `trailers` end it.
    pub fn merge(&self, gates: &[String], trailers: &str) -> Result<String, MessageError> {
        Ok(with_trailers(&self.render(MERGE, &merge_context(gates))?, trailers))
    }

    /// Returns the title of a rollback's pull request.
    pub fn rollback_title(&self, text: &RollbackText) -> Result<String, MessageError> {
        Ok(one_line(&self.render(ROLLBACK_TITLE, &text.context(Form::Plain))?))
    }

    /// Returns title and body of a rollback's pull request.
    pub fn rollback_pull_request(
        &self,
        text: &RollbackText,
        status_url: Option<&str>,
    ) -> Result<PullRequestText, MessageError> {
        let body = self.render(ROLLBACK_BODY, &rollback_context(text, status_url))?;
        Ok(PullRequestText { title: self.rollback_title(text)?, body: cut(&body, LENGTH_LIMIT) })
    }

    /// Returns the message of the commit that restores earlier content; `trailers` end it.
    pub fn rollback_commit(&self, text: &RollbackText, trailers: &str) -> Result<String, MessageError> {
        let body = self.rollback_merge(text, trailers)?;
        Ok(format!("{}\n\n{body}", self.rollback_title(text)?))
    }

    /// Returns the message of the merge commit of a rollback; `trailers` end it.
    pub fn rollback_merge(&self, text: &RollbackText, trailers: &str) -> Result<String, MessageError> {
        Ok(with_trailers(&self.render(ROLLBACK_COMMIT, &text.context(Form::Plain))?, trailers))
    }

    /// Returns the title of a pull request that restores what was promoted last.
    pub fn restore_title(&self, text: &RestoreText) -> Result<String, MessageError> {
        Ok(one_line(&self.render(RESTORE_TITLE, &text.context(Form::Plain))?))
    }

    /// Returns title and body of a pull request that restores what was promoted last.
    pub fn restore_pull_request(
        &self,
        text: &RestoreText,
        status_url: Option<&str>,
    ) -> Result<PullRequestText, MessageError> {
        let body = self.render(RESTORE_BODY, &restore_context(text, status_url))?;
        Ok(PullRequestText { title: self.restore_title(text)?, body: cut(&body, LENGTH_LIMIT) })
    }

    /// Returns the message of the commit that restores what was promoted last; `trailers` end it.
    pub fn restore_commit(&self, text: &RestoreText, trailers: &str) -> Result<String, MessageError> {
        Ok(format!("{}\n\n{}", self.restore_title(text)?, self.restore_merge(text, trailers)?))
    }

    /// Returns the message of the merge commit that restores what was promoted last; `trailers` end it.
    pub fn restore_merge(&self, text: &RestoreText, trailers: &str) -> Result<String, MessageError> {
        Ok(with_trailers(&self.render(RESTORE_COMMIT, &text.context(Form::Plain))?, trailers))
    }

    /// Returns the README of an output.
    pub fn readme(
        &self,
        root: &RootName,
        dry: &DryText,
        repo_url: &str,
        commands: &[String],
    ) -> Result<String, MessageError> {
        self.render(README, &readme_context(root, dry, repo_url, commands))
    }

    /// Renders the user's text, or the built-in one where there is none or it fails.
    fn render(&self, name: &'static str, context: &Value) -> Result<String, MessageError> {
        if let Some(text) = self.overrides.render(name, context) {
            return Ok(text);
        }
        self.built_in
            .get_template(name)
            .and_then(|template| template.render(minijinja::Value::from(Serde(context))))
            .map_err(|source| MessageError { name, source })
    }
}

/// Returns what templates are rendered in: strict, bounded, and with nothing to read from outside.
fn environment() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_fuel(Some(FUEL));
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    templates
}

fn promotion_context(text: &PromotionText, form: Form) -> Value {
    json!({
        "dry": text.dry.context(form),
        "place": text.place.to_string(),
        "environment": text.place.environment,
        "changes": text.changes,
        "parts": text.parts.iter().take(NAMES_LIMIT).map(|part| part.context(form)).collect::<Vec<_>>(),
        "more_parts": text.parts.len().saturating_sub(NAMES_LIMIT),
    })
}

fn pull_request_context(
    text: &PromotionText,
    auto_merge: bool,
    status_key: &str,
    status_url: Option<&str>,
    form: Form,
) -> Value {
    let mut context = promotion_context(text, form);
    context["auto_merge"] = json!(auto_merge);
    context["status_key"] = json!(status_key);
    context["status_url"] = json!(status_url);
    context["renderers"] = json!(text.renderers);
    context
}

fn merge_context(gates: &[String]) -> Value {
    json!({ "gates": listed(gates.iter().map(|gate| plain(&cut(gate, REASON_LIMIT))).collect()) })
}

fn rollback_context(text: &RollbackText, status_url: Option<&str>) -> Value {
    let mut context = text.context(Form::Markdown);
    context["status_url"] = json!(status_url);
    context
}

fn restore_context(text: &RestoreText, status_url: Option<&str>) -> Value {
    let mut context = text.context(Form::Markdown);
    context["status_url"] = json!(status_url);
    context
}

fn readme_context(root: &RootName, dry: &DryText, repo_url: &str, commands: &[String]) -> Value {
    json!({ "root": root, "dry": dry.context(Form::Markdown), "repo_url": repo_url, "commands": commands })
}

/// Ends `body` with the trailers as its last paragraph.
fn with_trailers(body: &str, trailers: &str) -> String {
    format!("{}\n\n{trailers}", body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::{harmless::TITLE_LIMIT, *};
    use crate::domain::{
        content::Content,
        ids::{DrySha, EnvironmentName, LaneName, Place, RenderingId},
    };

    /// Shows what no eye sees.
    fn visible(text: &str) -> String {
        text.replace('\u{200b}', "[nothing]")
    }

    fn text() -> PromotionText {
        let content = |roots: &[(&str, &str)]| {
            roots
                .iter()
                .map(|(r, i)| (RootName::new(*r).expect("a folder"), RenderingId::new(*i).expect("an id")))
                .collect::<Content>()
        };
        PromotionText {
            dry: DryText::new(
                &DrySha::new("0123456789").expect("an id"),
                "ping @all <b> ```",
                "developer <developer@example.com>",
            ),
            place: Place { environment: EnvironmentName::new("dev").expect("a name"), lane: LaneName::single() },
            changes: Changes::between(
                &content(&[("shop", "1"), ("old", "1")]),
                &content(&[("shop", "2"), ("new", "1")]),
            ),
            parts: Vec::new(),
            renderers: Vec::new(),
        }
    }

    #[test]
    fn a_pull_request_says_which_renderers_are_others() {
        let roots = ["shop", "web", "cart", "pay"].map(|name| RootName::new(name).expect("a folder"));
        let rendered = [
            ("helm v3.17.3", "helm v4.3.1"),
            ("helm v3.17.3", "helm v4.3.1"),
            ("helm v4.3.1", "helm v4.3.1"),
            ("kustomize v5.8.1 @all", "plain YAML"),
        ];
        let told = roots.iter().zip(rendered).map(|(root, (before, by))| (root, before, by));
        let text = PromotionText { renderers: RendererChange::of(told), ..text() };
        let body = Messages::built_in().pull_request(&text, true, "hydromote/dev", None).expect("is rendered").body;
        let told: Vec<&str> = body.lines().filter(|line| line.starts_with("Rendered by")).collect();
        insta::assert_snapshot!(visible(&told.join("\n")), @"
        Rendered by Helm 4.3.1, where dev runs what Helm 3.17.3 rendered: `shop`, `web`
        Rendered by Plain YAML, where dev runs what Kustomize 5.8.1 @[nothing]all rendered: `pay`
        ");
    }

    #[test]
    fn commit_message_lists_changes_and_ends_with_trailers() {
        let message = Messages::built_in().commit(&text(), "A: b\n").expect("is rendered");
        insta::assert_snapshot!(visible(&message), @"
        Promote 0123456 to dev: ping @[nothing]all <b> ```

        Added: `new`
        Changed: `shop`
        Removed: `old`

        A: b
        ");
    }

    #[test]
    fn a_bundle_says_what_each_lane_brings() {
        let part = |lane: &str| {
            let PromotionText { dry, changes, .. } = text();
            PartText { lane: LaneName::new(lane).expect("a name"), dry, changes }
        };
        let bundle = PromotionText { parts: vec![part("cart"), part("pay")], ..text() };
        let messages = Messages::built_in();
        let commit = messages.commit(&bundle, "A: b\n").expect("is rendered");
        let opened = messages.pull_request(&bundle, true, "hydromote/dev", None).expect("is rendered");
        insta::assert_snapshot!(visible(&format!("{commit}\n===\n{}\n\n{}", opened.title, opened.body)), @"
        Promote 2 lanes to dev: cart, pay

        cart: 0123456 ping @[nothing]all <b> ```
        pay: 0123456 ping @[nothing]all <b> ```

        Added: `new`
        Changed: `shop`
        Removed: `old`

        A: b

        ===
        Promote cart 0123456, pay 0123456 to dev

        This promotes what is ready in 2 lanes to **dev**, all of it or nothing.

        - **cart**: the dry commit 0123456789, ping @[nothing]all &lt;b> ''' (developer)
        - **pay**: the dry commit 0123456789, ping @[nothing]all &lt;b> ''' (developer)

        | | output |
        |---|---|
        | added | `new` |
        | changed | `shop` |
        | removed | `old` |

        Hydromote merges it as soon as its gates are open. What it waits for stands in the commit status `hydromote/dev`.

        The branch holds exactly what dev will hold: any merge method gives the same files. Please do not push to it; it is made anew when something newer is to be promoted.
        ");
        let many = PromotionText { parts: (0..50).map(|n| part(&format!("lane-{n}"))).collect(), ..text() };
        let title = messages.pull_request(&many, true, "hydromote/dev", None).expect("is rendered").title;
        assert!(title.chars().count() <= TITLE_LIMIT);
    }

    #[test]
    fn pull_request_text_mentions_nobody() {
        let text = Messages::built_in()
            .pull_request(&text(), false, "hydromote/dev", Some("http://localhost/x"))
            .expect("is rendered");
        insta::assert_snapshot!(visible(&format!("{}\n\n{}", text.title, text.body)), @"
        Promote 0123456 to dev: ping @[nothing]all <b> ```

        This promotes the dry commit 0123456789 to **dev**.

        > ping @[nothing]all &lt;b> '''
        >
        > developer

        | | output |
        |---|---|
        | added | `new` |
        | changed | `shop` |
        | removed | `old` |

        Hydromote merges it when its gates are open and a person promotes it: comment `/hydromote promote` here, run `hydromote promote dev`, or merge it by hand. What it waits for stands in the commit status `hydromote/dev` and on [the status page](http://localhost/x).

        The branch holds exactly what dev will hold: any merge method gives the same files. Please do not push to it; it is made anew when something newer is to be promoted.
        ");
    }

    #[test]
    fn readme_and_merge_message_render() {
        let messages = Messages::built_in();
        let root = RootName::new("shop").expect("a folder");
        let readme = messages.readme(&root, &text().dry, "https://example.com/a/b", &["kustomize build x".into()]);
        insta::assert_snapshot!(readme.expect("is rendered"), @"
        # shop

        Rendered by Hydromote from https://example.com/a/b at 0123456789. Changes made here by hand stop the promotion of this environment.

        To render it again:

        ```shell
        git clone https://example.com/a/b
        git checkout 0123456789
        kustomize build x
        ```
        ");
        insta::assert_snapshot!(messages.merge(&["health on dev: success".into()], "A: b\n").expect("is rendered"), @"
        Everything that this promotion waited for was open when it was merged:

        - health on dev: success

        A: b
        ");
    }
}
