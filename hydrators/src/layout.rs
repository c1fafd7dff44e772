//! How the documents of a root become files.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::canonical::{self, BadManifest, Document, Identity};
use crate::source::Layout;

/// The file of the `manifest` layout.
const MANIFEST: &str = "manifest.yaml";

/// The longest name of a file without its ending; file systems take 255 bytes.
const LONGEST: usize = 200;

/// How much of a digest tells two resources apart whose names are too alike, in hexadecimal digits.
const DIGITS: usize = 10;

/// Lays documents out; returns files by their path in the output folder.
pub(crate) fn files(layout: Layout, documents: Vec<Document>) -> Result<BTreeMap<String, Vec<u8>>, BadManifest> {
    match layout {
        Layout::Manifest => {
            let text = canonical::write_documents(documents)?;
            Ok(BTreeMap::from([(MANIFEST.to_string(), text.into_bytes())]))
        }
        Layout::Resources => resources(documents),
    }
}

/// One file for each document, called after its resource alone: no other resource renames it.
fn resources(documents: Vec<Document>) -> Result<BTreeMap<String, Vec<u8>>, BadManifest> {
    canonical::refuse_doubles(&documents)?;
    let mut alike: BTreeMap<String, Vec<Document>> = BTreeMap::new();
    let mut nameless = 0;
    for document in documents {
        let mut stem = stem(&document.identity);
        if document.identity.name.is_empty() {
            nameless += 1;
            stem += &format!("_+{nameless}");
        }
        alike.entry(stem).or_default().push(document);
    }
    let mut files = BTreeMap::new();
    for (stem, documents) in alike {
        let is_alone = documents.len() == 1;
        for document in documents {
            // Two kinds that differ in capital letters alone.
            let stem = if is_alone { stem.clone() } else { told_apart(&stem, &document.identity) };
            files.insert(format!("{stem}.yaml"), document.text().as_bytes().to_vec());
        }
    }
    Ok(files)
}

/// Returns `kind.group_namespace_name`, without what is not there. No part has an underscore, so that two resources come
/// to one name only where something had to be replaced, and then a digest tells them apart; and none has capital
/// letters, which some file systems do not tell apart.
fn stem(identity: &Identity) -> String {
    let Identity { group, kind, namespace, name } = identity;
    let kind = kind.to_ascii_lowercase();
    let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
    let parts = [kind.as_str(), namespace, name];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let plain: Vec<String> = parts.iter().map(|part| part.chars().map(plain).collect()).collect();
    let (stem, is_exact) = (plain.join("_"), plain == parts);
    if is_exact && stem.len() <= LONGEST { stem } else { told_apart(&stem, identity) }
}

fn told_apart(stem: &str, identity: &Identity) -> String {
    let Identity { group, kind, namespace, name } = identity;
    let digest = hex::encode(Sha256::digest(format!("{group}\0{kind}\0{namespace}\0{name}")));
    let stem: String = stem.chars().take(LONGEST - DIGITS - 1).collect();
    format!("{stem}_{}", &digest[..DIGITS])
}

fn plain(c: char) -> char {
    match c {
        'a'..='z' | '0'..='9' | '.' | '-' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '-',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::read_documents;

    fn names(text: &str) -> Vec<String> {
        let documents = read_documents(text, None).expect("documents");
        files(Layout::Resources, documents).expect("files").into_keys().collect()
    }

    fn object(api_version: &str, kind: &str, metadata: &str) -> String {
        format!("---\napiVersion: {api_version}\nkind: {kind}\nmetadata: {{{metadata}}}\n")
    }

    #[test]
    fn files_are_called_after_their_resources() {
        let text = object("apps/v1", "Deployment", "name: web, namespace: shop")
            + &object("v1", "Service", "name: web")
            + &object("rbac.authorization.k8s.io/v1", "ClusterRole", "name: \"system:web\"")
            + &object("v1", "ConfigMap", "generateName: run-")
            + &object("v1", "ConfigMap", &format!("name: {}", "x".repeat(253)));
        let found = names(&text);
        assert_eq!(found[0], "clusterrole.rbac.authorization.k8s.io_system-web_adf7d67a32.yaml");
        assert_eq!(found[1], "configmap_+1.yaml");
        assert_eq!(found[3..], ["deployment.apps_shop_web.yaml", "service_web.yaml"]);
        assert_eq!(found[2].len(), LONGEST + ".yaml".len());
    }

    #[test]
    fn no_two_resources_come_to_one_file_wherever_it_is_checked_out() {
        let text = object("v1", "Thing", "name: a, namespace: b")
            + &object("v1", "Thing", "name: b_a")
            + &object("v1", "Thing", "name: b-a")
            + &object("v1", "Thing", "name: B-a")
            + &object("v1", "THING", "name: b-a")
            + &object("b/v1", "Thing", "name: a")
            + &object("v1", "Thing", "name: \"+1\"")
            + &object("v1", "Thing", "generateName: x")
            + &object("v1", "Thing", "generateName: x");
        let found: std::collections::BTreeSet<String> = names(&text).iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(found.len(), 9, "{found:?}");
    }

    #[test]
    fn another_resource_renames_no_file() {
        let one = object("v1", "Service", "name: web");
        let more = one.clone() + &object("v1", "Service", "name: api") + &object("apps/v1", "Service", "name: web");
        assert!(names(&more).contains(&names(&one)[0]));
    }

    #[test]
    fn a_resource_that_is_there_twice_is_refused() {
        let documents = read_documents(&object("v1", "A", "name: a").repeat(2), None).expect("documents");
        assert!(files(Layout::Resources, documents).is_err());
    }
}
