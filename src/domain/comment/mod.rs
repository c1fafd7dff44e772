//! Commands in comments: what a person asked for, found in the text of a comment. Pure.
//!
//! - A command is a line of its own in the comment's text, never in code, quotes, links or HTML.
//! - What begins with our own prefix is always answered, also when it is no command; a bare `/word`
//!   that is none of ours belongs to somebody else, and gets silence.
//! - A comment with a mistake in one line is not half done by guessing: the line is answered with
//!   what would be right, and the other lines count by themselves.

mod answer;
#[cfg(test)]
mod anything;
mod arguments;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::answer::{Answer, Outcome};
use self::arguments::Arguments;
use super::{
    ids::EnvironmentName,
    permission::{Grant, OVERRIDE_NEEDS, Permission},
    strategy::nearest::{list, nearest},
};

/// The longest comment that is read, bytes: as many as GitHub's 65,536 characters can take.
const LENGTH_LIMIT: usize = 4 * 65_536;

/// The most commands of one comment: more is nobody's handwriting.
pub const COMMANDS_LIMIT: usize = 10;

/// The most characters of a line that are repeated in an answer.
const LINE_LIMIT: usize = 120;

/// The prefix that every forge lets pass.
pub const PREFIX: &str = "/hydromote";

/// What a command does, without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Shows the gates.
    Status,
    /// Shows what a promotion changes.
    Diff,
    /// Lists the commands.
    Help,
    /// Stops an environment.
    Hold,
    /// Tries again what failed.
    Retry,
    /// Promotes what is proposed.
    Promote,
    /// Ends a hold.
    Unhold,
    /// Rejects a dry SHA.
    Reject,
    /// Takes a rejection back.
    Unreject,
    /// Shows what a pull request into the dry branch would change.
    Preview,
    /// Lets a change of the strategy drop what is under way.
    Override,
    /// Brings earlier content back.
    Rollback,
    /// Brings back what was promoted last, over what others put there.
    Restore,
    /// Takes what others put there as what runs.
    Adopt,
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "verb")]
pub enum Command {
    /// Shows the gates.
    Status,
    /// Shows what a promotion changes.
    Diff {
        /// Where; the pull request's own environment when absent.
        environment: Option<EnvironmentName>,
    },
    /// Lists the commands.
    Help,
    /// Stops an environment.
    Hold {
        /// Which; the pull request's own when absent.
        environment: Option<EnvironmentName>,
        /// Why.
        reason: Option<String>,
    },
    /// Tries again what failed.
    Retry,
    /// Promotes what is proposed.
    Promote {
        /// Where; the pull request's own environment when absent.
        environment: Option<EnvironmentName>,
        /// Why closed windows are overridden; they are not when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        past_windows: Option<String>,
    },
    /// Ends a hold.
    Unhold {
        /// Where; the pull request's own environment when absent.
        environment: Option<EnvironmentName>,
    },
    /// Rejects a dry SHA.
    Reject {
        /// The commit id or its beginning; what the pull request proposes when absent.
        dry: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Takes a rejection back.
    Unreject {
        /// The commit id or its beginning; what the pull request proposes when absent.
        dry: Option<String>,
    },
    /// Shows what a pull request into the dry branch would change.
    Preview,
    /// Lets a change of the strategy drop what is under way.
    Override {
        /// Why.
        reason: String,
    },
    /// Brings earlier content back.
    Rollback(Rollback),
    /// Brings back what was promoted last, over what others put there.
    Restore {
        /// Where; the pull request's own environment when absent.
        environment: Option<EnvironmentName>,
        /// Why.
        reason: Option<String>,
    },
    /// Takes what others put there as what runs.
    Adopt {
        /// Where; the pull request's own environment when absent.
        environment: Option<EnvironmentName>,
        /// Why.
        reason: Option<String>,
    },
}

/// A rollback as somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Where.
    pub environment: EnvironmentName,
    /// To what; the last known-good when absent.
    pub to: Option<RollbackTo>,
    /// Which roots, by their labels; all when absent.
    pub only: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What a rollback goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RollbackTo {
    /// A dry SHA: its id or its beginning.
    Dry(String),
    /// So many promotions back.
    Steps(u32),
}

/// One line that is for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The line as it was written, one line, cut when it is long; people wrote it.
    pub line: String,
    /// What it asks for, or what is wrong with it.
    pub asks: Result<Command, Mistake>,
}

/// What is wrong with a line, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in words.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Why a comment is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// It is longer than any forge takes.
    #[error("the comment has {bytes} bytes; at most {LENGTH_LIMIT} are read")]
    Long {
        /// How long it is.
        bytes: usize,
    },
    /// It holds too many commands.
    #[error("the comment holds more than {COMMANDS_LIMIT} commands")]
    Many,
}

/// What a forge lets people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Only behind our prefix: GitLab swallows `/promote`.
    Prefixed,
    /// Also bare, where the word is nobody else's: other bots take `/hold` on anybody's pull request.
    Own,
    /// Also bare: `/promote`.
    Bare,
}

/// Finds the requests in a comment's Markdown, in their order; `bot` is our login on the forge.
///
/// # Errors
/// When nobody wrote this by hand: nothing of it counts.
pub fn parse(body: &str, bot: &str, spelling: Spelling) -> Result<Vec<Request>, TooMuch> {
    if body.len() > LENGTH_LIMIT {
        return Err(TooMuch::Long { bytes: body.len() });
    }
    if !body.contains(['/', '@']) {
        return Ok(Vec::new());
    }
    let requests: Vec<Request> =
        text::lines(body).iter().filter_map(|line| request(line, bot, spelling)).take(COMMANDS_LIMIT + 1).collect();
    if requests.len() > COMMANDS_LIMIT { Err(TooMuch::Many) } else { Ok(requests) }
}

/// Returns what a line asks of us; nothing when it does not speak to us.
fn request(line: &str, bot: &str, spelling: Spelling) -> Option<Request> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let asks = if first.eq_ignore_ascii_case(PREFIX) || is_mention(first, bot) {
        let rest = rest.trim();
        let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match Verb::named(word) {
            Some(verb) => verb.with(rest),
            None if word.is_empty() => Ok(Command::Help),
            None => Err(unknown(word)),
        }
    } else {
        let verb = first.strip_prefix('/').and_then(Verb::named)?;
        let stands_alone = match spelling {
            Spelling::Prefixed => false,
            Spelling::Own => verb.is_own(),
            Spelling::Bare => verb.is_bare(),
        };
        if !stands_alone {
            return None;
        }
        verb.with(rest)
    };
    Some(Request { line: shortened(line), asks })
}

/// Says whether a word mentions us; an App's login ends with `[bot]`, which nobody types.
fn is_mention(word: &str, bot: &str) -> bool {
    let Some(name) = word.strip_prefix('@') else { return false };
    let name = name.trim_end_matches([':', ',']);
    name.eq_ignore_ascii_case(bot) || bot.strip_suffix("[bot]").is_some_and(|bot| name.eq_ignore_ascii_case(bot))
}

fn unknown(word: &str) -> Mistake {
    let words = Verb::ALL.map(Verb::word);
    let help = match nearest(word, &words) {
        Some(near) => format!("Did you mean `{near}`? `{PREFIX} help` lists what there is."),
        None => format!("There is {}.", list(&words, "and")),
    };
    Mistake { message: format!("`{}` is no command.", text::visible(&shortened(word))), help }
}

/// Returns a line as it is repeated in answers.
fn shortened(line: &str) -> String {
    let line = text::visible(line);
    if line.chars().count() <= LINE_LIMIT {
        return line;
    }
    line.chars().take(LINE_LIMIT - 1).chain(['…']).collect()
}

impl Verb {
    /// Every verb, in the order of the help.
    pub const ALL: [Self; 14] = [
        Self::Status,
        Self::Diff,
        Self::Help,
        Self::Hold,
        Self::Retry,
        Self::Promote,
        Self::Unhold,
        Self::Reject,
        Self::Unreject,
        Self::Preview,
        Self::Override,
        Self::Rollback,
        Self::Restore,
        Self::Adopt,
    ];

    /// Returns the word that people write.
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Diff => "diff",
            Self::Help => "help",
            Self::Hold => "hold",
            Self::Retry => "retry",
            Self::Promote => "promote",
            Self::Unhold => "unhold",
            Self::Reject => "reject",
            Self::Unreject => "unreject",
            Self::Preview => "preview",
            Self::Override => "override",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
            Self::Adopt => "adopt",
        }
    }

    /// Returns how the command is written.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Diff => "diff [environment]",
            Self::Help => "help",
            Self::Hold => "hold [environment] [reason=\"…\"]",
            Self::Retry => "retry",
            Self::Promote => "promote [environment] [override=windows reason=\"…\"]",
            Self::Unhold => "unhold [environment]",
            Self::Reject => "reject [commit] [reason=\"…\"]",
            Self::Unreject => "unreject [commit]",
            Self::Preview => "preview",
            Self::Override => "override reason=\"…\"",
            Self::Rollback => "rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason=\"…\"]",
            Self::Restore => "restore [environment] [reason=\"…\"]",
            Self::Adopt => "adopt [environment] [reason=\"…\"]",
        }
    }

    /// Returns what the command does, for the help.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Status => "shows what runs, what waits, and for what",
            Self::Diff => "shows what the promotion changes",
            Self::Help => "shows this list",
            Self::Hold => "stops an environment until somebody writes `unhold`",
            Self::Retry => "tries again what failed",
            Self::Promote => "promotes what is proposed, once every other gate is open",
            Self::Unhold => "ends a hold",
            Self::Reject => "keeps a dry commit from being promoted anywhere",
            Self::Unreject => "takes the rejection of a dry commit back",
            Self::Preview => "shows what a pull request into the dry branch would change",
            Self::Override => "lets a change of the strategy drop what is under way",
            Self::Rollback => "brings earlier content back",
            Self::Restore => "brings back what was promoted last, over what others changed on the branch",
            Self::Adopt => "takes what others changed on the branch as what runs",
        }
    }

    /// Returns the right on the repository that the command needs.
    pub fn needs(self) -> Permission {
        match self {
            Self::Status | Self::Diff | Self::Help => Permission::Read,
            Self::Hold | Self::Retry => Permission::Triage,
            Self::Promote | Self::Unhold | Self::Reject | Self::Unreject | Self::Preview => Permission::Write,
            Self::Override => OVERRIDE_NEEDS,
            Self::Rollback | Self::Restore | Self::Adopt => Permission::Maintain,
        }
    }

    /// Says whether it changes environments: then the right is needed where they have their branches.
    pub fn is_about_environments(self) -> bool {
        matches!(self, Self::Promote | Self::Hold | Self::Unhold | Self::Rollback | Self::Restore | Self::Adopt)
    }

    /// Returns the key of the strategy's `permissions` whose people may give the command without that right.
    pub fn grant(self) -> Option<Grant> {
        match self {
            Self::Promote | Self::Unhold | Self::Reject | Self::Unreject | Self::Preview => Some(Grant::Promote),
            Self::Override => Some(Grant::Override),
            Self::Rollback | Self::Restore | Self::Adopt => Some(Grant::Rollback),
            Self::Status | Self::Diff | Self::Help | Self::Hold | Self::Retry => None,
        }
    }

    /// Says whether the command may stand without our prefix. The other words are too common: other
    /// bots answer `/help`, `/diff`, `/preview` and `/override`, and may `/adopt` and `/restore`.
    pub fn is_bare(self) -> bool {
        !matches!(self, Self::Diff | Self::Help | Self::Preview | Self::Override | Self::Restore | Self::Adopt)
    }

    /// Says whether no other bot is known to take the word: Prow, of Kubernetes and others, takes `/hold`,
    /// `/unhold` and `/retry` (<https://prow.k8s.io/command-help>).
    pub fn is_own(self) -> bool {
        matches!(self, Self::Promote | Self::Reject | Self::Unreject | Self::Rollback)
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| word.eq_ignore_ascii_case(verb.word()))
    }

    /// Reads the arguments of the command.
    fn with(self, rest: &str) -> Result<Command, Mistake> {
        let mut arguments = Arguments::read(self, rest)?;
        let command = match self {
            Self::Status => Command::Status,
            Self::Diff => Command::Diff { environment: arguments.environment()? },
            Self::Help => {
                // `help promote` is asked too; the whole list is short enough for it.
                arguments.word();
                Command::Help
            }
            Self::Hold => Command::Hold { environment: arguments.environment()?, reason: arguments.named("reason") },
            Self::Retry => Command::Retry,
            Self::Promote => {
                Command::Promote { environment: arguments.environment()?, past_windows: arguments.past_windows()? }
            }
            Self::Unhold => Command::Unhold { environment: arguments.environment()? },
            Self::Reject => Command::Reject { dry: arguments.commit()?, reason: arguments.named("reason") },
            Self::Unreject => Command::Unreject { dry: arguments.commit()? },
            Self::Preview => Command::Preview,
            Self::Override => Command::Override { reason: arguments.required_reason()? },
            Self::Rollback => Command::Rollback(Rollback {
                environment: arguments.required_environment()?,
                to: arguments.rollback_to()?,
                only: arguments.named("only"),
                reason: arguments.named("reason"),
            }),
            Self::Restore => {
                Command::Restore { environment: arguments.environment()?, reason: arguments.named("reason") }
            }
            Self::Adopt => Command::Adopt { environment: arguments.environment()?, reason: arguments.named("reason") },
        };
        arguments.end()?;
        Ok(command)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Command {
    /// Returns what the command does, without its arguments.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Status => Verb::Status,
            Self::Diff { .. } => Verb::Diff,
            Self::Help => Verb::Help,
            Self::Hold { .. } => Verb::Hold,
            Self::Retry => Verb::Retry,
            Self::Promote { .. } => Verb::Promote,
            Self::Unhold { .. } => Verb::Unhold,
            Self::Reject { .. } => Verb::Reject,
            Self::Unreject { .. } => Verb::Unreject,
            Self::Preview => Verb::Preview,
            Self::Override { .. } => Verb::Override,
            Self::Rollback(_) => Verb::Rollback,
            Self::Restore { .. } => Verb::Restore,
            Self::Adopt { .. } => Verb::Adopt,
        }
    }
}
