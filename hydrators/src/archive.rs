//! Looks into packed charts: what is in them counts as if it lay there unpacked.
//!
//! Nothing is ever written; what an archive unpacks to is bounded, as Helm bounds it.

use std::io::{Cursor, Read};
use std::path::Component;

use flate2::read::GzDecoder;
use tar::Archive;

/// What an archive may unpack to, with all that is packed in it.
pub(crate) const UNPACKED_BYTES: u64 = 100 << 20;
/// The largest file in one that is looked at; Helm takes no larger ones.
pub(crate) const FILE_BYTES: u64 = 5 << 20;
/// How deep archives may lie in archives.
const DEEPEST: u32 = 5;

/// A file in a packed chart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Its path in the archive.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns the files called `name` in a packed chart, and in the charts that are packed in it.
///
/// # Errors
///
/// In words for the author, when it is no archive, too large, or has paths that lead out of it.
pub(crate) fn files(archive: &[u8], name: &str) -> Result<Vec<Packed>, String> {
    let mut found = Vec::new();
    let mut left = UNPACKED_BYTES;
    look(archive, name, "", DEEPEST, &mut left, &mut found)?;
    Ok(found)
}

fn look(
    archive: &[u8],
    name: &str,
    inside: &str,
    depth: u32,
    left: &mut u64,
    found: &mut Vec<Packed>,
) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("it has archives in archives in archives")?;
    let unpacked = unpack(archive, left)?;
    let mut archive = Archive::new(Cursor::new(&unpacked));
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let shown = format!("{inside}{}", path.display());
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("`{}` in it leads out of it", shown.escape_debug()));
        }
        let (is_wanted, is_archive) =
            (path.file_name().is_some_and(|file| file == name), path.extension().is_some_and(|kind| kind == "tgz"));
        if !entry.header().entry_type().is_file() || !(is_wanted || is_archive) {
            continue;
        }
        if is_wanted && entry.size() > FILE_BYTES {
            return Err(format!("`{shown}` in it is larger than {FILE_BYTES} bytes"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        if is_wanted {
            found.push(Packed { path: shown, text: String::from_utf8_lossy(&content).into_owned() });
        } else {
            look(&content, name, &format!("{shown}/"), depth, left, found)?;
        }
    }
    Ok(())
}

pub(crate) fn unpack(archive: &[u8], left: &mut u64) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    GzDecoder::new(archive).take(*left + 1).read_to_end(&mut unpacked).map_err(unreadable)?;
    *left = left
        .checked_sub(unpacked.len() as u64)
        .ok_or_else(|| format!("it unpacks to more than {UNPACKED_BYTES} bytes"))?;
    Ok(unpacked)
}

pub(crate) fn unreadable(error: std::io::Error) -> String {
    format!("it cannot be unpacked: {error}")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    pub(crate) fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).expect("an entry");
        }
        builder.into_inner().and_then(GzEncoder::finish).expect("an archive")
    }

    #[test]
    fn files_are_found_in_archives_and_in_those_that_lie_in_them() {
        let inner = packed(&[("db/values.schema.json", b"inner")]);
        let outer =
            packed(&[("web/values.schema.json", b"outer"), ("web/Chart.yaml", b"x"), ("web/charts/db.tgz", &inner)]);
        let found = files(&outer, "values.schema.json").expect("files");
        let found: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        let inside = ("web/charts/db.tgz/db/values.schema.json", "inner");
        assert_eq!(found, [("web/values.schema.json", "outer"), inside]);
    }

    #[test]
    fn archives_that_are_none_or_lead_out_or_never_end_are_refused() {
        let refused = |archive: &[u8]| files(archive, "x").expect_err("a refusal");
        assert!(refused(b"rubbish").starts_with("it cannot be unpacked: "));
        assert_eq!(refused(&packed(&[("db/../../x", b"")])), "`db/../../x` in it leads out of it");
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        (0..=UNPACKED_BYTES >> 20).for_each(|_| bomb.write_all(&zeros).expect("written"));
        let bomb = bomb.finish().expect("an archive");
        assert_eq!(refused(&bomb), "it unpacks to more than 104857600 bytes");
        let mut nested = packed(&[]);
        (0..DEEPEST).for_each(|_| nested = packed(&[("a.tgz", &nested)]));
        assert_eq!(refused(&nested), "it has archives in archives in archives");
    }
}
