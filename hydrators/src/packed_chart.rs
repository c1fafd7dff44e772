//! A packed chart as whoever fetched it gives it: read whole, and refused when anything about it is odd.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Component;

use serde_json::Value;
use tar::{Archive, EntryType};

use crate::archive::{FILE_BYTES, UNPACKED_BYTES, unpack, unreadable};
use crate::tree;

/// How many files a chart may have.
const FILES: usize = 10_000;
/// The file that makes a folder a chart.
const CHART: &str = "Chart.yaml";

/// The content of a packed chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedChart {
    /// Its name, as it says itself.
    pub name: String,
    /// Its version, as it says itself.
    pub version: String,
    /// Its files by their path in its folder.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl PackedChart {
    /// Reads an archive as `helm package` makes it: one folder of ordinary files.
    ///
    /// # Errors
    ///
    /// In words that go on after "the archive cannot be used:", when it is none, is too large, or holds links, other
    /// special files, or paths that lead out of its folder.
    pub fn read(archive: &[u8]) -> Result<Self, String> {
        let unpacked = unpack(archive, &mut { UNPACKED_BYTES })?;
        let mut archive = Archive::new(Cursor::new(&unpacked));
        let (mut files, mut folder) = (BTreeMap::new(), None);
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let bytes = entry.path_bytes().into_owned();
            let shown = String::from_utf8_lossy(&bytes).escape_debug().to_string();
            let kind = entry.header().entry_type();
            if kind == EntryType::XGlobalHeader {
                continue;
            }
            let (top, path) = place(&entry.path().map_err(unreadable)?, &shown)?;
            if *folder.get_or_insert_with(|| top.clone()) != top {
                return Err(format!("`{shown}` in it is outside of the chart's folder"));
            }
            match kind {
                EntryType::Directory => continue,
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
                _ => return Err(format!("`{shown}` in it is a link or a special file")),
            }
            if entry.size() > FILE_BYTES {
                return Err(format!("`{shown}` in it is larger than {FILE_BYTES} bytes"));
            }
            if path.is_empty() || !tree::is_safe(&path) {
                return Err(format!("`{shown}` in it has a path that is not allowed"));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(unreadable)?;
            if files.insert(path, content).is_some() {
                return Err(format!("it has `{shown}` twice"));
            }
            if files.len() > FILES {
                return Err(format!("it has more than {FILES} files"));
            }
        }
        refuse_files_as_folders(&files)?;
        let (name, version) = identity(&files)?;
        Ok(Self { name, version, files })
    }
}

/// Returns the first segment of a path, and the rest.
fn place(path: &std::path::Path, shown: &str) -> Result<(String, String), String> {
    let mut segments = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(segment) => match segment.to_str() {
                Some(segment) if !segment.contains('\\') && !segment.contains(char::is_control) => {
                    segments.push(segment);
                }
                _ => return Err(format!("`{shown}` in it has a path that is not allowed")),
            },
            Component::CurDir => {}
            _ => return Err(format!("`{shown}` in it leads out of it")),
        }
    }
    let (top, rest) = segments.split_first().ok_or_else(|| format!("`{shown}` in it leads out of it"))?;
    Ok(((*top).to_owned(), rest.join("/")))
}

fn refuse_files_as_folders(files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let is_file = |path: &&str| files.contains_key(*path);
    let above = |path: &str| path.rmatch_indices('/').map(|(end, _)| path[..end].to_owned()).collect::<Vec<_>>();
    match files.keys().find_map(|path| above(path).into_iter().find(|above| is_file(&above.as_str()))) {
        Some(path) => Err(format!("it has `{path}` as a file and as a folder")),
        None => Ok(()),
    }
}

fn identity(files: &BTreeMap<String, Vec<u8>>) -> Result<(String, String), String> {
    let text = files.get(CHART).ok_or_else(|| format!("it has no `{CHART}`"))?;
    let text = std::str::from_utf8(text).map_err(|_| format!("its `{CHART}` is no text"))?;
    let chart: Value =
        serde_saphyr::from_str(text).map_err(|error| format!("its `{CHART}`: {}", error.without_snippet()))?;
    let field = |key: &str| match chart.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(format!("its `{CHART}` has no `{key}`")),
    };
    Ok((field("name")?, field("version")?))
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    use super::*;
    use crate::archive::tests::packed;

    const REDIS: (&str, &[u8]) = ("redis/Chart.yaml", b"name: redis\nversion: 20.1.0\n");

    #[test]
    fn the_files_are_those_of_the_charts_folder() {
        let read = PackedChart::read(&packed(&[REDIS, ("redis/templates/a.yaml", b"a")])).expect("a chart");
        assert_eq!((read.name.as_str(), read.version.as_str()), ("redis", "20.1.0"));
        assert_eq!(read.files.keys().collect::<Vec<_>>(), ["Chart.yaml", "templates/a.yaml"]);
    }

    #[test]
    fn what_unpacks_out_of_place_is_refused() {
        let refused = |files: &[(&str, &[u8])]| PackedChart::read(&packed(files)).expect_err("a refusal");
        assert_eq!(refused(&[REDIS, ("redis/../x", b"")]), "`redis/../x` in it leads out of it");
        assert_eq!(refused(&[REDIS, ("/etc/x", b"")]), "`/etc/x` in it leads out of it");
        assert_eq!(refused(&[REDIS, ("other/x", b"")]), "`other/x` in it is outside of the chart's folder");
        assert_eq!(
            refused(&[REDIS, ("redis/a\\..\\x", b"")]),
            "`redis/a\\\\..\\\\x` in it has a path that is not allowed"
        );
        assert_eq!(refused(&[REDIS, ("redis/.git/x", b"")]), "`redis/.git/x` in it has a path that is not allowed");
        assert_eq!(refused(&[REDIS, REDIS]), "it has `redis/Chart.yaml` twice");
        assert_eq!(refused(&[REDIS, ("redis/a", b""), ("redis/a/b", b"")]), "it has `a` as a file and as a folder");
        assert_eq!(refused(&[("redis/values.yaml", b"")]), "it has no `Chart.yaml`");
        assert_eq!(refused(&[("redis/Chart.yaml", b"name: redis")]), "its `Chart.yaml` has no `version`");
        let large = vec![0; usize::try_from(FILE_BYTES).expect("it fits") + 1];
        assert_eq!(refused(&[REDIS, ("redis/a", &large)]), "`redis/a` in it is larger than 5242880 bytes");
    }

    #[test]
    fn links_and_special_files_are_refused() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
            let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, "redis/values.yaml", "/etc/passwd").expect("an entry");
            let archive = builder.into_inner().and_then(GzEncoder::finish).expect("an archive");
            let refused = PackedChart::read(&archive).expect_err("a refusal");
            assert_eq!(refused, "`redis/values.yaml` in it is a link or a special file");
        }
    }
}
