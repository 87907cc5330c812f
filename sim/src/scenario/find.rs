//! Scenarios by name: `partition` is `scenarios/fast/partition.toml`.

use std::path::{Path, PathBuf};

use mayfly_settings::did_you_mean;

use super::error::ScenarioError;

/// The folders of `scenarios`, by intent.
pub const FOLDERS: [&str; 5] = ["fast", "slow", "negative", "bench", "regression"];

/// A scenario file and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The file's name without `.toml`.
    pub name: String,
    /// The folder that it is in: one of [`FOLDERS`].
    pub folder: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// The file of a scenario: `name` is a path that ends in `.toml`, a name such as `partition` or a folder and a name
/// such as `fast/partition`. Names are looked up in the folder `scenarios` of the current directory or of the
/// nearest directory above it that has one.
pub fn find(name: &str) -> Result<PathBuf, ScenarioError> {
    if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        return Ok(PathBuf::from(name));
    }
    let found = scenarios_folder().and_then(|folder| find_in(&folder, name));
    found.map_err(|error| match error {
        ScenarioError::UnknownName { .. } | ScenarioError::NoFolder { .. } if Path::new(name).is_dir() => {
            ScenarioError::Folder { name: name.to_owned(), folders: FOLDERS.join(", ") }
        }
        error => error,
    })
}

/// Like [`find`], in a given `scenarios` folder.
pub fn find_in(folder: &Path, name: &str) -> Result<PathBuf, ScenarioError> {
    let known = all_in(folder);
    let matches: Vec<&Found> =
        known.iter().filter(|found| found.name == name || found.qualified_name() == name).collect();
    match matches.as_slice() {
        [found] => Ok(found.path.clone()),
        [] => Err(ScenarioError::UnknownName {
            name: name.to_owned(),
            folder: folder.display().to_string(),
            suggestion: did_you_mean(name, known.iter().map(|found| found.name.as_str())),
            known: match known.as_slice() {
                [] => "none".to_owned(),
                _ => known.iter().map(Found::qualified_name).collect::<Vec<_>>().join(", "),
            },
        }),
        several => Err(ScenarioError::AmbiguousName {
            name: name.to_owned(),
            candidates: several.iter().map(|found| found.qualified_name()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// Every scenario file of a `scenarios` folder, ordered by intent and name. A folder that is missing is empty.
pub fn all_in(folder: &Path) -> Vec<Found> {
    let mut all = Vec::new();
    for intent in FOLDERS {
        let entries = std::fs::read_dir(folder.join(intent)).into_iter().flatten().flatten();
        let mut found: Vec<Found> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .filter_map(|path| {
                let name = path.file_stem()?.to_str()?.to_owned();
                Some(Found { name, folder: intent, path })
            })
            .collect();
        found.sort();
        all.append(&mut found);
    }
    all
}

/// The folder `scenarios` of the current directory, or of the nearest directory above it that has one.
pub fn scenarios_folder() -> Result<PathBuf, ScenarioError> {
    // Relative, because a message with `scenarios/fast/x.toml` reads better than one with the whole path.
    let here = PathBuf::from("scenarios");
    if here.is_dir() {
        return Ok(here);
    }
    let start = std::env::current_dir().unwrap_or_default();
    let folder =
        start.ancestors().map(|directory| directory.join("scenarios")).find(|folder| folder.is_dir());
    folder.ok_or_else(|| ScenarioError::NoFolder { start: start.display().to_string() })
}

impl Found {
    /// Folder and name: `fast/partition`.
    pub fn qualified_name(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }
}
