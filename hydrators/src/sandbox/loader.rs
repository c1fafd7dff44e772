//! What a program needs to be able to start: nothing when it is linked statically, as Helm and
//! Kustomize are; else its loader and the machine's libraries; the interpreter when it is a script.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where libraries are, and the loader's index of them. World-readable on every distribution.
const LIBRARIES: [&str; 6] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"];
/// Longer paths are no interpreter's.
const LONGEST_PATH: u64 = 4096;
/// The kind of entry in an ELF file's table that names the loader.
const PT_INTERP: u32 = 3;

/// What is opened at the start of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The program, its interpreter and their loaders.
    pub(super) start: Vec<PathBuf>,
    /// Libraries.
    pub(super) read: Vec<PathBuf>,
}

/// Returns what `program` needs. What cannot be read needs nothing more than itself.
pub(super) fn needs(program: &Path) -> Needs {
    let mut needs = Needs { start: vec![program.to_path_buf()], read: Vec::new() };
    let mut here = program.to_path_buf();
    if let Some(interpreter) = interpreter(&here) {
        needs.start.push(interpreter.clone());
        here = interpreter;
    }
    if let Some(loader) = loader(&here) {
        needs.start.push(loader);
        needs.read.extend(LIBRARIES.map(PathBuf::from));
    }
    needs
}

/// Returns the program that runs a script.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(script).ok()?.take(LONGEST_PATH).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().map(PathBuf::from)
}

/// Returns the loader that a dynamically linked program names (64 bits, this machine's byte order).
fn loader(program: &Path) -> Option<PathBuf> {
    let mut file = File::open(program).ok()?;
    let header = bytes::<64>(&mut file, 0)?;
    if !header.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let table = u64::from_ne_bytes(part(&header, 32));
    let size = u64::from(u16::from_ne_bytes(part(&header, 54)));
    let entries = u64::from(u16::from_ne_bytes(part(&header, 56)));
    for number in 0..entries {
        let entry = bytes::<56>(&mut file, table.checked_add(number * size)?)?;
        if u32::from_ne_bytes(part(&entry, 0)) == PT_INTERP {
            let length = u64::from_ne_bytes(part(&entry, 32)).min(LONGEST_PATH);
            let mut path = Vec::new();
            file.seek(SeekFrom::Start(u64::from_ne_bytes(part(&entry, 8)))).ok()?;
            file.take(length).read_to_end(&mut path).ok()?;
            return Some(PathBuf::from(String::from_utf8(path).ok()?.trim_end_matches('\0')));
        }
    }
    None
}

fn bytes<const N: usize>(file: &mut File, position: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(position)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn part<const N: usize>(bytes: &[u8], position: usize) -> [u8; N] {
    let part = bytes.get(position..position + N).and_then(|part| part.try_into().ok());
    part.expect("because the positions are constants within the header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_linked_to_libraries_names_its_loader() {
        let this = std::env::current_exe().expect("this program");
        let found = needs(&this);
        assert_eq!(found.start[0], this);
        assert!(found.start.len() == 1 || found.start[1].is_file() && !found.read.is_empty(), "{found:?}");
    }

    #[test]
    fn a_script_names_its_interpreter_and_nonsense_names_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |text: &[u8]| {
            let file = folder.path().join("program");
            std::fs::write(&file, text).expect("a file");
            needs(&file)
        };
        assert_eq!(with(b"#!/bin/none -e\necho\n").start[1..], [PathBuf::from("/bin/none")]);
        let nonsense = [&b""[..], b"#!", b"\x7fELF\x02", &[b"\x7fELF\x02".as_slice(), &[0xff; 200]].concat()];
        for text in nonsense {
            assert_eq!(with(text).start.len(), 1, "{text:?}");
        }
    }
}
