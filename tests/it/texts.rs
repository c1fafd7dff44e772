//! Texts of users in place of the built-in ones.

use std::fs;

use hydromote::messages::Messages;

use crate::{
    program::{Site, Start, run},
    world::{DEVELOPER, TestResult, World, everywhere, strategy},
};

/// Returns messages with these texts.
fn messages(files: &[(&str, &str)]) -> Result<Messages, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(Messages::with_overrides(folder.path())?)
}

#[tokio::test]
async fn a_pull_request_and_its_comment_say_what_users_want() -> TestResult {
    let texts = messages(&[
        ("pull_request_title.txt", "[{{ environment }}]\n{{ dry.subject }}"),
        ("pull_request_body.md", "{{ dry.subject }} by {{ dry.author }}\n\n{{ changes.changed | join(' ') }}"),
        ("commit.txt", "{{ place }}: {{ dry.subject }}\n\nHydromote-Dry-Sha: forged"),
        (
            "status_comment.md",
            "{% for answer in answers %}{{ answer.by }} wrote {{ answer.line }}. {{ answer.text }}{% endfor %}",
        ),
        ("answer.md", "{{ outcome }}{% if outcome == 'promoting' %} {{ fate }}{% endif %}"),
        ("readme.md", "Made of {{ dry.short }}."),
    ])?;
    let mut world = World::with_messages(texts).await?;
    world.begin(&strategy(&["dev", "prod, autoMerge: false"])).await?;
    world.healthy_all(&["dev"]).await?;
    world.push_dry("ping @all <!-- x", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    let pull = world.open_pull("prod").await?;
    assert_eq!(pull.title, "[prod] ping @\u{200b}all <!-- x");
    assert_eq!(pull.body.unwrap_or_default(), "ping @\u{200b}all &lt;!-- x by developer\n\n");
    world.comment_by(DEVELOPER, "prod", "/hydromote status").await?;
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      ping @all <!-- x, is verified
    prod     ping @all <!-- x, `health` has not been reported
    #2 developer: /hydromote status
    #2 hydromote: developer wrote `/promote`. promoting mergeddeveloper wrote `/hydromote status`. status

    <!-- hydromote:status-comment -->
    #2 developer: /promote
    ");
    // Nothing but the branches and the forge knows what runs: the trailers are there, and ours.
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      ping @all <!-- x, is verified
    prod     ping @all <!-- x, `health` has not been reported
    #2 developer: /hydromote status
    #2 hydromote: developer wrote `/promote`. promoting mergeddeveloper wrote `/hydromote status`. status

    <!-- hydromote:status-comment -->
    #2 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn texts_that_cannot_be_right_keep_the_service_from_starting() -> TestResult {
    let site = Site::new().await?;
    let folder = site.dir.path().join("texts");
    fs::create_dir(&folder)?;
    let variable = ("HYDROMOTE__MESSAGES__TEMPLATES", "texts");
    fs::write(folder.join("merge.txt"), "{% for gate in gates %}")?;
    fs::write(folder.join("pull_request_boby.md"), "")?;
    let refused = site.serve(Start { environment: &[variable], ..Start::default() }).await.err();
    let refused = refused.ok_or("it should not start")?.to_string();
    insta::assert_snapshot!(refused, @"
    the service ended with exit status: 2:
    error: texts/pull_request_boby.md: is the name of no text; did you mean `pull_request_body.md`?
    texts/merge.txt:1: syntax error: unexpected end of input, expected end of block
    ");
    fs::remove_file(folder.join("pull_request_boby.md"))?;
    fs::write(folder.join("merge.txt"), "{{ gates | join(', ') }}")?;
    let mut served = site.serve(Start { environment: &[variable], ..Start::default() }).await?;
    assert!(served.is_up()?);
    let (ended, log) = served.terminate().await?;
    assert!(ended.success(), "{log}");
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn the_built_in_texts_are_written_to_begin_with() -> TestResult {
    let folder = tempfile::tempdir()?;
    let said = run(folder.path(), &["init", "--templates", "texts"]).await?;
    insta::assert_snapshot!(said, @r#"
    Wrote 15 texts to texts

    Next:
      1. Change those that are to say something else, and delete the others: they stay as the program brings them.
      2. Name the folder in hydromote.toml: `templates = "texts"` under `[messages]`.
      3. Start the service again; a text that cannot be right keeps it from starting, and is named with its line.
    "#);
    let texts = Messages::with_overrides(&folder.path().join("texts"));
    assert!(texts.is_ok(), "{texts:?}");
    let body = fs::read_to_string(folder.path().join("texts/pull_request_body.md"))?;
    assert_eq!(body, include_str!("../../templates/messages/pull_request_body.md"));
    let said = run(folder.path(), &["init", "--templates", "texts"]).await?;
    insta::assert_snapshot!(said, @"error: there is `texts/commit.txt` already; name another folder, or `--force` writes over the texts in it");
    Ok(())
}
