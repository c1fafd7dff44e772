//! What lies around a hostile repository and must stay as it is: files, and somebody who listens.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// What nobody may come to know.
pub(super) const SECRET: &str = "93174-what-nobody-may-come-to-know";

/// The surroundings of one run.
pub(super) struct Ground {
    folder: TempDir,
    listener: TcpListener,
    before: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl Ground {
    pub(super) fn new() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let outside = folder.path().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("canary"), SECRET)?;
        fs::write(
            outside.join("canary.yaml"),
            format!("apiVersion: v1\nkind: {SECRET}\nmetadata: {{name: canary}}\n"),
        )?;
        fs::write(outside.join("Chart.yaml"), format!("apiVersion: v2\nname: outside\nversion: 1.0.0\n# {SECRET}\n"))?;
        fs::write(outside.join("kustomization.yaml"), "resources: [canary.yaml]\n")?;
        mknodat(CWD, outside.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let before = everything(&outside)?;
        Ok(Self { folder, listener, before })
    }

    /// Returns a folder for what has to lie beside.
    pub(super) fn beside(&self, name: &str) -> std::io::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        folder.canonicalize()
    }

    /// Returns a text with the names of this ground in it.
    pub(super) fn names(&self, text: &str) -> String {
        let outside = self.folder.path().join("outside");
        let port = self.listener.local_addr().map(|address| address.port()).unwrap_or_default();
        text.replace("@canary@", &outside.join("canary").display().to_string())
            .replace("@outside@", &outside.display().to_string())
            .replace("@port@", &port.to_string())
    }

    /// Fails when something has changed, or somebody has come.
    pub(super) fn check(&self) -> Result<(), String> {
        let after = everything(&self.folder.path().join("outside")).map_err(|error| error.to_string())?;
        if after != self.before {
            return Err(format!("something was written outside: {:?}", after.keys().collect::<Vec<_>>()));
        }
        match self.listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Err("a connection was made".into()),
        }
    }
}

/// Returns all files of a folder with their content; what is no file has none.
pub(super) fn everything(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![folder.to_path_buf()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            if metadata.is_dir() {
                ahead.push(path.clone());
            }
            let content = if metadata.is_file() { Some(fs::read(&path)?) } else { None };
            found.insert(path, content);
        }
    }
    Ok(found)
}
