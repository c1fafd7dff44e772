//! Comments, of which GitLab leaves out what it takes for commands of its own.

use serde_json::{Value, json};

use super::face::{Answer, World, error, now, sample, user};

/// Some of the words that GitLab takes; the list is longer, and grows.
const QUICK_ACTIONS: [&str; 14] = [
    "approve", "assign", "close", "draft", "label", "lock", "merge", "promote", "publish", "ready", "rebase", "reopen",
    "status", "title",
];

/// One comment.
pub(super) struct Note {
    id: u64,
    author: u64,
    iid: u64,
    pub(super) body: String,
    created_at: String,
    updated_at: String,
}

/// Returns a text without the lines that are commands of GitLab's, and those lines.
///
/// Code is left alone; what stands in a fence that is never closed is none.
pub(super) fn obey(text: &str) -> (String, Vec<String>) {
    let (mut kept, mut obeyed, mut fence_closes) = (Vec::new(), Vec::new(), None);
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let is_in_code = fence_closes.is_some_and(|end| index <= end);
        if !is_in_code && line.starts_with("```") {
            let end = lines.iter().skip(index + 1).position(|line| line.trim_end() == "```");
            fence_closes = end.map(|after| index + 1 + after);
        }
        let word = line.strip_prefix('/').and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        if !is_in_code && QUICK_ACTIONS.contains(&word.to_lowercase().as_str()) {
            obeyed.push((*line).to_owned());
        } else {
            kept.push(*line);
        }
    }
    (kept.join("\n"), obeyed)
}

impl World {
    /// Answers a request about the comments on one merge request.
    pub(super) fn notes_on(&mut self, by: u64, iid: u64, method: &str, path: &[&str], body: &Value) -> Answer {
        let text = body["body"].as_str().unwrap_or_default();
        match (method, path) {
            ("GET", []) => (200, self.notes.iter().filter(|note| note.iid == iid).map(Note::shown).collect()),
            ("POST", []) => self.comment(by, iid, text),
            ("PUT", [id]) => {
                let (kept, obeyed) = obey(text);
                self.obeyed.extend(obeyed);
                let id: u64 = id.parse().unwrap_or_default();
                let Some(note) = self.notes.iter_mut().find(|note| note.id == id && note.iid == iid) else {
                    return error(404, "404 Note Not Found");
                };
                note.body = kept;
                note.updated_at = now();
                (200, note.shown())
            }
            (_, [id, "award_emoji"]) => self.awards_on(by, id.parse().unwrap_or_default(), method, body),
            _ => error(404, "404 Not Found"),
        }
    }

    fn comment(&mut self, by: u64, iid: u64, text: &str) -> Answer {
        let (kept, obeyed) = obey(text);
        let is_obeyed = !obeyed.is_empty();
        self.obeyed.extend(obeyed);
        if is_obeyed && kept.trim().is_empty() {
            // Nothing is left to be saved, and nobody is told.
            return (202, json!({"commands_changes": {}, "summary": ["Applied commands."]}));
        }
        let (id, at) = (self.id(), now());
        let note = Note { id, author: by, iid, body: kept, created_at: at.clone(), updated_at: at };
        let shown = note.shown();
        self.notes.push(note);
        let mut payload = sample(include_str!("../../data/webhooks-gitlab/note_merge_request.json"));
        payload["project"]["path_with_namespace"] = json!("acme/web/shop");
        payload["user"] = user(by);
        payload["merge_request"]["iid"] = json!(iid);
        payload["object_attributes"]["id"] = json!(id);
        self.deliveries.push(("Note Hook".to_owned(), payload));
        (201, shown)
    }

    fn awards_on(&mut self, by: u64, note: u64, method: &str, body: &Value) -> Answer {
        let mut given = self.awards.iter().filter(|award| award.0 == note);
        match (method, body["name"].as_str()) {
            ("GET", _) => {
                let shown = |(_, by, name): &(u64, u64, String)| json!({"id": 4, "name": name, "user": user(*by)});
                (200, given.map(shown).collect())
            }
            ("POST", Some(name)) if given.any(|award| award.1 == by && award.2 == name) => {
                error(404, "404 Award Emoji Name has already been taken Not Found")
            }
            ("POST", Some(name)) => {
                self.awards.push((note, by, name.to_owned()));
                (201, json!({"id": 4, "name": name, "user": user(by)}))
            }
            _ => error(400, "name is missing"),
        }
    }

    /// Returns what happened, newest first: only comments are asked for.
    pub(super) fn events(&self) -> Value {
        let event = |note: &Note| json!({"id": note.id, "action_name": "commented on", "created_at": note.created_at, "note": note.shown()});
        self.notes.iter().rev().map(event).collect()
    }
}

impl Note {
    fn shown(&self) -> Value {
        json!({"id": self.id, "type": null, "body": self.body, "author": user(self.author), "system": false,
            "created_at": self.created_at, "updated_at": self.updated_at, "noteable_type": "MergeRequest",
            "noteable_iid": self.iid, "internal": false})
    }
}
