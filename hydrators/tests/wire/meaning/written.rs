//! Documents in every way that YAML can be written, and some in which it cannot.

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;

/// Plain words that readers take for numbers, truth values, times, nothing, or just words.
pub(crate) const WORDS: &[&str] = &[
    "0",
    "-0",
    "+1",
    "42",
    "007",
    "0777",
    "-0777",
    "0o17",
    "0O17",
    "0x1F",
    "0XfF",
    "-0x1f",
    "0b101",
    "0B1",
    "1_000",
    "0x_f",
    "08",
    "09.5",
    "1e3",
    "1E3",
    "1e+3",
    "1.5e-3",
    "1.",
    ".5",
    "-.5",
    "+.5",
    "1.0",
    "1.10",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    "inf",
    "nan",
    "NaN",
    "Infinity",
    "1:30",
    "190:20:30",
    "190:20:30.15",
    "-1:30",
    "12:30:45",
    "123456789012345678",
    "9007199254740993",
    "18446744073709551616",
    "-9223372036854775809",
    "1e400",
    "0.1e-400",
    "3.14159265358979323846",
    "true",
    "True",
    "TRUE",
    "tRue",
    "false",
    "False",
    "FALSE",
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "~",
    "null",
    "Null",
    "NULL",
    "nil",
    "None",
    "2024-01-01",
    "2024-1-1",
    "2024-01-01T10:00:00Z",
    "2024-01-01 10:00:00.5 +1",
    "2024-01-01t10:00:00-05:00",
    "=",
    "a",
    "web",
    "a b  c",
    "a:b",
    "http://x/y?z=1#f",
    "-x",
    "--on",
    "- ",
    "?x",
    ":x",
    "a#b",
    "x,y",
    "a[0]",
    "{{",
    "1.2.3",
    "v1",
    "100m",
    "1Gi",
    "0.5Gi",
    "12e03",
    "1e1000000",
    "é",
    "日本",
    "😀",
    "\u{a0}",
    "a\u{a0}",
    "\u{7f}x",
    "\u{85}x",
    "x\u{2028}y",
    "\u{feff}x",
    "x\ty",
    "@x",
    "`x",
    "%x",
    "!x",
    "&x",
    "*x",
    "|x",
    ">x",
    "'x",
    "\"x",
    "#x",
    "x#",
    "x: ",
    "<<",
    "---",
    "...",
    "--- x",
    "-",
    "?",
    ":",
    ",",
    "[",
    "]",
    "{",
    "}",
];

/// Parts of text between double quotes.
const DOUBLE: &[&str] = &[
    "a",
    "b c",
    " ",
    "  ",
    "\\0",
    "\\a",
    "\\b",
    "\\t",
    "\\\t",
    "\\n",
    "\\v",
    "\\f",
    "\\r",
    "\\e",
    "\\ ",
    "\\\"",
    "\\/",
    "\\\\",
    "\\N",
    "\\_",
    "\\L",
    "\\P",
    "\\x41",
    "\\xe9",
    "\\u00e9",
    "\\u2028",
    "\\U0001F600",
    "\\ud83d\\ude00",
    "é",
    "日",
    "😀",
    "\t",
    "'",
    "''",
    "#",
    " # x",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    ",",
    "&",
    "*",
    "!",
    "|",
    ">",
    "%",
    "@",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "\u{7f}",
    "\\q",
    "\u{1}",
];

/// Parts of text between single quotes.
const SINGLE: &[&str] = &[
    "a", "b c", " ", "  ", "''", "\\", "\\n", "\"", "é", "日", "\t", "#", " # x", ": ", "- ", "{", "]", ",", "&a",
    "*a", "!", "|", ">", "%", "\u{2028}", "\u{85}", "\u{a0}", "\u{feff}",
];

/// Lines of a block.
const LINES: &[&str] = &[
    "",
    "",
    "a",
    "b c",
    "  deeper",
    " one deeper",
    "\ttab",
    "a\tb",
    "trailing  ",
    "trailing\t",
    "# no comment",
    "- a",
    "a: b",
    "'q'",
    "\"q\"",
    "\\n",
    "--- x",
    "é 日 😀",
    "x\u{2028}y",
    "x\u{85}y",
    "\u{a0}",
    "   ",
    "*a",
    "&a",
    "%TAG",
    "? x",
    "{{ x }}",
    "|",
    ">",
];

const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "Z",
    "key with spaces",
    "a/b.c",
    "1",
    "01",
    "1.0",
    "1e3",
    "true",
    "on",
    "yes",
    "n",
    "null",
    "~",
    "=",
    "<<",
    "\"\"",
    "''",
    "\"quoted\"",
    "'single'",
    "\"a\\tb\"",
    "\"\\u00e9\"",
    "'it''s'",
    "é",
    "日",
    "-x",
    "a:b",
    "a#b",
    "\"a: b\"",
    "'1'",
    "\"on\"",
    "? a",
    "? [a, b]",
    "? |\n  a\n",
    "2024-01-01",
    ".5",
    "0x1f",
    "x\u{a0}",
    "\"<<\"",
    "!!str k",
    "&k k",
    "*k",
    "\"a\\\n  b\"",
    "a ",
    "\"\\x41\"",
    "$ref",
    "@x",
    "%x",
    "*",
];

/// Throws dice, the same in every run with one seed.
pub(crate) struct Dice(pub(crate) TestRng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end
    }

    /// Says yes once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one_of(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    fn some_of(&mut self, of: &[&'static str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.one_of(of)).collect()
    }

    /// Returns a document about the object `name`.
    pub(crate) fn document(&mut self, name: &str) -> String {
        let spec = format!("spec:{}", self.value(0, 3));
        let head = ["apiVersion: v1\n".to_owned(), "kind: Thing\n".to_owned(), format!("metadata:\n  name: {name}\n")];
        let mut parts: Vec<String> = head.into_iter().chain([spec]).collect();
        for last in (1..parts.len()).rev() {
            parts.swap(last, self.below(last + 1));
        }
        let text = parts.concat();
        if self.once_in(12) { text.replace('\n', "\r\n") } else { text }
    }

    /// Returns a stream of documents whose names begin with `name`.
    pub(crate) fn stream(&mut self, name: &str) -> String {
        let mut text = String::from(self.one_of(&[
            "",
            "",
            "\u{feff}",
            "---\n",
            "--- # first\n",
            "# first\n---\n",
            "%YAML 1.1\n---\n",
        ]));
        for number in 0..=self.below(3) {
            if number > 0 {
                text += self.one_of(&[
                    "---\n",
                    "--- # more\n",
                    "...\n---\n",
                    "---\n---\n",
                    "---\n# only this\n---\n",
                    "\n---  \n",
                    "...\n# x\n---\n",
                    "---\t\n",
                ]);
            }
            text += &self.document(&format!("{name}-{number}"));
        }
        text += self.one_of(&["", "", "---\n", "...\n", "# last\n", "---", "\n\n", "..."]);
        if self.once_in(12) { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
    }

    /// Returns what follows a key or a dash at `column`, with its line break.
    fn value(&mut self, column: usize, depth: usize) -> String {
        let property = if self.once_in(24) {
            self.one_of(&[
                " &a",
                " !!str",
                " !!int",
                " !!binary",
                " !x",
                " &b !!str",
                " !!map",
                " !!null",
                " !!float",
                " !!bool",
            ])
        } else {
            ""
        };
        let value = match self.below(if depth == 0 { 7 } else { 12 }) {
            0 => format!(" {}{}", self.one_of(WORDS), self.end()),
            1 => format!(" {}{}", self.plain_lines(column), self.end()),
            2 => format!(" '{}'{}", self.quoted_lines(column, SINGLE, false), self.end()),
            3 => format!(" \"{}\"{}", self.quoted_lines(column, DOUBLE, true), self.end()),
            4 | 5 => self.block(column),
            6 => format!(
                " {}{}",
                self.one_of(&["", "{}", "[]", "*a", "\"\"", "''", "{ }", "[ ]", "{\n }", "# x"]),
                self.end()
            ),
            7 => format!(" {}{}", self.flow(depth), self.end()),
            8 | 9 => self.sequence(column, depth - 1),
            _ => self.mapping(column, depth - 1),
        };
        format!("{property}{value}")
    }

    fn end(&mut self) -> &'static str {
        self.one_of(&["\n", "\n", "\n", "\n", "\n", " # x\n", "  \n", "\n\n", "\n# x\n", "\t\n", "\n   # x\n"])
    }

    fn mapping(&mut self, column: usize, depth: usize) -> String {
        let inner = column + 1 + self.below(4);
        let mut text = String::from(self.one_of(&["\n", "\n", " # x\n", "\n\n"]));
        for _ in 0..=self.below(4) {
            let key = self.one_of(KEYS);
            let value = self.value(inner, depth);
            let space = if self.once_in(16) { " " } else { "" };
            text += &format!("{}{key}{space}:{value}", " ".repeat(inner));
        }
        text
    }

    fn sequence(&mut self, column: usize, depth: usize) -> String {
        let inner = if column == 0 || self.once_in(2) { column } else { column + self.below(4) };
        let mut text = String::from("\n");
        for _ in 0..=self.below(4) {
            let value = self.value(inner, depth);
            // A mapping or a list may begin on the line of the dash.
            let value = match value.strip_prefix('\n') {
                Some(rest) if self.once_in(2) && rest.starts_with(&" ".repeat(inner + 2)) => {
                    rest[inner + 1..].to_owned()
                }
                _ => value,
            };
            text += &format!("{}-{value}", " ".repeat(inner));
        }
        text
    }

    fn flow(&mut self, depth: usize) -> String {
        let value = |dice: &mut Self| match dice.below(5) {
            0 if depth > 0 => dice.flow(depth - 1),
            1 => format!("\"{}\"", dice.some_of(DOUBLE, 3)),
            2 => format!("'{}'", dice.some_of(SINGLE, 3)),
            _ => dice.one_of(WORDS).to_owned(),
        };
        let gap = self.one_of(&[" ", " ", "", "\n      ", " # x\n      ", "  "]);
        let items: Vec<String> = (0..self.below(4)).map(|_| value(self)).collect();
        let comma = if self.once_in(8) { "," } else { "" };
        if self.once_in(2) {
            return format!("[{gap}{}{comma}{gap}]", items.join(&format!(",{gap}")));
        }
        let entry = |item: String, dice: &mut Self| match dice.below(8) {
            0 => format!("{}: ", dice.one_of(KEYS)),
            1 => format!("\"k\":{item}"),
            2 => item,
            _ => format!("{}: {item}", dice.one_of(KEYS)),
        };
        let items: Vec<String> = items.into_iter().map(|item| entry(item, self)).collect();
        format!("{{{gap}{}{comma}{gap}}}", items.join(&format!(",{gap}")))
    }

    fn plain_lines(&mut self, column: usize) -> String {
        let mut text = String::from(self.one_of(&["one two", "a", "x  y", "on", "1", "é"]));
        for _ in 0..self.below(4) {
            text += &self.line_break(column);
            text += self.one_of(&["three", "- a", "0777", "yes no", "#x", "x#y", "日", "'q'", "? x", "|"]);
        }
        text
    }

    fn quoted_lines(&mut self, column: usize, parts: &[&'static str], escapes: bool) -> String {
        let mut text = self.some_of(parts, 4);
        for _ in 0..[0, 0, 0, 1, 2][self.below(5)] {
            if escapes && self.once_in(3) {
                text.push('\\');
            }
            text += &self.line_break(column);
            text += &self.some_of(parts, 3);
        }
        text
    }

    fn line_break(&mut self, column: usize) -> String {
        let breaks = self.one_of(&["\n", "\n", "\n", "\n\n", "\n  \n\n", " \n", "\t\n", "\n\t\n"]);
        format!("{breaks}{}{}", " ".repeat(column + 1 + self.below(3)), self.one_of(&["", "", "", "\t"]))
    }

    fn block(&mut self, column: usize) -> String {
        let style = self.one_of(&["|", ">"]);
        let chomp = self.one_of(&["", "-", "+"]);
        let (hint, indent) = match self.below(3) {
            0 => {
                let hint = 1 + self.below(4);
                (hint.to_string(), column + hint)
            }
            _ => (String::new(), column + 1 + self.below(4)),
        };
        let header = if self.once_in(2) { format!("{hint}{chomp}") } else { format!("{chomp}{hint}") };
        let mut text = format!(" {style}{header}{}\n", self.one_of(&["", "", "", " # x", "  "]));
        for _ in 0..self.below(6) {
            let line = self.one_of(LINES);
            let bare = line.is_empty() && self.once_in(2);
            text += &format!("{}{line}\n", " ".repeat(if bare { 0 } else { indent }));
        }
        text
    }
}
