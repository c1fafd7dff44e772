//! Finds secrets in the clear, which do not belong on a branch.
//!
//! Sealed and external secrets are other kinds and pass; so does anything that SOPS encrypted.

use serde_json::Value;

use crate::canonical::Document;
use crate::failure::RenderFailure;

/// Returns whether an object is a `Secret` with data, or a list that has one.
pub(crate) fn has_data(object: &Value) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "Secret") => {
            object.get("sops").is_none() && (is_filled(object, "data") || is_filled(object, "stringData"))
        }
        (_, kind) if kind.ends_with("List") => {
            object.get("items").and_then(Value::as_array).is_some_and(|items| items.iter().any(has_data))
        }
        _ => false,
    }
}

fn is_filled(object: &Value, key: &str) -> bool {
    match object.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(_) => true,
    }
}

/// Fails on the first document that holds a secret in the clear.
pub(crate) fn refuse(documents: &[Document]) -> Result<(), RenderFailure> {
    let Some(document) = documents.iter().find(|document| document.has_secret_data) else { return Ok(()) };
    let failure = RenderFailure::author(format!(
        "{} has data in the clear, and would be committed to the environment branch; use a sealed, external or \
         SOPS-encrypted secret, or set `render.secrets: allow`",
        document.identity
    ));
    Err(match &document.origin.file {
        Some(file) => failure.at(file.clone(), document.origin.line),
        None => failure,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_secret_with_data_is_in_the_clear() {
        let secret = |extra: Value| {
            let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
            object.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
            object
        };
        assert!(has_data(&secret(json!({"data": {"a": "Yg=="}}))));
        assert!(has_data(&secret(json!({"stringData": {"a": "b"}}))));
        assert!(!has_data(&secret(json!({"data": {}, "stringData": null}))));
        assert!(!has_data(&secret(json!({"data": {"a": "ENC[x]"}, "sops": {"version": "3"}}))));
        assert!(!has_data(&secret(json!({"kind": "SealedSecret", "apiVersion": "bitnami.com/v1alpha1"}))));
        assert!(has_data(&json!({"apiVersion": "v1", "kind": "List", "items": [secret(json!({"data": {"a": "b"}}))]})));
    }
}
