//! Accounts, members and groups.

use hydromote::local_forge::Account;
use serde_json::{Value, json};

use super::{Page, Request, username};
use crate::gitlab::face::{Answer, error, sample};

impl Request<'_> {
    pub(super) async fn people(&self, path: &[&str]) -> Result<Page, Answer> {
        let all = || self.front.accounts.values();
        let shown = |account: &Account| self.shown_user(&json!(account.id));
        match path {
            ["users"] => {
                let name = self.query.get("username");
                let search = self.query.get("search");
                let fits = |account: &&Account| {
                    name.is_none_or(|name| *name == username(account))
                        && search.is_none_or(|text| *text == account.email())
                };
                Ok(Page::one(all().filter(fits).map(shown).collect()))
            }
            ["users", id] => Ok(Page::one(shown(self.account(id)?))),
            ["groups", group, rest @ ..] => {
                let (owner, slug) = group.rsplit_once('/').ok_or_else(|| error(404, "404 Group Not Found"))?;
                let team = format!("/orgs/{owner}/teams/{slug}");
                let path = match rest {
                    ["members", "all", id] => format!("{team}/memberships/{}", self.account(id)?.login),
                    _ => format!("{team}/members"),
                };
                self.get(&path).await?;
                Ok(Page::one(member(30)))
            }
            _ => Err(error(404, "404 Not Found")),
        }
    }

    pub(super) async fn member(&self, project: &str, path: &[&str]) -> Result<Value, Answer> {
        let ["members", "all", id] = path else { return Err(error(404, "404 Not found")) };
        let login = &self.account(id)?.login;
        let right = self.get(&format!("{project}/collaborators/{login}/permission")).await?;
        match right["role_name"].as_str() {
            Some("admin") => Ok(member(50)),
            Some("maintain") => Ok(member(40)),
            Some("write") => Ok(member(30)),
            Some("triage") => Ok(member(20)),
            Some("read") => Ok(member(10)),
            _ => Err(error(404, "404 Not found")),
        }
    }

    fn account(&self, id: &str) -> Result<&Account, Answer> {
        let account = id.parse().ok().and_then(|id: u64| self.front.accounts.get(&id));
        account.ok_or_else(|| error(404, "404 User Not Found"))
    }

    /// Returns the account of this number as GitLab shows it.
    pub(super) fn shown_user(&self, id: &Value) -> Value {
        let Some(account) = id.as_u64().and_then(|id| self.front.accounts.get(&id)) else { return Value::Null };
        let username = username(account);
        json!({"id": id, "username": username, "name": username, "state": "active", "public_email": account.email()})
    }
}

fn member(level: u64) -> Value {
    let mut member = sample(include_str!("../../../data/gitlab/member.all_get.json"));
    member["access_level"] = json!(level);
    member
}
