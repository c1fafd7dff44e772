//! The arguments of one command: a word, and `name=value` with quotes.

use super::{
    Mistake, PREFIX, RollbackTo, Verb,
    text::{self, NO_TEXT},
};
use crate::domain::ids::EnvironmentName;

/// The most characters of a reason that are kept.
const REASON_LIMIT: usize = 200;

/// The shortest beginning of a commit id that means one.
const SHORTEST_COMMIT: usize = 7;

/// What is left to read of a command's arguments.
pub(super) struct Arguments {
    verb: Verb,
    words: Vec<String>,
    named: Vec<(String, String)>,
}

impl Arguments {
    /// Splits `rest` into words, and checks that nothing stands twice.
    pub(super) fn read(verb: Verb, rest: &str) -> Result<Self, Mistake> {
        if rest.contains(NO_TEXT) {
            let message = format!("`{verb}` has something in its line that is not plain text.");
            return Err(Mistake { message, help: format!("Write it without code, links and images: {}", usage(verb)) });
        }
        let mut arguments = Self { verb, words: Vec::new(), named: Vec::new() };
        for word in split(rest).ok_or_else(|| arguments.mistake("has a quote that does not end"))? {
            match word {
                Word::Plain(word) => arguments.words.push(word),
                Word::Named(name, value) => {
                    if arguments.named.iter().any(|(other, _)| *other == name) {
                        return Err(arguments.mistake(&format!("names `{}` twice", text::visible(&name))));
                    }
                    arguments.named.push((name, value));
                }
            }
        }
        Ok(arguments)
    }

    /// Returns the next word.
    pub(super) fn word(&mut self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.remove(0))
    }

    /// Returns the value of a named argument, cut when it is long; an empty one is none.
    pub(super) fn named(&mut self, name: &str) -> Option<String> {
        let at = self.named.iter().position(|(other, _)| other == name)?;
        let value: String = self.named.remove(at).1.chars().take(REASON_LIMIT).collect();
        (!value.is_empty()).then_some(value)
    }

    /// Returns the environment that the next word names.
    pub(super) fn environment(&mut self) -> Result<Option<EnvironmentName>, Mistake> {
        let Some(word) = self.word() else { return Ok(None) };
        match EnvironmentName::new(word.clone()) {
            Ok(environment) => Ok(Some(environment)),
            Err(_) => Err(self.mistake(&format!("names `{}`, which is no environment", text::visible(&word)))),
        }
    }

    /// Returns the environment that must be named.
    pub(super) fn required_environment(&mut self) -> Result<EnvironmentName, Mistake> {
        self.environment()?.ok_or_else(|| self.mistake("names no environment"))
    }

    /// Returns the commit id, or its beginning, that the next word names.
    pub(super) fn commit(&mut self) -> Result<Option<String>, Mistake> {
        match self.word() {
            None => Ok(None),
            Some(word) => self.as_commit(&word).map(Some),
        }
    }

    /// Returns what to go back to.
    pub(super) fn rollback_to(&mut self) -> Result<Option<RollbackTo>, Mistake> {
        match (self.named("to"), self.named("steps")) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(self.mistake("has both `to` and `steps`")),
            (Some(commit), None) => Ok(Some(RollbackTo::Dry(self.as_commit(&commit)?))),
            (None, Some(steps)) => match steps.parse() {
                Ok(steps) if steps > 0 => Ok(Some(RollbackTo::Steps(steps))),
                _ => Err(self.mistake("needs a number of at least 1 as `steps`")),
            },
        }
    }

    /// Returns why closed windows are overridden, when they are.
    pub(super) fn past_windows(&mut self) -> Result<Option<String>, Mistake> {
        match self.named("override") {
            None => Ok(None),
            Some(word) if !word.eq_ignore_ascii_case("windows") => {
                let word = text::visible(&word);
                Err(self.mistake(&format!("cannot override `{word}`, only `windows`")))
            }
            Some(_) => match self.named("reason").filter(|reason| !reason.trim().is_empty()) {
                Some(reason) => Ok(Some(reason)),
                None => Err(self.mistake("needs a `reason` to override windows")),
            },
        }
    }

    /// Returns the reason that must be given.
    pub(super) fn required_reason(&mut self) -> Result<String, Mistake> {
        self.named("reason").filter(|reason| !reason.trim().is_empty()).ok_or_else(|| self.mistake("needs a `reason`"))
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), Mistake> {
        let named = self.named.iter().map(|(name, _)| format!("{name}="));
        match self.words.iter().cloned().chain(named).next() {
            None => Ok(()),
            Some(word) => Err(self.mistake(&format!("does not know what `{}` is", text::visible(&word)))),
        }
    }

    fn as_commit(&self, word: &str) -> Result<String, Mistake> {
        let is_id = word.bytes().all(|byte| byte.is_ascii_hexdigit()) && (SHORTEST_COMMIT..=64).contains(&word.len());
        if is_id {
            return Ok(word.to_ascii_lowercase());
        }
        Err(self.mistake(&format!("names `{}`, which is no commit id of 7 or more digits", text::visible(word))))
    }

    fn mistake(&self, what: &str) -> Mistake {
        Mistake { message: format!("`{}` {what}.", self.verb), help: format!("Write it as {}", usage(self.verb)) }
    }
}

fn usage(verb: Verb) -> String {
    format!("`{PREFIX} {}`.", verb.usage())
}

enum Word {
    Plain(String),
    Named(String, String),
}

/// Splits at white space outside of quotes; nothing when a quote does not end.
fn split(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut word = String::new();
        let mut name = None;
        let mut closing: Option<char> = None;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match closing {
                Some(quote) if c == quote => closing = None,
                Some(_) => word.push(c),
                None if c.is_whitespace() => {
                    end = at;
                    break;
                }
                None if c == '=' && name.is_none() && !word.is_empty() => {
                    name = Some(std::mem::take(&mut word).to_ascii_lowercase());
                }
                None => match closing_quote(c) {
                    // An apostrophe inside a word is no quote.
                    Some(quote) if word.is_empty() => closing = Some(quote),
                    _ => word.push(c),
                },
            }
        }
        if closing.is_some() {
            return None;
        }
        words.push(match name {
            Some(name) => Word::Named(name, word),
            None => Word::Plain(word),
        });
        rest = rest[end..].trim_start();
    }
    Some(words)
}

/// Returns what ends a quote; telephones type the curly ones.
fn closing_quote(opening: char) -> Option<char> {
    match opening {
        '"' | '\'' => Some(opening),
        '“' => Some('”'),
        '„' => Some('“'),
        '‘' => Some('’'),
        '«' => Some('»'),
        _ => None,
    }
}
