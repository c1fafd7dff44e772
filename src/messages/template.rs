//! Every text that people read in commits and on a forge: its name, its built-in words, and what it
//! may say.
//!
//! The variables are the whole contract with texts of users: what stands here is there in every
//! rendering (or in those that the description names), and nothing else is. A test holds the list
//! against the contexts, and `docs/messages.md` is made from it.

/// One text.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    /// The name of its file.
    pub name: &'static str,
    /// What the program brings.
    pub built_in: &'static str,
    /// Where people read it.
    pub purpose: &'static str,
    /// What code does with what it renders to.
    pub then: &'static str,
    /// What it may say.
    pub variables: &'static [Variable],
    /// Whether it may be empty.
    pub(super) emptiness: Emptiness,
}

/// One variable of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name; `[]` stands for each entry of a list.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
}

/// Whether a text may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptiness {
    /// Nothing has to be said.
    Allowed,
    /// Neither a forge nor git takes an empty one.
    Refused,
}

/// How the words of users are made harmless in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// They mention nobody, and are one line.
    Plain,
    /// They are no HTML and end no code either.
    Markdown,
}

impl Template {
    /// Returns the text with this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// Says whether a variable, or a part of the way to one, has this name.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| {
            let rest = variable.name.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

const fn variable(name: &'static str, about: &'static str) -> Variable {
    Variable { name, about }
}

pub(super) const COMMIT: &str = "commit.txt";
pub(super) const TITLE: &str = "pull_request_title.txt";
pub(super) const BODY: &str = "pull_request_body.md";
pub(super) const MERGE: &str = "merge.txt";
pub(super) const README: &str = "readme.md";
pub(super) const ROLLBACK_TITLE: &str = "rollback_title.txt";
pub(super) const ROLLBACK_BODY: &str = "rollback_body.md";
pub(super) const ROLLBACK_COMMIT: &str = "rollback_commit.txt";
pub(super) const RESTORE_TITLE: &str = "restore_title.txt";
pub(super) const RESTORE_BODY: &str = "restore_body.md";
pub(super) const RESTORE_COMMIT: &str = "restore_commit.txt";
pub(super) const STATUS: &str = "status_comment.md";
pub(super) const DRY_STATUS: &str = "dry_status_comment.md";
pub(super) const OVERDUE: &str = "overdue_comment.md";
pub(super) const ANSWER: &str = "answer.md";

const DRY_SHA: Variable = variable("dry.sha", "id of the dry commit");
const DRY_SHORT: Variable = variable("dry.short", "the beginning of that id");
const DRY_SUBJECT: Variable = variable("dry.subject", "first line of the dry commit's message");
const DRY_AUTHOR: Variable = variable("dry.author", "name of the dry commit's author");
const PLACE: Variable = variable("place", "the environment, with its lane when there are several");
const ENVIRONMENT: Variable = variable("environment", "name of the environment, as commands take it");
const ADDED: Variable = variable("changes.added", "list of the new output folders, each in backticks");
const CHANGED: Variable = variable("changes.changed", "list of those that change");
const REMOVED: Variable = variable("changes.removed", "list of those that go");
const STATUS_URL: Variable = variable("status_url", "address of the status page, or none");
const ROLLBACK: [Variable; 14] = [
    PLACE,
    ENVIRONMENT,
    variable("from.sha", "id of the dry commit that ran"),
    variable("from.short", "the beginning of that id"),
    variable("from.subject", "first line of its message"),
    variable("from.author", "name of its author"),
    variable("to.sha", "id of the dry commit whose content comes back"),
    variable("to.short", "the beginning of that id"),
    variable("to.subject", "first line of its message"),
    variable("to.author", "name of its author"),
    variable("by", "who asked for it; the service when it is automatic"),
    variable("automatic", "whether a failed status started it"),
    variable("roots", "names of the roots that go back, when others stay; else empty"),
    variable("reason", "why"),
];
const PART_LANE: Variable = variable(
    "parts[].lane",
    "a lane that shares this promotion, where `lanes: all` is set for the environment; else there is none, and `dry` is \
     the newest commit of theirs",
);
const PARTS: [Variable; 9] = [
    PART_LANE,
    variable("parts[].dry.sha", "id of its dry commit"),
    variable("parts[].dry.short", "the beginning of that id"),
    variable("parts[].dry.subject", "first line of its message"),
    variable("parts[].dry.author", "name of its author"),
    variable("parts[].changes.added", "list of the lane's new output folders"),
    variable("parts[].changes.changed", "list of those that change"),
    variable("parts[].changes.removed", "list of those that go"),
    variable("more_parts", "number of the lanes that are not listed"),
];
const PROMOTION: [Variable; 18] = {
    let [a, b, c, d, e, f, g, h, i] = PARTS;
    [
        PLACE,
        ENVIRONMENT,
        DRY_SHA,
        DRY_SHORT,
        DRY_SUBJECT,
        DRY_AUTHOR,
        ADDED,
        CHANGED,
        REMOVED,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
    ]
};
const PULL_REQUEST: [Variable; 24] = {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = PROMOTION;
    let auto_merge = variable("auto_merge", "whether it is merged without a person");
    let status_key = variable("status_key", "key of the commit status that names the closed gates");
    let by = variable("renderers[].by", "a renderer with its version, where what runs was rendered by another one");
    let before = variable("renderers[].before", "that other one");
    let roots =
        variable("renderers[].roots", "list of the output folders that are rendered by another one, each in backticks");
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, by, before, roots, auto_merge, status_key, STATUS_URL]
};
const ROLLBACK_PULL_REQUEST: [Variable; 15] = {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = ROLLBACK;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, STATUS_URL]
};

const RESTORE: [Variable; 11] = [
    PLACE,
    ENVIRONMENT,
    DRY_SHA,
    DRY_SHORT,
    DRY_SUBJECT,
    DRY_AUTHOR,
    variable("outputs", "list of the output folders that somebody else changed, each in backticks"),
    variable("commit", "the beginning of the id of the commit since which they are as they are"),
    variable("author", "who changed them, as far as that is known"),
    variable("by", "who asked for what was promoted last"),
    variable("reason", "why; may be empty"),
];
const RESTORE_PULL_REQUEST: [Variable; 12] = {
    let [a, b, c, d, e, f, g, h, i, j, k] = RESTORE;
    [a, b, c, d, e, f, g, h, i, j, k, STATUS_URL]
};

/// What is done with titles.
const ONE_LINE: &str = "It becomes one line, of at most 250 characters.";
/// What is done with messages of commits.
const TRAILED: &str = "The trailers follow as its last paragraph.";

/// Every text.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: COMMIT,
        built_in: include_str!("../../templates/messages/commit.txt"),
        purpose: "The message of the commit that is proposed to an environment.",
        then: TRAILED,
        variables: &PROMOTION,
        emptiness: Emptiness::Refused,
    },
    Template {
        name: TITLE,
        built_in: include_str!("../../templates/messages/pull_request_title.txt"),
        purpose: "The title of a promotion's pull request.",
        then: ONE_LINE,
        variables: &PULL_REQUEST,
        emptiness: Emptiness::Refused,
    },
    Template {
        name: BODY,
        built_in: include_str!("../../templates/messages/pull_request_body.md"),
        purpose: "The description of a promotion's pull request.",
        then: "",
        variables: &PULL_REQUEST,
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: MERGE,
        built_in: include_str!("../../templates/messages/merge.txt"),
        purpose: "The message of the commit that merges a promotion, under its subject.",
        then: TRAILED,
        variables: &[variable("gates", "list of what had to be open, and was, in words")],
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: README,
        built_in: include_str!("../../templates/messages/readme.md"),
        purpose: "The `README.md` in each output folder of an environment's branch.",
        then: "",
        variables: &[
            variable("root", "the output folder"),
            variable("repo_url", "address of the repository with the dry sources"),
            variable("commands", "list of the commands that render it again"),
            DRY_SHA,
            DRY_SHORT,
            DRY_SUBJECT,
            DRY_AUTHOR,
        ],
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: ROLLBACK_TITLE,
        built_in: include_str!("../../templates/messages/rollback_title.txt"),
        purpose: "The title of a rollback's pull request, and the subject of its commits.",
        then: ONE_LINE,
        variables: &ROLLBACK,
        emptiness: Emptiness::Refused,
    },
    Template {
        name: ROLLBACK_BODY,
        built_in: include_str!("../../templates/messages/rollback_body.md"),
        purpose: "The description of a rollback's pull request.",
        then: "",
        variables: &ROLLBACK_PULL_REQUEST,
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: ROLLBACK_COMMIT,
        built_in: include_str!("../../templates/messages/rollback_commit.txt"),
        purpose: "The message of a rollback's commits, under their subject.",
        then: TRAILED,
        variables: &ROLLBACK,
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: RESTORE_TITLE,
        built_in: include_str!("../../templates/messages/restore_title.txt"),
        purpose: "The title of a pull request that restores over drift, and the subject of its commits.",
        then: ONE_LINE,
        variables: &RESTORE,
        emptiness: Emptiness::Refused,
    },
    Template {
        name: RESTORE_BODY,
        built_in: include_str!("../../templates/messages/restore_body.md"),
        purpose: "The description of a pull request that restores over drift.",
        then: "",
        variables: &RESTORE_PULL_REQUEST,
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: RESTORE_COMMIT,
        built_in: include_str!("../../templates/messages/restore_commit.txt"),
        purpose: "The message of the commits that restore over drift, under their subject.",
        then: TRAILED,
        variables: &RESTORE,
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: STATUS,
        built_in: include_str!("../../templates/messages/status_comment.md"),
        purpose: "The one comment on a pull request where somebody gave a command.",
        then: "A hidden mark follows, by which the comment is known again. When it is too long for a forge, the oldest \
               answers are left out.",
        variables: &[
            variable("standing", "`open`, or `ended` when the pull request was merged or closed"),
            PLACE,
            variable("running", "beginning of the id of the dry commit that runs, or none"),
            variable("wanted", "beginning of the id of the dry commit that is proposed, or none"),
            variable("lanes[].lane", "a lane of a bundle; none where the pull request is of one lane"),
            variable("lanes[].running", "what runs in it, or none"),
            variable("lanes[].wanted", "what is proposed in it, or none"),
            variable("gates[].words", "a closed gate, fit for a cell of a table"),
            variable("gates[].since", "since when it is closed"),
            variable("gates[].remedy", "who can open it, and how"),
            variable("notices", "list of what else people should know"),
            variable("answers[].line", "a command as it was written, as a code span"),
            variable("answers[].by", "who gave it"),
            variable("answers[].text", "what `answer.md` says of it"),
            STATUS_URL,
        ],
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: OVERDUE,
        built_in: include_str!("../../templates/messages/overdue_comment.md"),
        purpose: "The comment on a promotion pull request when waits have passed their deadline, once for each.",
        then: "Hidden marks follow, by which the comment is known again.",
        variables: &[
            PLACE,
            variable("waits", "list of what is overdue, in the words of the gates, and since when"),
            variable("people", "mentions of those whom the strategy names; empty for nobody"),
            STATUS_URL,
        ],
        emptiness: Emptiness::Refused,
    },
    Template {
        name: DRY_STATUS,
        built_in: include_str!("../../templates/messages/dry_status_comment.md"),
        purpose: "The one comment on a dry pull request that was previewed, or where somebody gave a command.",
        then: "A hidden mark follows, by which the comment is known again. When it is too long for a forge, the oldest \
               answers are left out.",
        variables: &[
            variable("branch", "the dry branch"),
            variable(
                "stage",
                "`open`, `closed` without being merged, `merged`, `unknown` while its commit is not on the branch, or \
                 `ended` where no strategy is in force any more",
            ),
            variable("short", "beginning of the id of the dry commit that it became, or none"),
            variable("over", "whether nothing more is to be told of the commit"),
            variable("environments", "names of the environments, in words"),
            variable("rows[].place", "an environment, fit for a cell of a table as the others of its row"),
            variable("rows[].runs", "beginning of the id of the dry commit that runs there, or none"),
            variable("rows[].fate", "what became of the commit there; empty before it is merged"),
            variable("rows[].pull_request", "number of the promotion that brings it, or none"),
            variable("rows[].stops", "what keeps it out; empty for nothing"),
            variable("rows[].previewed", "what would change there while it is open; empty when nothing is known"),
            variable("preview", "what it would change, or none: there is one while it is open and was rendered"),
            variable("preview.head", "beginning of the id of the head that was rendered"),
            variable("preview.dry", "beginning of the id of the dry commit with which it was merged and compared"),
            variable("preview.problem", "why nothing was rendered, or none"),
            variable(
                "preview.failures[].where",
                "environments that do not render, or keep what they have in a folder, in words",
            ),
            variable("preview.failures[].message", "why: file, line and the renderer's words"),
            variable("preview.resources[].change", "`removed`, `changed` or `added`; what may hurt most comes first"),
            variable("preview.resources[].name", "a resource, as a code span fit for a cell of a table"),
            variable("preview.resources[].environments", "where the very same happens, in words"),
            variable("preview.resources[].risk", "why to look twice, or none"),
            variable("preview.more", "number of the resources that are not named"),
            variable("preview.differences", "the differences, as a code block; may be cut, and empty"),
            variable(
                "foretold",
                "whether it renders as previewed, or none: there is one once it is merged and hydrated",
            ),
            variable("foretold.differs", "names of the environments where it does not, in words; empty for nowhere"),
            variable("foretold.dry", "beginning of the id of the dry commit with which it was previewed"),
            variable("strategies[].name", "a strategy that the pull request changes"),
            variable("strategies[].mistakes", "what is wrong with it, line by line; may be empty"),
            variable("strategies[].effects", "what becomes different, in sentences; may be empty"),
            variable("strategies[].losses", "what is dropped of that which is under way, in sentences; may be empty"),
            variable("strategies[].accepted_by", "who let it drop all of that, or none"),
            variable("strategies[].reason", "why, or none"),
            variable("awaits", "beginning of the id of the head that is previewed only when somebody asks, or none"),
            variable("answers[].line", "a command as it was written, as a code span"),
            variable("answers[].by", "who gave it"),
            variable("answers[].text", "what `answer.md` says of it"),
            variable("pages[].name", "name of a page of the service"),
            variable("pages[].url", "its address"),
        ],
        emptiness: Emptiness::Allowed,
    },
    Template {
        name: ANSWER,
        built_in: include_str!("../../templates/messages/answer.md"),
        purpose: "The answer to one command in a comment. What became of it stands in `outcome`; the other variables are \
                  there for the outcomes that they name.",
        then: "It becomes `answers[].text` of `status_comment.md` and `dry_status_comment.md`.",
        variables: &[
            variable(
                "outcome",
                "`status`, `help`, `diff`, `promoting`, `held`, `released`, `rolling_back`, `restoring`, \
                 `adopted`, `rejected`, `unrejected`, `overridden`, `previewing`, `retried`, `refused`, \
                 `lacks_right`, `moved`, `ended`, `too_many`, `not_yet`, `interrupted` or `forgotten`",
            ),
            variable("by", "who gave the command"),
            variable(
                "place",
                "the environment, with its lane when there are several (`diff`, `promoting`, `held`, `released`, \
                 `rolling_back`, `restoring`, `adopted`, `moved`, `ended`)",
            ),
            variable("environment", "name of the environment (`rolling_back`)"),
            variable("commands[].usage", "how a command is written (`help`)"),
            variable("commands[].purpose", "what it does (`help`)"),
            variable("commands[].needs", "the right that it needs (`help`)"),
            variable("bot", "the service's login (`help`)"),
            variable("bare", "the commands that may stand alone (`help`)"),
            variable("files", "number of files that change (`diff`)"),
            variable("added", "number of lines that come (`diff`)"),
            variable("removed", "number of lines that go (`diff`)"),
            variable("patch", "the differences, as a code block (`diff`)"),
            variable("cut", "whether there are more (`diff`)"),
            variable("fate", "`waits`, `merged` or `dropped` (`promoting`)"),
            variable(
                "short",
                "beginning of the id of what it is about (`promoting`, `restoring`, `adopted`, `rejected`, `unrejected`, \
                 `overridden`, `previewing`)",
            ),
            variable("places", "where it runs already, in words; empty for nowhere (`rejected`)"),
            variable("proposed", "id of the proposed commit (`promoting`)"),
            variable("dry", "id of the dry commit, or none (`promoting`, `rejected`, `unrejected`)"),
            variable("head", "id of the head (`overridden`, `previewing`)"),
            variable("what", "what was taken back (`released`)"),
            variable("from", "beginning of the id of the dry commit that ran (`rolling_back`)"),
            variable("to", "beginning of the id of the dry commit that comes back (`rolling_back`)"),
            variable("over", "beginning of the id of the commit over which it is restored (`restoring`)"),
            variable("commit", "id of the commit that was adopted (`adopted`)"),
            variable("message", "why not (`refused`)"),
            variable("help", "what would be right (`refused`)"),
            variable("verb", "the command (`lacks_right`, `not_yet`)"),
            variable("needs", "the right that it needs (`lacks_right`)"),
            variable("has", "the right that its author has (`lacks_right`)"),
            variable(
                "repository",
                "repository in which it needs it, or none where that is the one of the comment (`lacks_right`)",
            ),
            variable("grant", "key of the strategy that names people who may do it, or none (`lacks_right`)"),
            variable("unread", "list of the teams under that key that could not be read (`lacks_right`)"),
            variable("open", "number of the pull request that is open now, or none (`ended`)"),
            variable("limit", "how many commands a comment may hold (`too_many`)"),
        ],
        emptiness: Emptiness::Allowed,
    },
];
