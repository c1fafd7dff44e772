//! Comments, reactions and labels; every issue here is a pull request.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::{Answer, Call},
    paging::Page,
};
use crate::local_forge::{discussion::Comment, hub::Desk, refusal::Refusal};

#[derive(Debug, Deserialize)]
struct BodyOnly {
    #[serde(default)]
    body: String,
}

pub(super) fn comments(desk: &Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    desk.pull(key, number)?;
    let since = call.parameter("since").and_then(|text| text.parse::<Timestamp>().ok());
    let repository = desk.repository(key)?;
    let found: Vec<&Comment> = repository
        .comments
        .iter()
        .filter(|comment| comment.number == number && since.is_none_or(|since| comment.updated_at >= since))
        .collect();
    Ok(Page::cut(&desk.hub.urls, call, found).answer(|comment| desk.view().comment(repository, comment)))
}

/// The comments on everything, by creation or by change.
pub(super) fn all_comments(desk: &Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let since = call.parameter("since").and_then(|text| text.parse::<Timestamp>().ok());
    let repository = desk.repository(key)?;
    let mut found: Vec<&Comment> =
        repository.comments.iter().filter(|comment| since.is_none_or(|since| comment.updated_at >= since)).collect();
    let sort = call.parameter("sort");
    if sort == Some("updated") {
        found.sort_by_key(|comment| comment.updated_at);
    }
    // Without `sort` the direction is ignored, as on GitHub.
    if sort.is_some() && call.parameter("direction") == Some("desc") {
        found.reverse();
    }
    Ok(Page::cut(&desk.hub.urls, call, found).answer(|comment| desk.view().comment(repository, comment)))
}

pub(super) fn comment(desk: &Desk<'_>, key: &str, id: u64) -> Result<Answer, Refusal> {
    Ok(Answer::ok(desk.view().comment(desk.repository(key)?, desk.comment(key, id)?)))
}

pub(super) fn add_comment(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let asked: BodyOnly = call.read()?;
    let id = desk.add_comment(key, call.actor(), number, asked.body)?;
    Ok(Answer { status: 201, ..comment(desk, key, id)? })
}

pub(super) fn edit_comment(desk: &mut Desk<'_>, call: &Call, key: &str, id: u64) -> Result<Answer, Refusal> {
    let asked: BodyOnly = call.read()?;
    desk.edit_comment(key, call.actor(), id, asked.body)?;
    comment(desk, key, id)
}

pub(super) fn reactions(desk: &Desk<'_>, call: &Call, key: &str, id: u64) -> Result<Answer, Refusal> {
    let content = call.parameter("content");
    let all = desk.comment(key, id)?.reactions.iter();
    let found = all.filter(|one| content.is_none_or(|content| one.content == content)).collect();
    Ok(Page::cut(&desk.hub.urls, call, found).answer(|reaction| desk.view().reaction(reaction)))
}

#[derive(Debug, Deserialize)]
struct ReactionBody {
    #[serde(default)]
    content: String,
}

pub(super) fn react(desk: &mut Desk<'_>, call: &Call, key: &str, id: u64) -> Result<Answer, Refusal> {
    let asked: ReactionBody = call.read()?;
    let (reaction, is_new) = desk.react(key, call.actor(), id, &asked.content)?;
    let shown = desk.view().reaction(&reaction);
    Ok(if is_new { Answer::created(shown) } else { Answer::ok(shown) })
}

pub(super) fn labels(desk: &Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let shown = desk.view().labels(desk.repository(key)?, &desk.pull(key, number)?.labels);
    Ok(Page::cut(&desk.hub.urls, call, shown).answer(|label| label))
}

/// GitHub takes labels as a list, in an object, as objects with a name, or as one string.
fn label_names(call: &Call) -> Result<Vec<String>, Refusal> {
    let body = call.body.clone().unwrap_or(Value::Null);
    let list = body.get("labels").cloned().unwrap_or(body);
    let name = |value: &Value| value.as_str().or_else(|| value["name"].as_str()).map(str::to_owned);
    let names = match &list {
        Value::Array(values) => values.iter().map(name).collect::<Option<Vec<String>>>(),
        Value::Null => Some(Vec::new()),
        one => name(one).map(|name| vec![name]),
    };
    names.ok_or_else(|| Refusal::invalid("Label", "name"))
}

pub(super) fn add_labels(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    let mut names = desk.pull(key, number)?.labels.clone();
    names.extend(label_names(call)?);
    desk.set_labels(key, call.actor(), number, names)?;
    all_labels(desk, key, number)
}

pub(super) fn set_labels(desk: &mut Desk<'_>, call: &Call, key: &str, number: u64) -> Result<Answer, Refusal> {
    desk.set_labels(key, call.actor(), number, label_names(call)?)?;
    all_labels(desk, key, number)
}

pub(super) fn remove_label(
    desk: &mut Desk<'_>,
    call: &Call,
    key: &str,
    number: u64,
    name: &str,
) -> Result<Answer, Refusal> {
    let mut names = desk.pull(key, number)?.labels.clone();
    let position = names.iter().position(|one| one == name);
    names.remove(position.ok_or_else(|| Refusal::new(404, "Label does not exist"))?);
    desk.set_labels(key, call.actor(), number, names)?;
    all_labels(desk, key, number)
}

fn all_labels(desk: &Desk<'_>, key: &str, number: u64) -> Result<Answer, Refusal> {
    Ok(Answer::ok(desk.view().labels(desk.repository(key)?, &desk.pull(key, number)?.labels)))
}

#[derive(Debug, Deserialize)]
struct LabelBody {
    #[serde(default)]
    name: String,
    color: Option<String>,
    description: Option<String>,
}

pub(super) fn create_label(desk: &mut Desk<'_>, call: &Call, key: &str) -> Result<Answer, Refusal> {
    let asked: LabelBody = call.read()?;
    let label = desk.create_label(key, call.actor(), &asked.name, asked.color, asked.description)?;
    Ok(Answer::created(desk.view().label(desk.repository(key)?, &label)))
}
