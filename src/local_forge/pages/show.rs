//! What stands on the pages.

use serde::Serialize;

use super::{templates, visitor::Visitor};
use crate::local_forge::{
    details,
    hub::Desk,
    protection,
    pull_request::{PullRequest, PullState},
    pulls::oid,
    refusal::Refusal,
    report,
    repository::{CommitInfo, Entry, FileChange, Found},
    state::Repository,
};

/// How many lines of one page's diff are shown.
const DIFF_LINES: usize = 3_000;
/// How much of a file is shown.
const FILE_BYTES: usize = 256 * 1024;
/// How many commits a branch's page lists.
const COMMITS: usize = 20;

/// Renders the page at `path`.
pub(super) fn page(desk: &mut Desk<'_>, visitor: &Visitor, path: &str) -> Result<String, Refusal> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let [owner, name, rest @ ..] = segments.as_slice() else {
        return if segments.is_empty() { home(desk, visitor) } else { Err(Refusal::not_found()) };
    };
    let key = format!("{owner}/{name}");
    desk.require_read(&key, visitor.login.as_deref())?;
    match rest {
        [] => templates::render("repository.html", visitor, &repository_page(desk, &key)?),
        ["pull", number] => {
            let number = number.parse().map_err(|_| Refusal::not_found())?;
            templates::render("pull.html", visitor, &pull_page(desk, &key, number)?)
        }
        ["commit", sha] => templates::render("commit.html", visitor, &commit_page(desk, &key, sha)?),
        ["tree" | "blob", place @ ..] if !place.is_empty() => {
            templates::render("tree.html", visitor, &tree_page(desk, &key, place)?)
        }
        _ => Err(Refusal::not_found()),
    }
}

#[derive(Debug, Serialize)]
struct HomePage {
    api: String,
    repositories: Vec<RepositoryLine>,
}

#[derive(Debug, Serialize)]
struct RepositoryLine {
    key: String,
    description: Option<String>,
    branches: usize,
    open: usize,
    pushed_at: String,
}

fn home(desk: &Desk<'_>, visitor: &Visitor) -> Result<String, Refusal> {
    let login = visitor.login.as_deref();
    let readable = desk.state.repositories.keys().filter(|key| desk.require_read(key, login).is_ok());
    let repositories = readable
        .filter_map(|key| desk.repository(key).ok())
        .map(|repository| RepositoryLine {
            key: repository.full_name(),
            description: repository.description.clone(),
            branches: repository.refs.keys().filter(|name| name.starts_with("refs/heads/")).count(),
            open: repository.pulls.values().filter(|pull| pull.is_open()).count(),
            pushed_at: repository.pushed_at.to_string(),
        })
        .collect();
    templates::render("home.html", visitor, &HomePage { api: desk.hub.urls.api(), repositories })
}

#[derive(Debug, Serialize)]
struct RepositoryPage {
    key: String,
    description: Option<String>,
    clone_url: String,
    branches: Vec<BranchLine>,
    pulls: Vec<PullLine>,
}

#[derive(Debug, Serialize)]
struct BranchLine {
    name: String,
    is_protected: bool,
    tip: CommitLine,
    reports: Vec<ReportLine>,
}

#[derive(Debug, Serialize)]
struct CommitLine {
    sha: String,
    short: String,
    subject: String,
    author: String,
    at: String,
}

#[derive(Debug, Serialize)]
struct PullLine {
    number: u64,
    title: String,
    author: String,
    head: String,
    base: String,
    state: &'static str,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct ReportLine {
    name: String,
    state: &'static str,
    description: Option<String>,
    url: Option<String>,
}

fn repository_page(desk: &Desk<'_>, key: &str) -> Result<RepositoryPage, Refusal> {
    let repository = desk.repository(key)?;
    let git = desk.git(key)?;
    let mut branches = Vec::new();
    for (name, sha) in &repository.refs {
        if let Some(name) = name.strip_prefix("refs/heads/") {
            branches.push(BranchLine {
                name: name.to_owned(),
                is_protected: repository.protections.contains_key(name),
                tip: commit_line(&git.commit(oid(sha)?)?),
                reports: reports(repository, sha),
            });
        }
    }
    branches.sort_by_key(|branch| branch.name != repository.default_branch);
    Ok(RepositoryPage {
        key: key.to_owned(),
        description: repository.description.clone(),
        clone_url: desk.hub.urls.clone(key),
        branches,
        pulls: repository.pulls.values().rev().map(pull_line).collect(),
    })
}

fn commit_line(commit: &CommitInfo) -> CommitLine {
    CommitLine {
        sha: commit.sha.clone(),
        short: short(&commit.sha),
        subject: commit.subject().to_owned(),
        author: commit.author.name.clone(),
        at: commit.committer.at.to_string(),
    }
}

fn pull_line(pull: &PullRequest) -> PullLine {
    PullLine {
        number: pull.number,
        title: pull.title.clone(),
        author: pull.author.clone(),
        head: pull.head.clone(),
        base: pull.base.clone(),
        state: match pull.state {
            PullState::Open if pull.draft => "draft",
            PullState::Open => "open",
            PullState::Closed => "closed",
            PullState::Merged => "merged",
        },
        updated_at: pull.updated_at.to_string(),
    }
}

fn reports(repository: &Repository, sha: &str) -> Vec<ReportLine> {
    let statuses = report::latest_statuses(repository, sha).into_iter().map(|status| ReportLine {
        name: status.context.clone(),
        state: status.state.word(),
        description: status.description.clone(),
        url: status.target_url.clone().filter(|url| is_web(url)),
    });
    let runs = report::latest_check_runs(repository, sha).into_iter().map(|run| ReportLine {
        name: run.name.clone(),
        state: run.outcome().word(),
        description: run.title.clone(),
        url: run.details_url.clone().filter(|url| is_web(url)),
    });
    statuses.chain(runs).collect()
}

/// Only such links are made of what users wrote.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[derive(Debug, Serialize)]
struct PullPage {
    key: String,
    pull: PullLine,
    body: Option<String>,
    created_at: String,
    head_sha: String,
    head_short: String,
    merge_commit_sha: Option<String>,
    labels: Vec<String>,
    reports: Vec<ReportLine>,
    talk: Vec<Remark>,
    commits: Vec<CommitLine>,
    diff: DiffPart,
    standing: &'static str,
    obstacles: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Remark {
    author: String,
    at: String,
    /// The word of a review, nothing for a comment.
    verdict: Option<&'static str>,
    text: String,
    reactions: Vec<String>,
}

fn pull_page(desk: &mut Desk<'_>, key: &str, number: u64) -> Result<PullPage, Refusal> {
    // A person wants to see the answer at once: the first one only starts the trial.
    desk.standing(key, number)?;
    let standing = desk.standing(key, number)?.state;
    let (repository, pull, git) = (desk.repository(key)?, desk.pull(key, number)?, desk.git(key)?);
    let tip = repository.branch(&pull.base).map(oid).transpose()?;
    let head = oid(&pull.head_sha)?;
    let contains_base = tip.is_some_and(|tip| git.contains(head, tip));
    let obstacles = if pull.is_open() { protection::obstacles(repository, pull, contains_base) } else { Vec::new() };
    Ok(PullPage {
        key: key.to_owned(),
        pull: pull_line(pull),
        body: pull.body.clone(),
        created_at: pull.created_at.to_string(),
        head_sha: pull.head_sha.clone(),
        head_short: short(&pull.head_sha),
        merge_commit_sha: pull.merge_commit_sha.clone(),
        labels: pull.labels.clone(),
        reports: reports(repository, &pull.head_sha),
        talk: remarks(repository, number),
        commits: details::pull_commits(&git, pull)?.iter().map(commit_line).collect(),
        diff: diff_part(details::pull_changes(&git, pull)?),
        standing,
        obstacles,
    })
}

fn remarks(repository: &Repository, number: u64) -> Vec<Remark> {
    let comments = repository.comments.iter().filter(|comment| comment.number == number).map(|comment| {
        let reactions = comment.reactions.iter().map(|one| format!("{} by {}", one.content, one.user)).collect();
        let (author, text) = (comment.author.clone(), comment.body.clone());
        (comment.id, Remark { author, at: comment.created_at.to_string(), verdict: None, text, reactions })
    });
    let reviews = repository.reviews.iter().filter(|review| review.number == number).map(|review| {
        let verdict = match review.state.word() {
            "APPROVED" => "approved",
            "CHANGES_REQUESTED" => "requested changes",
            "DISMISSED" => "reviewed an earlier head",
            _ => "reviewed",
        };
        let (author, text) = (review.author.clone(), review.body.clone());
        let at = review.submitted_at.to_string();
        (review.id, Remark { author, at, verdict: Some(verdict), text, reactions: Vec::new() })
    });
    // Ids are given in the order of events.
    let mut remarks: Vec<(u64, Remark)> = comments.chain(reviews).collect();
    remarks.sort_by_key(|(id, _)| *id);
    remarks.into_iter().map(|(_, remark)| remark).collect()
}

#[derive(Debug, Serialize)]
struct DiffPart {
    files: Vec<DiffFile>,
    additions: usize,
    deletions: usize,
    is_cut: bool,
}

#[derive(Debug, Serialize)]
struct DiffFile {
    path: String,
    previous: Option<String>,
    status: &'static str,
    additions: usize,
    deletions: usize,
    lines: Vec<DiffLine>,
}

#[derive(Debug, Serialize)]
struct DiffLine {
    kind: &'static str,
    text: String,
}

fn diff_part(changes: Vec<FileChange>) -> DiffPart {
    let mut part = DiffPart {
        additions: changes.iter().map(|change| change.additions).sum(),
        deletions: changes.iter().map(|change| change.deletions).sum(),
        files: Vec::new(),
        is_cut: false,
    };
    let mut left = DIFF_LINES;
    for change in changes {
        let patch = change.patch.unwrap_or_default();
        let lines: Vec<DiffLine> = patch.lines().take(left).map(diff_line).collect();
        part.is_cut |= lines.len() < patch.lines().count();
        left -= lines.len();
        part.files.push(DiffFile {
            path: change.path,
            previous: change.previous,
            status: change.status,
            additions: change.additions,
            deletions: change.deletions,
            lines,
        });
    }
    part
}

fn diff_line(line: &str) -> DiffLine {
    let kind = match line.bytes().next() {
        Some(b'+') => "new",
        Some(b'-') => "old",
        Some(b'@') => "hunk",
        _ => "same",
    };
    DiffLine { kind, text: line.to_owned() }
}

#[derive(Debug, Serialize)]
struct CommitPage {
    key: String,
    commit: CommitLine,
    message: String,
    parents: Vec<String>,
    reports: Vec<ReportLine>,
    diff: DiffPart,
}

fn commit_page(desk: &Desk<'_>, key: &str, sha: &str) -> Result<CommitPage, Refusal> {
    let git = desk.git(key)?;
    let found = git.resolve(sha).ok_or_else(Refusal::not_found)?;
    let commit = git.commit(found)?;
    let parent = commit.parents.first().map(|parent| oid(parent)).transpose()?;
    Ok(CommitPage {
        key: key.to_owned(),
        message: commit.message.clone(),
        parents: commit.parents.clone(),
        reports: reports(desk.repository(key)?, &commit.sha),
        diff: diff_part(git.changes(parent, found)?),
        commit: commit_line(&commit),
    })
}

#[derive(Debug, Serialize)]
struct TreePage {
    key: String,
    revision: String,
    path: String,
    parent: Option<String>,
    entries: Vec<EntryLine>,
    text: Option<String>,
    commits: Vec<CommitLine>,
}

#[derive(Debug, Serialize)]
struct EntryLine {
    name: String,
    path: String,
    is_folder: bool,
}

/// `place` is a revision, which may have slashes, and a path behind it.
fn tree_page(desk: &Desk<'_>, key: &str, place: &[&str]) -> Result<TreePage, Refusal> {
    let git = desk.git(key)?;
    let split = (1..=place.len()).rev().find_map(|cut| Some((cut, git.resolve(&place[..cut].join("/"))?)));
    let (cut, commit) = split.ok_or_else(Refusal::not_found)?;
    let path = place[cut..].join("/");
    let (entries, text) = match git.look_up(commit, &path)?.ok_or_else(Refusal::not_found)? {
        Found::Folder(entries) => (entries.into_iter().map(|entry| entry_line(&path, entry)).collect(), None),
        Found::File(bytes) => (Vec::new(), Some(readable(&bytes))),
    };
    let commits = if path.is_empty() { git.log(commit, COMMITS)? } else { Vec::new() };
    Ok(TreePage {
        key: key.to_owned(),
        revision: place[..cut].join("/"),
        parent: (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()),
        path,
        entries,
        text,
        commits: commits.iter().map(commit_line).collect(),
    })
}

fn entry_line(folder: &str, entry: Entry) -> EntryLine {
    let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
    EntryLine { name: entry.name, path, is_folder: entry.is_folder }
}

fn readable(bytes: &[u8]) -> String {
    if bytes.contains(&0) {
        return format!("(binary, {} bytes)", bytes.len());
    }
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_BYTES)]).into_owned();
    if bytes.len() > FILE_BYTES { format!("{shown}\n… (cut, {} bytes in all)", bytes.len()) } else { shown }
}

fn short(sha: &str) -> String {
    sha.get(..8).unwrap_or(sha).to_owned()
}
