//! Who may know whom: the layers of the source tree, read from its `use` lines and paths.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder or file of `src` and what it must not name.
struct Fence {
    inside: &'static str,
    never: &'static [&'static str],
}

/// The layers. What is not listed is wiring and may know everything.
const FENCES: &[Fence] = &[
    Fence {
        inside: "src/domain",
        never: &[
            "tokio",
            "tracing",
            "git2",
            "octocrab",
            "gitlab",
            "axum",
            "config",
            "sqlx",
            "reqwest",
            "std::fs",
            "std::net",
            "std::process",
            "std::time::SystemTime",
            "Timestamp::now",
            "crate::app",
            "crate::cli",
            "crate::forge",
            "crate::git",
            "crate::local_forge",
            "crate::messages",
            "crate::reconcile",
            "crate::server",
            "crate::settings",
            "crate::store",
            "hydrators",
        ],
    },
    Fence {
        inside: "src/forge",
        never: &[
            "git2",
            "axum",
            "sqlx",
            "crate::git",
            "crate::reconcile",
            "crate::server",
            "crate::store",
            "crate::cli",
            "crate::local_forge",
            "crate::messages",
        ],
    },
    Fence {
        inside: "src/charts",
        never: &[
            "git2",
            "axum",
            "sqlx",
            "octocrab",
            "crate::forge",
            "crate::git",
            "crate::reconcile",
            "crate::server",
            "crate::store",
            "crate::cli",
            "crate::local_forge",
            "crate::messages",
            "crate::settings",
        ],
    },
    Fence {
        inside: "src/local_forge",
        never: &[
            "crate::domain",
            "crate::forge",
            "crate::git",
            "crate::messages",
            "crate::reconcile",
            "crate::server",
            "crate::store",
            "crate::settings",
            "crate::cli",
            "hydrators",
            "octocrab",
        ],
    },
    Fence {
        inside: "src/git",
        never: &[
            "octocrab",
            "axum",
            "sqlx",
            "crate::forge",
            "crate::reconcile",
            "crate::server",
            "crate::store",
            "crate::messages",
            "crate::cli",
            "crate::local_forge",
            "hydrators",
        ],
    },
    Fence {
        inside: "src/store",
        never: &[
            "octocrab",
            "axum",
            "git2",
            "crate::git",
            "crate::forge",
            "crate::reconcile",
            "crate::server",
            "crate::cli",
            "crate::local_forge",
        ],
    },
    Fence {
        inside: "src/messages",
        never: &[
            "octocrab",
            "axum",
            "sqlx",
            "git2",
            "crate::forge",
            "crate::reconcile",
            "crate::server",
            "crate::store",
        ],
    },
    Fence {
        inside: "src/reconcile",
        never: &["octocrab", "gitlab", "axum", "crate::server", "crate::cli", "crate::local_forge", "crate::app"],
    },
    Fence {
        inside: "src/server",
        never: &["octocrab", "git2", "crate::git", "crate::local_forge", "crate::cli", "crate::app"],
    },
    Fence { inside: "hydrators/src", never: &["hydromote", "git2", "octocrab", "axum", "sqlx"] },
];

#[test]
fn no_layer_names_what_it_must_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for fence in FENCES {
        let files = rust_files(&root.join(fence.inside));
        assert!(!files.is_empty(), "{} has no files: the fence guards nothing", fence.inside);
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file");
            for (number, line) in production_lines(&text) {
                for name in fence.never.iter().filter(|name| names(line, name)) {
                    let path = file.strip_prefix(root).unwrap_or(&file).display();
                    broken.push(format!("{path}:{number}: `{name}` in `{}`", line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Returns the lines before the tests of a file, without comments.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    code.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(i, line)| (i + 1, line))
}

/// Says whether a line uses a path: `name::` or `use name`, not as the end of a longer name.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
        let is_path = name.contains("::") && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        begins && (after.starts_with("::") || is_path || line.trim_start().starts_with(&format!("use {name};")))
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test(&path) {
            files.push(path);
        }
    }
    files
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn the_fence_sees_paths_and_not_parts_of_names() {
    assert!(names("use git2::Oid;", "git2"));
    assert!(names("    let x = crate::git::batch();", "crate::git"));
    assert!(!names("use my_git2::Oid;", "git2"));
    assert!(!names("    crate::github::x()", "crate::git"));
}
