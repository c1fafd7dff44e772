//! The table of routes.

use super::{
    apps,
    call::{Answer, Call},
    checks, deployments, hooks, issues, pulls, refs, repos, statuses, teams, users,
};
use crate::local_forge::{hub::Desk, refusal::Refusal};

/// Answers a call.
pub(super) fn answer(desk: &mut Desk<'_>, call: &Call) -> Result<Answer, Refusal> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["user"]) => users::authenticated(desk, call),
        ("GET", ["users", login]) => users::named(desk, login),
        ("GET", ["orgs", organization, "teams", slug, rest @ ..]) => {
            teams::answer(desk, call, &format!("{organization}/{slug}"), rest)
        }
        (_, ["app", rest @ ..]) => apps::answer(desk, call, rest),
        ("GET", ["repos", owner, name, "installation"]) => apps::of_repository(desk, call, &format!("{owner}/{name}")),
        ("GET", ["rate_limit"]) => users::rate_limit(desk, call),
        (_, ["repos", owner, name, rest @ ..]) => {
            let key = format!("{owner}/{name}");
            desk.require_read(&key, call.actor())?;
            in_repository(desk, call, &key, rest)
        }
        _ => Err(Refusal::not_found()),
    }
}

fn in_repository(desk: &mut Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", []) => repos::get(desk, call, key),
        (_, ["branches" | "rules" | "git" | "compare" | "collaborators" | "labels", ..]) => code(desk, call, key, rest),
        (_, ["pulls" | "issues", ..]) => talk(desk, call, key, rest),
        (_, ["hooks", ..]) => hook(desk, call, key, rest),
        _ => reports(desk, call, key, rest),
    }
}

fn code(desk: &mut Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", ["branches"]) => repos::branches(desk, call, key),
        ("GET", ["branches", branch @ .., "protection"]) if !branch.is_empty() => {
            repos::protection(desk, call, key, &branch.join("/"))
        }
        ("GET", ["rules", "branches", branch @ ..]) => repos::rules(desk, call, key, &branch.join("/")),
        ("GET", ["branches", branch @ ..]) => repos::branch(desk, key, &branch.join("/")),
        ("GET", ["compare", range @ ..]) => repos::compare(desk, call, key, &range.join("/")),
        ("GET", ["collaborators", login, "permission"]) => repos::permission(desk, call, key, login),
        ("GET", ["git", "ref", name @ ..]) => refs::get(desk, key, &name.join("/")),
        ("POST", ["git", "refs"]) => refs::create(desk, call, key),
        ("PATCH", ["git", "refs", name @ ..]) => refs::update(desk, call, key, &name.join("/")),
        ("DELETE", ["git", "refs", name @ ..]) => refs::delete(desk, call, key, &name.join("/")),
        ("POST", ["labels"]) => issues::create_label(desk, call, key),
        _ => Err(Refusal::not_found()),
    }
}

fn talk(desk: &mut Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", ["pulls"]) => pulls::list(desk, call, key),
        ("POST", ["pulls"]) => pulls::create(desk, call, key),
        ("GET", ["pulls", n]) => pulls::get(desk, key, number(n)?),
        ("PATCH", ["pulls", n]) => pulls::update(desk, call, key, number(n)?),
        ("PUT", ["pulls", n, "merge"]) => pulls::merge(desk, call, key, number(n)?),
        ("GET", ["pulls", n, "merge"]) => pulls::is_merged(desk, key, number(n)?),
        ("GET", ["pulls", n, "commits"]) => pulls::commits(desk, call, key, number(n)?),
        ("GET", ["pulls", n, "files"]) => pulls::files(desk, call, key, number(n)?),
        ("GET", ["pulls", n, "reviews"]) => pulls::reviews(desk, call, key, number(n)?),
        ("POST", ["pulls", n, "reviews"]) => pulls::review(desk, call, key, number(n)?),
        ("PUT", ["pulls", n, "reviews", id, "dismissals"]) => pulls::dismiss(desk, call, key, number(n)?, number(id)?),
        ("GET", ["issues", "comments"]) => issues::all_comments(desk, call, key),
        ("GET", ["issues", "comments", id]) => issues::comment(desk, key, number(id)?),
        ("PATCH", ["issues", "comments", id]) => issues::edit_comment(desk, call, key, number(id)?),
        ("GET", ["issues", "comments", id, "reactions"]) => issues::reactions(desk, call, key, number(id)?),
        ("POST", ["issues", "comments", id, "reactions"]) => issues::react(desk, call, key, number(id)?),
        ("GET", ["issues", n, "comments"]) => issues::comments(desk, call, key, number(n)?),
        ("POST", ["issues", n, "comments"]) => issues::add_comment(desk, call, key, number(n)?),
        ("GET", ["issues", n, "labels"]) => issues::labels(desk, call, key, number(n)?),
        ("POST", ["issues", n, "labels"]) => issues::add_labels(desk, call, key, number(n)?),
        ("PUT", ["issues", n, "labels"]) => issues::set_labels(desk, call, key, number(n)?),
        ("DELETE", ["issues", n, "labels", name]) => issues::remove_label(desk, call, key, number(n)?, name),
        _ => Err(Refusal::not_found()),
    }
}

fn reports(desk: &mut Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", ["statuses", sha]) => statuses::create(desk, call, key, sha),
        ("GET", ["commits", revision @ .., "status"]) => statuses::combined(desk, call, key, &revision.join("/")),
        ("GET", ["commits", revision @ .., "statuses"]) => statuses::list(desk, call, key, &revision.join("/")),
        ("GET", ["commits", revision @ .., "check-runs"]) => checks::list(desk, call, key, &revision.join("/")),
        ("GET", ["commits", revision @ .., "check-suites"]) => checks::suites(desk, call, key, &revision.join("/")),
        ("GET", ["commits", sha, "pulls"]) => pulls::of_commit(desk, call, key, sha),
        ("GET", ["commits", revision @ ..]) => repos::commit(desk, key, &revision.join("/")),
        ("POST", ["check-runs"]) => checks::create(desk, call, key),
        ("GET", ["check-runs", id]) => checks::get(desk, key, number(id)?),
        ("PATCH", ["check-runs", id]) => checks::update(desk, call, key, number(id)?),
        ("POST", ["deployments"]) => deployments::create(desk, call, key),
        ("POST", ["deployments", id, "statuses"]) => deployments::report(desk, call, key, number(id)?),
        _ => Err(Refusal::not_found()),
    }
}

fn hook(desk: &mut Desk<'_>, call: &Call, key: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", ["hooks"]) => hooks::list(desk, call, key),
        ("POST", ["hooks"]) => hooks::create(desk, call, key),
        ("GET", ["hooks", id, "deliveries"]) => hooks::deliveries(desk, call, key, number(id)?),
        ("POST", ["hooks", id, "deliveries", delivery, "attempts"]) => {
            hooks::redeliver(desk, call, key, number(id)?, number(delivery)?)
        }
        _ => Err(Refusal::not_found()),
    }
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}
