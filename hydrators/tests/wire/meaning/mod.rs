//! Canonical text means what the text of before means, to readers that are none of ours.

mod corpus;
mod readers;
mod versions;
mod written;

use std::collections::BTreeMap;

use hydrators::{Limits, Meaning, Renderers, canonical, read_documents};
use proptest::test_runner::TestRunner;

use crate::repository::renderers;
use written::{Dice, WORDS};

/// How many documents and streams are made up.
const DOCUMENTS: usize = 1_500;
const STREAMS: usize = 400;

/// Why we refuse what others read: a key that is there twice, tags that do not fit, and what only some readers take for
/// YAML.
const REFUSALS: &[&str] = &[
    "is there twice",
    "tab cannot be used as indentation",
    "a BOM must not appear inside a document",
    "plain scalar cannot start with '-'",
    "unsupported tag",
    "non-finite float",
    "invalid floating point",
    "invalid u64",
    "invalid i64",
    "!!binary",
    "cannot deserialize null into string",
    "simple key expected ':'",
    "wrongly indented line in block scalar",
    "invalid indentation in multiline quoted scalar",
    "found unknown anchor",
];

/// What came of comparing texts with their canonical text.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How many have a canonical text.
    written: usize,
    /// How many of them each reader reads, and were compared.
    compared: [usize; 2],
    faults: Vec<String>,
}

impl Told {
    /// Compares texts with their canonical text. What is no manifest is left out.
    async fn of(texts: &[String], renderers: &Renderers) -> Self {
        let mut told = Self::default();
        let pairs = told.written(texts);
        let side = |pairs: &[(&str, String)]| -> (Vec<String>, Vec<String>) {
            pairs.iter().map(|(text, once)| ((*text).to_owned(), once.clone())).unzip()
        };
        // Each reader is given once more only what it could read, and Kustomize what the other one can: it reads one
        // document by itself where it cannot read one of many.
        let (raw, _) = side(&pairs);
        let before = readers::api_server(renderers, &raw).await;
        let (pairs, before) = readable(pairs, before);
        let (raw, once) = side(&pairs);
        let after = readers::api_server(renderers, &once).await;
        told.compared[0] = told.compare(&pairs, &before, &after);
        let before = readers::kustomize(renderers, &raw).await;
        let (pairs, before) = readable(pairs, before);
        let after = readers::kustomize(renderers, &side(&pairs).1).await;
        told.compared[1] = told.compare(&pairs, &before, &after);
        told
    }

    /// Returns each text that is a manifest with its canonical text.
    fn written<'t>(&mut self, texts: &'t [String]) -> Vec<(&'t str, String)> {
        let mut pairs = Vec::new();
        for text in texts {
            let Ok(once) = canonical(text) else { continue };
            match canonical(&once) {
                Ok(again) if again == once => {}
                other => self.faults.push(format!("{text}\n--- is written\n{once}\n--- and then\n{other:?}")),
            }
            pairs.push((text.as_str(), once));
        }
        self.written = pairs.len();
        pairs
    }

    fn compare(&mut self, pairs: &[(&str, String)], before: &[Vec<String>], after: &[Option<Vec<String>>]) -> usize {
        assert_eq!((before.len(), after.len()), (pairs.len(), pairs.len()));
        for ((text, once), (before, after)) in pairs.iter().zip(before.iter().zip(after)) {
            if after.as_ref() != Some(before) {
                self.faults.push(format!("{text}\n--- means {before:?}, and\n{once}\n--- means {after:?}"));
            }
        }
        pairs.len()
    }
}

/// Leaves out what could not be read.
fn readable(pairs: Vec<(&str, String)>, read: Vec<Option<Vec<String>>>) -> (Vec<(&str, String)>, Vec<Vec<String>>) {
    pairs.into_iter().zip(read).filter_map(|(pair, read)| Some((pair, read?))).unzip()
}

/// Returns dice that fall alike in every run: what is compared here is what other programs do with rare texts, and those
/// are found by hand, with other dice.
fn dice() -> Dice {
    Dice(TestRunner::deterministic().new_rng())
}

#[tokio::test]
async fn documents_in_every_style_mean_what_they_meant() {
    let (renderers, mut dice) = (renderers(Limits::default()).await, dice());
    let texts: Vec<String> = (0..DOCUMENTS).map(|number| dice.document(&format!("n{number}"))).collect();
    let told = Told::of(&texts, &renderers).await;
    assert_eq!(told.faults, Vec::<String>::new());
    assert!(told.written > DOCUMENTS / 2 && told.compared.iter().all(|count| *count > DOCUMENTS / 3), "{told:?}");
}

#[tokio::test]
async fn streams_in_every_style_mean_what_they_meant() {
    let (renderers, mut dice) = (renderers(Limits::default()).await, dice());
    let texts: Vec<String> = (0..STREAMS).map(|number| dice.stream(&format!("n{number}"))).collect();
    let told = Told::of(&texts, &renderers).await;
    assert_eq!(told.faults, Vec::<String>::new());
    assert!(told.compared.iter().all(|count| *count > STREAMS / 6), "{told:?}");
}

#[tokio::test]
async fn what_others_read_is_refused_for_known_reasons_alone() {
    let (renderers, mut dice) = (renderers(Limits::default()).await, dice());
    let texts: Vec<String> = (0..DOCUMENTS).map(|number| dice.document(&format!("n{number}"))).collect();
    let refused: Vec<String> = texts.into_iter().filter(|text| canonical(text).is_err()).collect();
    let read = readers::api_server(&renderers, &refused).await;
    for text in refused.iter().zip(read).filter(|(_, read)| read.is_some()).map(|(text, _)| text) {
        let reason = canonical(text).expect_err("it is refused").message;
        assert!(REFUSALS.iter().any(|known| reason.contains(known)), "{reason}:\n{text}");
    }
}

#[tokio::test]
async fn values_of_one_meaning_are_one_value_to_every_reader() {
    let styles: [fn(&str) -> String; 5] = [
        |word| word.to_owned(),
        |word| format!("'{}'", word.replace('\'', "''")),
        |word| serde_json::Value::from(word).to_string(),
        |word| format!("|-\n  {word}"),
        |word| format!(">-\n  {word}"),
    ];
    let values = WORDS.iter().flat_map(|word| styles.map(|style| style(word))).enumerate();
    let text =
        |name: &str, value: &str| format!("apiVersion: v1\nkind: A\nmetadata: {{name: {name}}}\nspec: {value}\n");
    let named = values.map(|(number, value)| (format!("word-{number:04}"), value));
    let named: Vec<(String, String)> = named.filter(|(name, value)| canonical(&text(name, value)).is_ok()).collect();
    let texts: Vec<String> = named.iter().map(|(name, value)| text(name, value)).collect();
    let renderers = renderers(Limits::default()).await;
    let read = [readers::api_server(&renderers, &texts).await, readers::kustomize(&renderers, &texts).await];
    let mut compared = 0;
    for read in read {
        let mut by_meaning: BTreeMap<Meaning, (&str, String)> = BTreeMap::new();
        for ((name, value), found) in named.iter().zip(read) {
            let Some(found) = found.map(|found| found.concat().replace(name, "word")) else { continue };
            let document = read_documents(&text("word", value), None).expect("a manifest").remove(0);
            let (first, expected) = by_meaning.entry(document.meaning()).or_insert((value, found.clone()));
            assert_eq!(*expected, found, "{first} and {value}");
            compared += 1;
        }
    }
    assert!(compared > 6 * WORDS.len(), "{compared}");
}
