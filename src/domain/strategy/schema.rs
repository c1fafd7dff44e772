//! The JSON Schema of strategy files, made from the types that read them.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::document::Document;

/// Returns the JSON Schema (draft 2020-12) of one strategy document.
///
/// Words that are read only to say that they are not yet supported are left out.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED_IN: &str = include_str!("../../../docs/strategy.schema.json");
    const EXAMPLES: [&str; 2] = [
        include_str!("../../../examples/podinfo/hydromote.yaml"),
        include_str!("../../../examples/gitops-catalog/hydromote.yaml"),
    ];

    #[test]
    fn the_schema_in_docs_is_the_one_of_the_types() {
        let made = serde_json::to_string_pretty(&schema()).expect("because a JSON value can be written") + "\n";
        let first = made.lines().zip(CHECKED_IN.lines()).position(|(made, file)| made != file);
        assert!(
            made == CHECKED_IN,
            "docs/strategy.schema.json is not up to date (first difference in line {:?}): \
             refresh it with `hydromote schema > docs/strategy.schema.json`",
            first.map(|line| line + 1)
        );
    }

    #[test]
    fn the_examples_are_valid_by_the_schema() {
        let validator = jsonschema::validator_for(&schema()).expect("because the schema is valid");
        for example in EXAMPLES {
            let document: Value = serde_saphyr::from_str(example).expect("because the example is YAML");
            let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }

    #[test]
    fn the_schema_refuses_unknown_words_and_wrong_durations() {
        let validator = jsonschema::validator_for(&schema()).expect("because the schema is valid");
        let example: Value = serde_saphyr::from_str(EXAMPLES[0]).expect("because the example is YAML");
        let mut unknown = example.clone();
        unknown["spec"]["replicas"] = 3.into();
        assert!(!validator.is_valid(&unknown));
        let mut duration = example;
        duration["spec"]["environments"][0]["soak"] = "soon".into();
        assert!(!validator.is_valid(&duration));
    }
}
