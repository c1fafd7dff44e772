//! What counts as a command, and above all what does not.

use super::*;

/// Returns what a comment asks for, one line for each request.
fn read(body: &str) -> String {
    let requests = match parse(body, "hydro[bot]", Spelling::Bare) {
        Ok(requests) => requests,
        Err(error) => return error.to_string(),
    };
    let shown = requests.iter().map(|request| match &request.asks {
        Ok(command) => serde_json::to_string(command).expect("because commands are plain data"),
        Err(mistake) => format!("{} {}", mistake.message, mistake.help),
    });
    shown.collect::<Vec<_>>().join("\n")
}

const PROMOTE: &str = r#"{"verb":"promote","environment":null}"#;

#[test]
fn a_command_is_a_line_with_our_prefix_our_name_or_a_bare_slash() {
    for body in [
        "/promote",
        "/hydromote promote",
        "@hydro promote",
        "@hydro[bot] promote",
        "@Hydro: promote",
        "  /promote  \t",
        "/PROMOTE",
        "/Hydromote Promote",
        "Looks good.\r\n/promote\r\n\r\nThanks!",
        "Looks good.\n\n/promote\nThanks!",
        "/promote <!-- sent from my telephone -->",
        "<!-- a bot's trailer with a <code> in it -->\n/promote",
        "**/promote**",
        "/hydromote\u{a0}promote",
    ] {
        assert_eq!(read(body), PROMOTE, "{body:?}");
    }
}

#[test]
fn what_is_not_the_authors_own_plain_text_is_no_command() {
    for body in [
        "`/promote`",
        "``/hydromote promote``",
        "```\n/promote\n```",
        "~~~\n/promote",
        "    /promote",
        "text\n\n\t/promote",
        "> /promote",
        "> they wrote:\n/promote",
        "> > /promote",
        "[/promote](https://example.com)",
        "[x]: /promote",
        "![/promote](https://example.com/x.png)",
        "<!-- /promote -->",
        "<!--\n\n/promote\n\n-->",
        "<!-- <b> -- >\n/promote",
        "<pre>\n\n/promote\n\n</pre>",
        "<code>/promote</code>",
        "<code>\n/promote\n</code>",
        "look: <code>\n/promote\n</code>",
        "<blockquote>\n\n/promote\n\n</blockquote>",
        "<details><summary>Log</summary>\n\n/promote\n\n</details>",
        "~~/promote~~",
        "\\/promote",
        "- /promote",
        "1. /promote",
        "# /promote",
        "| a |\n|---|\n| /promote |",
    ] {
        assert_eq!(read(body), "", "{body:?}");
    }
}

#[test]
fn what_does_not_speak_to_us_gets_silence() {
    for body in [
        "",
        "please /promote",
        "/lgtm",
        "/promoted",
        "/promote.",
        "/ promote",
        "promote",
        "@somebody promote",
        "@hydro-two promote",
        "@hydromote promote",
        "//promote",
        "/help",
        "/diff",
        "/preview",
        "see https://example.com/promote",
        // Look-alikes: a fullwidth slash, a division slash, a Cyrillic letter, a joined letter.
        "\u{ff0f}promote",
        "\u{2215}promote",
        "/pr\u{43e}mote",
        "/pro\u{200b}mote",
        "\u{fffc}/promote",
    ] {
        assert_eq!(read(body), "", "{body:?}");
    }
}

#[test]
fn arguments_are_read_with_quotes_in_any_order() {
    insta::assert_snapshot!(read(
        "/promote staging\n/hydromote diff prod\n/hold prod reason=\"not on Friday\"\n/hold reason=“curly ones”\n\
         /rollback prod reason='it''s bad' to=ABCDEF1\n/rollback prod steps=2 only=service=web\n/reject\n\
         /reject 0123456789\n/hydromote"
    ), @r#"
    {"verb":"promote","environment":"staging"}
    {"verb":"diff","environment":"prod"}
    {"verb":"hold","environment":"prod","reason":"not on Friday"}
    {"verb":"hold","environment":null,"reason":"curly ones"}
    `rollback` does not know what `bad'` is. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    {"verb":"rollback","environment":"prod","to":{"steps":2},"only":"service=web","reason":null}
    {"verb":"reject","dry":null,"reason":null}
    {"verb":"reject","dry":"0123456789","reason":null}
    {"verb":"help"}
    "#);
}

#[test]
fn a_mistake_says_what_would_be_right() {
    insta::assert_snapshot!(read(
        "/hydromote promoet\n@hydro thanks a lot\n/promote staging now\n/promote pro/d\n/rollback\n/rollback prod to=main"
    ), @r#"
    `promoet` is no command. Did you mean `promote`? `/hydromote help` lists what there is.
    `thanks` is no command. There is `status`, `diff`, `help`, `hold`, `retry`, `promote`, `unhold`, `reject`, `unreject`, `preview`, `override`, `rollback`, `restore` and `adopt`.
    `promote` does not know what `now` is. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.
    `promote` names `pro/d`, which is no environment. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.
    `rollback` names no environment. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    `rollback` names `main`, which is no commit id of 7 or more digits. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    "#);
    insta::assert_snapshot!(read(
        "/rollback prod steps=0\n/rollback prod to=abcdef1 steps=1\n/hold reason=\"open\n/hold reason=a reason=b\n\
         /promote sha=abc\n/promote `staging`\n/rollback prod [to=abcdef1](x)"
    ), @r#"
    `rollback` needs a number of at least 1 as `steps`. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    `rollback` has both `to` and `steps`. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    `hold` has a quote that does not end. Write it as `/hydromote hold [environment] [reason="…"]`.
    `hold` names `reason` twice. Write it as `/hydromote hold [environment] [reason="…"]`.
    `promote` does not know what `sha=` is. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.
    `promote` has something in its line that is not plain text. Write it without code, links and images: `/hydromote promote [environment] [override=windows reason="…"]`.
    `rollback` has something in its line that is not plain text. Write it without code, links and images: `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.
    "#);
}

#[test]
fn several_lines_are_several_commands() {
    assert_eq!(read("/promote\ntext\n/retry\n\n/promote"), format!("{PROMOTE}\n{{\"verb\":\"retry\"}}\n{PROMOTE}"));
}

#[test]
fn a_comment_with_too_many_commands_counts_for_nothing() {
    assert_eq!(read(&"/promote\n".repeat(COMMANDS_LIMIT)).lines().count(), COMMANDS_LIMIT);
    assert_eq!(parse(&"/promote\n".repeat(100), "hydro", Spelling::Bare), Err(TooMuch::Many));
}

#[test]
fn a_comment_of_a_megabyte_is_not_read() {
    let body = format!("/promote\n{}", "x".repeat(1 << 20));
    assert_eq!(parse(&body, "hydro", Spelling::Bare), Err(TooMuch::Long { bytes: body.len() }));
}

#[test]
fn hostile_nesting_ends_soon() {
    for piece in [">", "[", "<a>", "<!--", "*_", "- ", "`", "\\", "| "] {
        let body = format!("{}/promote", piece.repeat(LENGTH_LIMIT / piece.len() - 16));
        assert_eq!(read(&body), "", "{piece}");
    }
}

#[test]
fn on_a_pull_request_of_people_only_words_of_our_own_stand_alone() {
    let own = |body: &str| parse(body, "hydro", Spelling::Own).expect("is short").len();
    for body in ["/hold", "/unhold prod", "/retry", "/status"] {
        assert_eq!(own(body), 0, "{body}");
        assert_eq!(own(&format!("/hydromote {}", &body[1..])), 1, "{body}");
    }
    assert_eq!(own("/promote\n/reject\n/unreject\n/rollback prod"), 4);
}

#[test]
fn where_the_forge_swallows_bare_words_only_prefixed_ones_count() {
    let parse = |body| parse(body, "hydro", Spelling::Prefixed).map(|found| found.len());
    assert_eq!(parse("/promote"), Ok(0));
    assert_eq!(parse("/hydromote promote"), Ok(1));
    assert_eq!(parse("@hydro promote"), Ok(1));
}

#[test]
fn what_is_repeated_ends_no_code_span_and_is_short() {
    let found = parse(&format!("/hydromote x`\u{202e}{}", "y".repeat(500)), "hydro", Spelling::Bare);
    let line = found.expect("because it is short").remove(0).line;
    assert!(line.starts_with("/hydromote xyyy"), "{line}");
    assert_eq!(line.chars().count(), LINE_LIMIT);
}

#[test]
fn every_command_needs_what_the_table_says() {
    let table = Verb::ALL.map(|verb| format!("{} {}", verb, verb.needs())).join("\n");
    insta::assert_snapshot!(table, @"
    status read
    diff read
    help read
    hold triage
    retry triage
    promote write
    unhold write
    reject write
    unreject write
    preview write
    override maintain
    rollback maintain
    restore maintain
    adopt maintain
    ");
}
