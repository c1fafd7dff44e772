//! Comments that nobody would write, and what holds for them too.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// What comments are put together from: words of ours, and everything of Markdown that is no text.
const PIECES: [&str; 40] = [
    "/promote",
    "/hydromote promote prod",
    "@hydro hold",
    "/rollback prod to=abc",
    "/hydromote",
    "/hold",
    "/hydromote x",
    "```",
    "````sh",
    "~~~",
    "`",
    "``",
    "> ",
    "    ",
    "\t",
    "- ",
    "1. ",
    "# ",
    "---",
    "***",
    "<!--",
    "-->",
    "<details>",
    "<pre>",
    "</pre>",
    "[a](/promote)",
    "![/promote](x)",
    "[/promote]: /x",
    "<https://x/promote>",
    "| /promote |",
    "\\",
    "&#47;promote",
    "\u{202e}",
    "\u{0}",
    "\r",
    "\u{2028}",
    "é",
    "reason=\"",
    "\"",
    "=",
];

fn comments() -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,12}"];
    let between = select(vec!["", " ", "\n", "\n\n", "\r\n"]);
    vec((piece, between), 0..30).prop_map(|pieces| pieces.into_iter().map(|(piece, between)| piece + between).collect())
}

fn spellings() -> impl Strategy<Value = Spelling> {
    select(vec![Spelling::Prefixed, Spelling::Own, Spelling::Bare])
}

proptest! {
    #[test]
    fn every_comment_is_read_within_bounds(body in comments(), spelling in spellings()) {
        if let Ok(requests) = parse(&body, "hydro[bot]", spelling) {
            prop_assert!(requests.len() <= COMMANDS_LIMIT);
            for request in requests {
                prop_assert!(request.line.chars().count() <= LINE_LIMIT, "{:?}", request.line);
                prop_assert!(!request.line.contains(char::is_control), "{:?}", request.line);
                if let Err(mistake) = request.asks {
                    prop_assert!(!mistake.message.is_empty() && !mistake.help.is_empty());
                }
            }
        }
    }

    /// A forge that takes less never takes more, and what stands behind our prefix is taken everywhere.
    #[test]
    fn what_a_careful_forge_takes_every_forge_takes(body in comments()) {
        let read = |spelling| parse(&body, "hydro[bot]", spelling);
        if let (Ok(prefixed), Ok(own), Ok(bare)) = (read(Spelling::Prefixed), read(Spelling::Own), read(Spelling::Bare)) {
            prop_assert!(prefixed.iter().all(|request| own.contains(request)));
            prop_assert!(own.iter().all(|request| bare.contains(request)));
        }
    }

    /// In a fence, a quote or HTML nothing is a command, whatever it is.
    #[test]
    fn what_is_shown_is_not_done(body in comments(), spelling in spellings()) {
        let lines: Vec<&str> = body.split(['\n', '\r', '\u{2028}']).collect();
        let fence = "`".repeat(1 + body.split(|c| c != '`').map(str::len).max().unwrap_or_default().max(2));
        let quoted: String = lines.iter().map(|line| format!("> {line}\n")).collect();
        for shown in [format!("{fence}\n{body}\n{fence}\n"), quoted] {
            prop_assert_eq!(parse(&shown, "hydro[bot]", spelling), Ok(Vec::new()), "{:?}", shown);
        }
    }

    /// Texts of any size take bounded work: what is longer than a forge takes is not even looked at.
    #[test]
    fn floods_are_refused(piece in select(&PIECES[..]), spelling in spellings()) {
        let body = format!("{piece} /promote\n").repeat(1 + LENGTH_LIMIT / (piece.len() + 10));
        prop_assert_eq!(parse(&body, "hydro[bot]", spelling), Err(TooMuch::Long { bytes: body.len() }));
    }
}
