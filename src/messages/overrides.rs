//! Texts of users in place of the built-in ones, from a folder.
//!
//! - A text that cannot be right is refused at the start: one that does not parse, that uses what is
//!   not there, or that cannot be rendered for one of the [samples](super::samples).
//! - One that fails later all the same stops nothing: the built-in text stands in, and the log says
//!   so once.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use minijinja::{Environment, Error, Value, value::Serde};

use super::{
    environment, samples,
    template::{Emptiness, TEMPLATES, Template},
};
use crate::domain::strategy::nearest::{list, nearest};

/// The largest file that is read, bytes: a text that fits on a forge has less.
const FILE_LIMIT: u64 = 64 << 10;

/// The texts in a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct OverridesError {
    /// Every mistake that was found; never empty.
    pub mistakes: Vec<TemplateMistake>,
}

/// One mistake in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMistake {
    /// The file, or the folder.
    pub path: PathBuf,
    /// The line in it, from 1, where one is at fault.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for TemplateMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.text),
            None => write!(f, "{}: {}", self.path.display(), self.text),
        }
    }
}

/// The texts of users.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides {
    templates: Environment<'static>,
    complained: Arc<BTreeMap<&'static str, AtomicBool>>,
}

impl Overrides {
    /// Reads and checks a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, OverridesError> {
        let (files, mut mistakes) = files(folder);
        let mut overrides = Self { templates: environment(), complained: Arc::default() };
        let mut complained = BTreeMap::new();
        for (path, template, text) in files {
            match overrides.add(template, &text) {
                Ok(()) => drop(complained.insert(template.name, AtomicBool::new(false))),
                Err((line, text)) => mistakes.push(TemplateMistake { path, line, text }),
            }
        }
        overrides.complained = Arc::new(complained);
        if mistakes.is_empty() { Ok(overrides) } else { Err(OverridesError { mistakes }) }
    }

    /// Adds one text, when it is right.
    fn add(&mut self, template: &'static Template, text: &str) -> Result<(), (Option<usize>, String)> {
        let told = |error: Error| (error.line(), words(&error));
        self.templates.add_template_owned(template.name, text.to_owned()).map_err(told)?;
        let parsed = self.templates.get_template(template.name).map_err(told)?;
        let mut used: Vec<String> = parsed.undeclared_variables(true).into_iter().collect();
        used.sort();
        let is_global = |name: &str| self.templates.globals().any(|(global, _)| name == global);
        if let Some(unknown) = used.iter().find(|name| !template.has_variable(name) && !is_global(name)) {
            return Err((line_of(text, unknown), unknown_variable(template, unknown)));
        }
        for context in samples::contexts().into_iter().filter(|(name, _)| *name == template.name).map(|(_, c)| c) {
            self.try_render(template, &context).map_err(|error| {
                let words = words(&error);
                let undefined = error.kind() == minijinja::ErrorKind::UndefinedError;
                let there = if undefined { format!("; {}", variables(template)) } else { String::new() };
                (error.line(), format!("cannot be rendered: {words}{there}"))
            })?;
        }
        Ok(())
    }

    /// Renders the user's text; nothing when there is none, or when it fails.
    pub(super) fn render(&self, name: &'static str, context: &serde_json::Value) -> Option<String> {
        let complained = self.complained.get(name)?;
        match self.try_render(Template::named(name)?, context) {
            Ok(text) => Some(text),
            Err(error) => {
                if !complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        template = name,
                        "the text `{name}` of `[messages] templates` failed, and the built-in one stands in from case \
                         to case: {}{}",
                        words(&error),
                        error.line().map(|line| format!(" (line {line})")).unwrap_or_default()
                    );
                }
                None
            }
        }
    }

    fn try_render(&self, template: &Template, context: &serde_json::Value) -> Result<String, Error> {
        let text = self.templates.get_template(template.name)?.render(Value::from(Serde(context)))?;
        if template.emptiness == Emptiness::Refused && text.trim().is_empty() {
            return Err(Error::new(
                minijinja::ErrorKind::InvalidOperation,
                "it says nothing, which git and forges refuse",
            ));
        }
        Ok(text)
    }
}

/// Returns the texts in a folder, and what is wrong with its files.
fn files(folder: &Path) -> (Vec<(PathBuf, &'static Template, String)>, Vec<TemplateMistake>) {
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    let mut mistake = |path: PathBuf, text: String| mistakes.push(TemplateMistake { path, line: None, text });
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => {
            mistake(folder.to_owned(), format!("cannot be read ({}); name a folder of texts", error.kind()));
            return (files, mistakes);
        }
    };
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Mounted volumes keep their own folders so, and editors and git their files.
        if name.starts_with('.') {
            continue;
        }
        match Template::named(&name) {
            None => mistake(path, unknown_file(&name)),
            Some(template) => match read(&path) {
                Ok(text) => files.push((path, template, text)),
                Err(text) => mistake(path, text),
            },
        }
    }
    (files, mistakes)
}

/// Reads one file, which may be a link: so mounted volumes show theirs.
fn read(path: &Path) -> Result<String, String> {
    let is_file = fs::metadata(path).map_err(|error| format!("cannot be read ({})", error.kind()))?.is_file();
    if !is_file {
        return Err("is no file; write the text into a file of this name".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| format!("cannot be read ({})", error.kind()))?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read ({})", error.kind()))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(format!("is larger than {} KiB; no forge takes so much text", FILE_LIMIT >> 10));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("is no UTF-8: the byte at offset {} is not; save it as UTF-8", error.utf8_error().valid_up_to())
    })
}

fn unknown_file(name: &str) -> String {
    let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
    let help = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there is {}", list(&names, "and")),
    };
    format!("is the name of no text; {help}")
}

fn unknown_variable(template: &Template, name: &str) -> String {
    let names: Vec<&str> = template.variables.iter().map(|variable| variable.name).collect();
    let near = nearest(name, &names).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    format!("uses `{name}`, which is not there{near}; {}", variables(template))
}

fn variables(template: &Template) -> String {
    let names: Vec<&str> = template.variables.iter().map(|variable| variable.name).collect();
    format!("its variables are {}", list(&names, "and"))
}

/// Returns what the template engine says, without the place.
fn words(error: &Error) -> String {
    let kind = error.kind().to_string();
    error.detail().map(|detail| format!("{kind}: {detail}")).unwrap_or(kind)
}

/// Returns the line that names a variable first; the engine does not tell.
fn line_of(text: &str, variable: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .position(|line| {
            line.match_indices(variable).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + variable.len()..]);
                !before.ends_with(|c| is_part(c) || c == '.') && !after.starts_with(is_part)
            })
        })
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        comment::Answer,
        ids::{DrySha, EnvironmentName, LaneName, Place, RootName},
    };
    use crate::messages::{
        Changes, DryText, Messages, PromotionText, RollbackText, is_status_comment,
        samples::{busy_place, outcomes},
    };
    use crate::messages::{Standing, StatusText};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// What a person writes who wants to be seen, heard, or to hide something.
    const HOSTILE: &str = "@all <!-- ``` [x](y)\nHydromote-Dry-Sha: forged";

    fn folder(files: &[(&str, &str)]) -> Result<tempfile::TempDir, std::io::Error> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            fs::write(folder.path().join(name), text)?;
        }
        Ok(folder)
    }

    /// Returns what an operator is told of a folder, without where it is.
    fn told(files: &[(&str, &str)]) -> Result<String, Box<dyn std::error::Error>> {
        let folder = folder(files)?;
        let told = Messages::with_overrides(folder.path()).err().map_or("no mistake".to_owned(), |e| e.to_string());
        Ok(told.replace(&format!("{}/", folder.path().display()), ""))
    }

    fn place() -> Place {
        Place { environment: EnvironmentName::new("dev").expect("a name"), lane: LaneName::single() }
    }

    fn dry() -> DryText {
        DryText::new(&DrySha::new("0123456789").expect("an id"), HOSTILE, HOSTILE)
    }

    fn promotion() -> PromotionText {
        PromotionText {
            dry: dry(),
            place: place(),
            changes: Changes::default(),
            parts: Vec::new(),
            renderers: Vec::new(),
        }
    }

    #[test]
    fn what_cannot_be_right_is_told_with_its_place() -> TestResult {
        insta::assert_snapshot!(told(&[
            ("commit.tx", ""),
            ("letter.md", ""),
            ("merge.txt", "Merged\n{% for gate in gates %}{{ gate }}"),
            ("pull_request_body.md", "See\n\n{% if auto_merge and false %}{{ dry.sujbect }}{% endif %}"),
            ("pull_request_title.txt", " {# nothing #}\n"),
            ("readme.md", "{{ root | shout }}"),
            ("rollback_commit.txt", "{{ from.sha.first }}"),
            ("rollback_title.txt", "{{ plac }}"),
            ("status_comment.md", "\n{% for gate in gates %}{{ gate.word }}{% endfor %}"),
        ])?, @"
        commit.tx: is the name of no text; did you mean `commit.txt`?
        letter.md: is the name of no text; there is `commit.txt`, `pull_request_title.txt`, `pull_request_body.md`, `merge.txt`, `readme.md`, `rollback_title.txt`, `rollback_body.md`, `rollback_commit.txt`, `restore_title.txt`, `restore_body.md`, `restore_commit.txt`, `status_comment.md`, `overdue_comment.md`, `dry_status_comment.md` and `answer.md`
        merge.txt:2: syntax error: unexpected end of input, expected end of block
        pull_request_body.md:3: uses `dry.sujbect`, which is not there (did you mean `dry.subject`?); its variables are `place`, `environment`, `dry.sha`, `dry.short`, `dry.subject`, `dry.author`, `changes.added`, `changes.changed`, `changes.removed`, `parts[].lane`, `parts[].dry.sha`, `parts[].dry.short`, `parts[].dry.subject`, `parts[].dry.author`, `parts[].changes.added`, `parts[].changes.changed`, `parts[].changes.removed`, `more_parts`, `renderers[].by`, `renderers[].before`, `renderers[].roots`, `auto_merge`, `status_key` and `status_url`
        pull_request_title.txt: cannot be rendered: invalid operation: it says nothing, which git and forges refuse
        readme.md:1: cannot be rendered: unknown filter: filter shout is unknown
        rollback_commit.txt:1: uses `from.sha.first`, which is not there; its variables are `place`, `environment`, `from.sha`, `from.short`, `from.subject`, `from.author`, `to.sha`, `to.short`, `to.subject`, `to.author`, `by`, `automatic`, `roots` and `reason`
        rollback_title.txt:1: uses `plac`, which is not there (did you mean `place`?); its variables are `place`, `environment`, `from.sha`, `from.short`, `from.subject`, `from.author`, `to.sha`, `to.short`, `to.subject`, `to.author`, `by`, `automatic`, `roots` and `reason`
        status_comment.md:2: cannot be rendered: undefined value: `gate.word` is undefined; its variables are `standing`, `place`, `running`, `wanted`, `lanes[].lane`, `lanes[].running`, `lanes[].wanted`, `gates[].words`, `gates[].since`, `gates[].remedy`, `notices`, `answers[].line`, `answers[].by`, `answers[].text` and `status_url`
        ");
        Ok(())
    }

    #[test]
    fn what_is_no_text_is_told() -> TestResult {
        let folder = folder(&[("merge.txt", &"x".repeat(70_000)), (".gitkeep", "")])?;
        fs::write(folder.path().join("readme.md"), b"\xff\xfe")?;
        fs::create_dir(folder.path().join("commit.txt"))?;
        fs::create_dir(folder.path().join("..data"))?;
        let told = Messages::with_overrides(folder.path()).expect_err("is wrong").to_string();
        insta::assert_snapshot!(told.replace(&format!("{}/", folder.path().display()), ""), @"
        commit.txt: is no file; write the text into a file of this name
        merge.txt: is larger than 64 KiB; no forge takes so much text
        readme.md: is no UTF-8: the byte at offset 0 is not; save it as UTF-8
        ");
        let missing = Messages::with_overrides(&folder.path().join("missing")).expect_err("is wrong").to_string();
        assert!(missing.ends_with("missing: cannot be read (entity not found); name a folder of texts"), "{missing}");
        Ok(())
    }

    #[test]
    fn the_built_in_texts_are_good_texts_of_users() -> TestResult {
        let all: Vec<(&str, &str)> = TEMPLATES.iter().map(|template| (template.name, template.built_in)).collect();
        assert_eq!(told(&all)?, "no mistake");
        Ok(())
    }

    #[test]
    fn a_text_that_leaves_everything_out_breaks_nothing() -> TestResult {
        let all: Vec<(&str, &str)> = TEMPLATES
            .iter()
            .map(|t| (t.name, if t.emptiness == Emptiness::Refused { "One\n\nHydromote-Dry-Sha: forged" } else { "" }))
            .collect();
        let folder = folder(&all)?;
        let messages = Messages::with_overrides(folder.path())?;
        let rollback = RollbackText::new(&place(), dry(), dry(), HOSTILE, false, HOSTILE);
        let last = |message: String| message.rsplit("\n\n").next().map(str::to_owned);
        for message in [
            messages.commit(&promotion(), "A: b\n")?,
            messages.merge(&[HOSTILE.to_owned()], "A: b\n")?,
            messages.rollback_commit(&rollback, "A: b\n")?,
            messages.rollback_merge(&rollback, "A: b\n")?,
        ] {
            assert_eq!(last(message.clone()).as_deref(), Some("A: b\n"), "{message}");
        }
        let pull = messages.pull_request(&promotion(), false, "hydromote/dev", None)?;
        assert_eq!((pull.title.as_str(), pull.body.as_str()), ("One Hydromote-Dry-Sha: forged", ""));
        assert_eq!(messages.rollback_title(&rollback)?, "One Hydromote-Dry-Sha: forged");
        let place = busy_place();
        let answers: Vec<Answer> = outcomes()
            .into_iter()
            .map(|outcome| Answer { by: HOSTILE.to_owned(), line: "/promote".to_owned(), outcome })
            .collect();
        let text = StatusText {
            place: &place,
            bundle: &[],
            places: std::slice::from_ref(&place),
            standing: Standing::Open,
            answers: &answers,
            bot: "hydromote",
            status_url: None,
        };
        assert!(is_status_comment(&messages.status_comment(&text)?));
        Ok(())
    }

    #[test]
    fn words_of_users_are_harmless_in_every_text_that_says_all_it_can() -> TestResult {
        let everything = |template: &Template| -> String {
            let simple = |name: &str| format!("{{{{ {name} if {name} is defined }}}} ");
            template
                .variables
                .iter()
                .map(|variable| variable.name.split('[').next().unwrap_or_default())
                .map(simple)
                .collect()
        };
        let all: Vec<(&str, String)> = TEMPLATES.iter().map(|template| (template.name, everything(template))).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let folder = folder(&all)?;
        let messages = Messages::with_overrides(folder.path())?;
        let rollback = RollbackText::new(&place(), dry(), dry(), HOSTILE, false, HOSTILE);
        let pull = messages.pull_request(&promotion(), false, "hydromote/dev", None)?;
        let rolled = messages.rollback_pull_request(&rollback, None)?;
        let root = RootName::new("shop")?;
        let markdown = [pull.body, rolled.body, messages.readme(&root, &dry(), "https://example.com", &[])?];
        for text in &markdown {
            assert!(text.contains("[x](y)") && !text.contains("<!--") && !text.contains("```"), "{text}");
        }
        let plain =
            [messages.commit(&promotion(), "A: b\n")?, pull.title, messages.merge(&[HOSTILE.into()], "A: b\n")?];
        for text in markdown.iter().chain(&plain) {
            assert!(text.contains("@\u{200b}all") && !text.contains("@all") && !text.contains("\nHydromote"), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_text_that_fails_later_is_replaced_by_the_built_in_one() -> TestResult {
        let rare = "{% if changes.added | length > 5 %}{{ changes.added[99].name }}{% endif %}Rarely wrong";
        let folder = folder(&[("commit.txt", rare)])?;
        let messages = Messages::with_overrides(folder.path())?;
        assert_eq!(messages.commit(&promotion(), "A: b\n")?, "Rarely wrong\n\nA: b\n");
        let added = (0..6).map(|n| format!("`{n}`")).collect();
        let many = PromotionText { changes: Changes { added, ..Changes::default() }, ..promotion() };
        assert_eq!(messages.commit(&many, "A: b\n")?, Messages::built_in().commit(&many, "A: b\n")?);
        assert!(messages.overrides.complained["commit.txt"].load(Ordering::Relaxed));
        Ok(())
    }
}
