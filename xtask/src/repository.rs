//! Which files and which crates does the repository hold?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// The path relative to the root, with `/` between its parts.
    pub(crate) path: String,
    /// The content.
    pub(crate) text: String,
}

impl TextFile {
    /// The part of the file's name after its last dot; empty when there is none.
    pub(crate) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The file's name without its folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A Rust file with its syntax tree.
pub(crate) struct RustFile<'a> {
    /// Path and text.
    pub(crate) source: &'a TextFile,
    /// The tree, or where and why the text is not Rust.
    pub(crate) syntax: Result<syn::File, syn::Error>,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// The name in its manifest.
    pub(crate) name: String,
    /// Its folder relative to the root, with a `/` at the end.
    pub(crate) folder: String,
    /// Its manifest.
    pub(crate) manifest: toml::Table,
}

/// Everything that the rules look at, read once.
#[derive(Debug)]
pub(crate) struct Repository {
    /// Every text file that is tracked, or new and not ignored, sorted by path.
    pub(crate) files: Vec<TextFile>,
    /// Every crate, sorted by folder.
    pub(crate) packages: Vec<Package>,
    /// The manifest of the workspace.
    pub(crate) workspace: toml::Table,
}

impl Repository {
    /// The root of the repository, found from where this crate lies.
    pub(crate) fn find_root() -> anyhow::Result<PathBuf> {
        // Asked for when it runs: clones share build results, so the path at compile time may be that
        // of another clone.
        let here = std::env::var_os("CARGO_MANIFEST_DIR");
        let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = here.parent().context("xtask has no folder above it")?;
        Ok(root.to_owned())
    }

    /// Reads the repository that this crate belongs to.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let root = Self::find_root()?;
        let mut files = Vec::new();
        for path in list_files(&root)? {
            let bytes = match std::fs::read(root.join(&path)) {
                Ok(bytes) => bytes,
                // Deleted in the work tree and not yet in the index.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read `{path}`")),
            };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile { path, text });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self::from_files(files)
    }

    /// Finds the crates among files that are already read.
    pub(crate) fn from_files(files: Vec<TextFile>) -> anyhow::Result<Self> {
        let mut workspace = toml::Table::new();
        let mut packages = Vec::new();
        for file in files.iter().filter(|file| file.name() == "Cargo.toml") {
            let manifest: toml::Table = toml::from_str(&file.text)
                .with_context(|| format!("`{}` is not a manifest", file.path))?;
            if file.path == "Cargo.toml" {
                workspace = manifest;
                continue;
            }
            let name = manifest
                .get("package")
                .and_then(|package| package.get("name"))
                .and_then(toml::Value::as_str)
                .with_context(|| format!("`{}` names no package", file.path))?
                .to_owned();
            let folder = file.path.trim_end_matches("Cargo.toml").to_owned();
            packages.push(Package { name, folder, manifest });
        }
        Ok(Self { files, packages, workspace })
    }

    /// Every Rust file with its tree.
    pub(crate) fn rust_files(&self) -> Vec<RustFile<'_>> {
        self.files
            .iter()
            .filter(|file| file.extension() == "rs")
            .map(|source| RustFile { source, syntax: syn::parse_file(&source.text) })
            .collect()
    }

    /// Whether a file with this path is in the repository.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }
}

/// Asks git, because only git knows what is ignored.
fn list_files(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git cannot list the files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let listing = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut paths: Vec<String> =
        listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
