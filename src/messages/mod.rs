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
mod overdue;
mod overrides;
mod preview;
mod samples;
mod strategy;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{
    content::Content,
    drift::{Drift, Restore},
    ids::{DrySha, LaneName, Place, RootName},
    unseen::in_one_line,
};

pub use self::{
    comment::{Standing, StatusText, is_status_comment},
    dry_comment::{DryRow, DryStage, DryStatusText},
    overdue::{OverdueText, tells_of},
    overrides::{OverridesError, TemplateMistake},
    strategy::{StrategyOutcome, StrategySection},
    template::{TEMPLATES, Template, Variable},
};
use self::{
    overrides::Overrides,
    template::{
        BODY, COMMIT, Form, MERGE, README, RESTORE_BODY, RESTORE_COMMIT, RESTORE_TITLE, ROLLBACK_BODY, ROLLBACK_COMMIT,
        ROLLBACK_TITLE, TITLE,
    },
};

/// How much work one template may do.
const FUEL: u64 = 200_000;

/// The most characters of a subject that stand in a title.
const SUBJECT_LIMIT: usize = 120;

/// The most characters of a reason.
const REASON_LIMIT: usize = 500;

/// The most roots named in one list.
const NAMES_LIMIT: usize = 40;

/// The most characters of a title: forges take 255.
const TITLE_LIMIT: usize = 250;

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

/// The dry commit as messages show it.
#[derive(Debug, Clone)]
pub struct DryText {
    sha: String,
    short: String,
    /// For titles and commit messages, which are plain text.
    subject: String,
    /// For Markdown.
    quoted_subject: String,
    author: String,
}

/// Which roots a promotion adds, changes and removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New roots.
    pub added: Vec<String>,
    /// Roots with another rendering.
    pub changed: Vec<String>,
    /// Roots that are gone.
    pub removed: Vec<String>,
}

/// What a pull request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestText {
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
}

/// About one promotion.
#[derive(Debug, Clone)]
pub struct PromotionText {
    /// The dry commit.
    pub dry: DryText,
    /// Where it goes.
    pub place: Place,
    /// What it changes.
    pub changes: Changes,
    /// What it is made of, where several lanes share a pull request.
    pub parts: Vec<PartText>,
    /// Which of what it changes was rendered by another version of a renderer than what runs.
    pub renderers: Vec<RendererChange>,
}

/// Another version of a renderer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RendererChange {
    /// What rendered what is proposed, in words.
    by: String,
    /// What rendered what runs, in words.
    before: String,
    /// The roots, as code spans.
    roots: Vec<String>,
}

/// About what one lane brings into a pull request that all lanes share.
#[derive(Debug, Clone)]
pub struct PartText {
    /// The lane.
    pub lane: LaneName,
    /// Its dry commit.
    pub dry: DryText,
    /// What it changes.
    pub changes: Changes,
}

/// About one rollback.
#[derive(Debug, Clone)]
pub struct RollbackText {
    place: String,
    environment: String,
    from: DryText,
    to: DryText,
    by: String,
    automatic: bool,
    /// The roots that go back, in words; empty for all.
    roots: String,
    /// For commit messages, which are plain text.
    reason: String,
    /// For Markdown.
    quoted_reason: String,
}

impl RollbackText {
    /// Makes the text of a rollback; people wrote `by` and `reason`.
    pub fn new(place: &Place, from: DryText, to: DryText, by: &str, automatic: bool, reason: &str) -> Self {
        Self {
            place: place.to_string(),
            environment: place.environment.to_string(),
            from,
            to,
            by: escape(&cut(by, SUBJECT_LIMIT)),
            automatic,
            roots: String::new(),
            reason: plain(&cut(reason, REASON_LIMIT)),
            quoted_reason: escape(&cut(reason, REASON_LIMIT)),
        }
    }

    /// Names the roots that go back, where others stay.
    pub fn only(self, roots: &BTreeSet<RootName>) -> Self {
        Self { roots: listed(roots.iter().map(root_name).collect()).join(", "), ..self }
    }

    fn context(&self, form: Form) -> Value {
        json!({
            "place": self.place,
            "environment": self.environment,
            "from": self.from.context(form),
            "to": self.to.context(form),
            "by": self.by,
            "automatic": self.automatic,
            "roots": self.roots,
            "reason": match form {
                Form::Plain => &self.reason,
                Form::Markdown => &self.quoted_reason,
            },
        })
    }
}

/// About drift that is restored.
#[derive(Debug, Clone)]
pub struct RestoreText {
    place: String,
    environment: String,
    dry: DryText,
    outputs: Vec<String>,
    commit: String,
    author: String,
    by: String,
    /// For commit messages, which are plain text.
    reason: String,
    /// For Markdown.
    quoted_reason: String,
}

impl RestoreText {
    /// Makes the text of what brings `dry` back over drift; people wrote the author, and who asked why.
    pub fn new(place: &Place, dry: DryText, drift: &Drift, restore: &Restore) -> Self {
        Self {
            place: place.to_string(),
            environment: place.environment.to_string(),
            dry,
            outputs: listed(drift.outputs.iter().map(|output| format!("`{output}`")).collect()),
            commit: drift.newest.short().to_owned(),
            author: escape(&cut(drift.author.as_deref().unwrap_or("somebody unknown"), SUBJECT_LIMIT)),
            by: escape(&cut(&restore.by, SUBJECT_LIMIT)),
            reason: plain(&cut(&restore.reason, REASON_LIMIT)),
            quoted_reason: escape(&cut(&restore.reason, REASON_LIMIT)),
        }
    }

    fn context(&self, form: Form) -> Value {
        json!({
            "place": self.place,
            "environment": self.environment,
            "dry": self.dry.context(form),
            "outputs": self.outputs,
            "commit": self.commit,
            "author": self.author,
            "by": self.by,
            "reason": match form {
                Form::Plain => &self.reason,
                Form::Markdown => &self.quoted_reason,
            },
        })
    }
}

impl DryText {
    /// Makes the text of a dry commit; people wrote `subject` and `author`.
    pub fn new(sha: &DrySha, subject: &str, author: &str) -> Self {
        let name = author.split(" <").next().unwrap_or(author);
        Self {
            sha: sha.to_string(),
            short: sha.short().to_owned(),
            subject: plain(&cut(subject, SUBJECT_LIMIT)),
            quoted_subject: escape(&cut(subject, SUBJECT_LIMIT)),
            author: escape(&cut(name, SUBJECT_LIMIT)),
        }
    }
}

impl DryText {
    /// Returns the subject, harmless and short.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    fn context(&self, form: Form) -> Value {
        let subject = match form {
            Form::Plain => &self.subject,
            Form::Markdown => &self.quoted_subject,
        };
        json!({ "sha": self.sha, "short": self.short, "subject": subject, "author": self.author })
    }
}

impl PartText {
    fn context(&self, form: Form) -> Value {
        json!({ "lane": self.lane, "dry": self.dry.context(form), "changes": self.changes })
    }
}

impl Changes {
    /// Compares two contents.
    pub fn between(old: &Content, new: &Content) -> Self {
        let mut changes = Self::default();
        for root in old.differing(new) {
            let list = match (old.get(root), new.get(root)) {
                (None, _) => &mut changes.added,
                (_, None) => &mut changes.removed,
                _ => &mut changes.changed,
            };
            list.push(root_name(root));
        }
        for list in [&mut changes.added, &mut changes.changed, &mut changes.removed] {
            *list = listed(std::mem::take(list));
        }
        changes
    }
}

impl RendererChange {
    /// Sums up roots, each with what rendered it before and now; one rendered by the same says nothing.
    pub fn of<'r>(roots: impl Iterator<Item = (&'r RootName, &'r str, &'r str)>) -> Vec<Self> {
        let mut found: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (root, before, by) in roots.filter(|(_, before, by)| before != by && !before.is_empty() && !by.is_empty()) {
            found.entry((by, before)).or_default().push(root_name(root));
        }
        let change =
            |((by, before), roots)| Self { by: renderer_name(by), before: renderer_name(before), roots: listed(roots) };
        found.into_iter().take(NAMES_LIMIT).map(change).collect()
    }
}

/// Returns a renderer as people call it: `Helm 4.3.1` for `helm v4.3.1`.
fn renderer_name(label: &str) -> String {
    let name = |part: &str| {
        let (tool, version) = part.split_once(' ').unwrap_or((part, ""));
        let version = version.strip_prefix('v').unwrap_or(version);
        let mut tool = tool.chars();
        let tool: String = tool.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(tool).collect();
        if version.is_empty() { tool } else { format!("{tool} {version}") }
    };
    // What runs is told of by its branch, on which somebody else may have written.
    escape(&cut(&label.split(", ").map(name).collect::<Vec<_>>().join(", "), SUBJECT_LIMIT))
}

/// Returns the folder of a root as a code span.
fn root_name(root: &RootName) -> String {
    format!("`{}`", plain(root.as_str()).replace('`', "'"))
}

/// Returns names, of which those beyond the limit are only counted.
fn listed(mut names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(NAMES_LIMIT);
    if more > 0 {
        names.truncate(NAMES_LIMIT);
        names.push(format!("and {more} more"));
    }
    names
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

/// Returns a title: one line that forges take.
fn one_line(title: &str) -> String {
    cut(&title.split_whitespace().collect::<Vec<_>>().join(" "), TITLE_LIMIT)
}

/// Makes text from users harmless in a title: one line that mentions nobody.
fn plain(text: &str) -> String {
    in_one_line(text).replace('@', "@\u{200b}")
}

/// Makes text from users harmless in Markdown: no mentions, no HTML, no fences, one line.
fn escape(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('`', "'")
}

/// Returns at most `limit` characters.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EnvironmentName, LaneName, RenderingId};

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
