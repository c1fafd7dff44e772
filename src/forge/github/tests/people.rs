//! Who belongs to the people that a strategy names.

use super::*;
use crate::{domain::permission::Grantee, forge::Among};

const MEMBERSHIP: &str = "GET /api/v3/orgs/acme/teams/qa/memberships/ada";
const MEMBERS: &str = "GET /api/v3/orgs/acme/teams/qa/members?per_page=1";
const ACCOUNT: &str = "GET /api/v3/users/ada";

fn ada() -> Account {
    Account { id: 7, login: "ada".into() }
}

fn membership(state: &str) -> Reply {
    Reply::json(200, json!({"state": state, "role": "member", "url": "https://forge/membership"}))
}

fn account(id: u64) -> Reply {
    Reply::json(200, json!({"id": id, "login": "ada"}))
}

fn not_found() -> Reply {
    Reply::message(404, "Not Found")
}

fn forbidden() -> Reply {
    Reply::message(403, "Resource not accessible by integration")
}

/// Says what the adapter makes of these answers, which must be what it asks for.
async fn among(people: Grantee, replies: Vec<Reply>, asked: &[&str]) -> Result<Among, Box<dyn std::error::Error>> {
    let server = Scripted::start(replies).await?;
    let among = server.forge().is_among(&shop(), &people, &ada()).await?;
    assert_eq!(server.lines(), asked);
    Ok(among)
}

#[tokio::test]
async fn a_member_of_a_team_is_active_and_still_called_so() -> TestResult {
    let qa = || Grantee::Team("qa".into());
    for (replies, asked, expected) in [
        (vec![membership("active"), account(7)], &[MEMBERSHIP, ACCOUNT][..], Among::Yes),
        // Somebody else has the login now.
        (vec![membership("active"), account(8)], &[MEMBERSHIP, ACCOUNT], Among::No),
        (vec![membership("active"), not_found()], &[MEMBERSHIP, ACCOUNT], Among::No),
        (vec![membership("pending")], &[MEMBERSHIP], Among::No),
        (vec![not_found(), Reply::json(200, json!([]))], &[MEMBERSHIP, MEMBERS], Among::No),
        (vec![not_found(), not_found()], &[MEMBERSHIP, MEMBERS], Among::Unknown),
        (vec![not_found(), forbidden()], &[MEMBERSHIP, MEMBERS], Among::Unknown),
        (vec![forbidden()], &[MEMBERSHIP], Among::Unknown),
    ] {
        assert_eq!(among(qa(), replies, asked).await?, expected, "{asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_person_is_named_by_the_login_that_the_account_still_has() -> TestResult {
    let user = |login: &str| Grantee::User(login.into());
    assert_eq!(among(user("Ada"), vec![account(7)], &[ACCOUNT]).await?, Among::Yes);
    assert_eq!(among(user("ada"), vec![account(8)], &[ACCOUNT]).await?, Among::No);
    assert_eq!(among(user("bob"), Vec::new(), &[]).await?, Among::No);
    Ok(())
}

#[tokio::test]
async fn a_forge_that_does_not_answer_decides_nothing() -> TestResult {
    let server = Scripted::start(vec![Reply::message(500, "oops")]).await?;
    let among = server.forge().is_among(&shop(), &Grantee::Team("qa".into()), &ada()).await;
    assert!(matches!(among, Err(ForgeError::Unavailable { .. })), "{among:?}");
    Ok(())
}
