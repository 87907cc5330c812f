//! The worktree that is broken: the commit that is checked out, in a folder of its own under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use mayfly_conformance::mutations::Mutation;
use mayfly_conformance::workspace;

/// A temporary worktree. It is removed at the end; what was built in it stays for the next run.
pub(crate) struct Tree {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Where its builds go.
    pub(crate) target: PathBuf,
    /// The commit.
    pub(crate) commit: String,
    /// Whether the tree that this program is of has, beside the log, nothing but what the commit has.
    pub(crate) is_committed: bool,
}

impl Tree {
    /// A worktree of the commit that is checked out. Always in the same place, or cargo would build everything anew.
    pub(crate) fn of_head() -> anyhow::Result<Self> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
        std::fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
        let folder = target.canonicalize()?.join("mutations");
        let commit = git(&["rev-parse", "HEAD"])?;
        let is_committed =
            git(&["status", "--porcelain", "--", ".", ":(exclude)engine/conformance/MUTATIONS.md"])?
                .is_empty();
        let tree = Self { path: folder.join("tree"), target: folder.join("build"), commit, is_committed };
        tree.remove(); // An earlier run may have been interrupted.
        let path = tree.path.to_str().context("the target directory's path is no UTF-8")?;
        git(&["worktree", "add", "--quiet", "--detach", path, &tree.commit])?;
        Ok(tree)
    }

    /// Writes a mutation into its files.
    pub(crate) fn edit(&self, mutation: &Mutation) -> anyhow::Result<Edited> {
        let mut edited = Edited(Vec::new());
        for edit in &mutation.edit {
            let path = self.path.join(&edit.file);
            let text = std::fs::read_to_string(&path).with_context(|| edit.file.display().to_string())?;
            let changed = edit.apply(&text).map_err(anyhow::Error::msg)?;
            edited.0.push((path.clone(), text));
            std::fs::write(path, changed)?;
        }
        Ok(edited)
    }

    fn remove(&self) {
        if self.path.exists() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
        let _ = git(&["worktree", "prune"]);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A mutation that is in its files, with what stood in them before each edit; dropped, they are as they were.
pub(crate) struct Edited(Vec<(PathBuf, String)>);

impl Drop for Edited {
    fn drop(&mut self) {
        for (path, text) in self.0.iter().rev() {
            std::fs::write(path, text).expect("a file that was written before");
        }
    }
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let root: &Path = &workspace();
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().context("git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
