//! A bundle from disk. Nothing that stands in a file is believed before it was checked.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use mayfly_reports::RunReport;
use serde::de::DeserializeOwned;

use super::manifest::{Envelope, FORMAT, HISTORY, MANIFEST, Manifest, PARTS, REPORT, SCENARIO, Sum, TRACE};
use super::{Bundle, BundleError, FORMAT_VERSION};
use crate::history::{ClientIndex, History};
use crate::scenario::Scenario;

impl Bundle {
    /// Reads a bundle: `path` is its folder, or its `bundle.json`.
    ///
    /// # Errors
    /// If it is none, is of another format version, or is not as it was written. Each says which file is wrong, and how.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let folder = folder(path)?;
        let manifest = manifest(&folder)?;
        for name in PARTS {
            is_as_written(&folder.join(name), manifest.files.get(name))?;
        }
        let scenario = folder.join(SCENARIO);
        let text = text(&scenario)?;
        let mut scenario = Scenario::parse(&text, &scenario.display().to_string())?;
        scenario.name = manifest.scenario;
        let history: History = json(&folder.join(HISTORY))?;
        let report = folder.join(REPORT);
        let read = RunReport::from_json(&self::text(&report)?);
        let report = read.map_err(|error| unsound(&report, &error.to_string()))?;
        let bundle = Self {
            folder,
            scenario,
            file: manifest.file,
            seed: manifest.seed,
            history,
            faults: manifest.faults,
            report,
            trace_hash: manifest.trace_hash,
            events: manifest.events,
            events_kept: manifest.events_kept,
            build: manifest.build,
        };
        bundle.fits_together()?;
        Ok(bundle)
    }

    /// The events that are kept, a line each.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn trace(&self) -> Result<impl Iterator<Item = String> + use<>, BundleError> {
        let path = self.folder.join(TRACE);
        let file = File::open(&path).map_err(|cause| BundleError::Unreadable { path, cause })?;
        Ok(BufReader::new(file).lines().map_while(Result::ok))
    }

    fn fits_together(&self) -> Result<(), BundleError> {
        let (path, history) = (self.folder.join(HISTORY), &self.history);
        history.check_soundness().map_err(|what| unsound(&path, &what))?;
        let names: Vec<_> = self.scenario.clients().into_iter().map(|client| client.name).collect();
        if !history.clients.iter().map(|client| &client.name).eq(&names) {
            return Err(unsound(&path, &format!("its clients are not the scenario's: {}", names.join(", "))));
        }
        let (path, faults) = (self.folder.join(MANIFEST), self.faults.len());
        if faults != self.scenario.faults.len() {
            let what = format!("it tells of {faults} faults, the scenario of {}", self.scenario.faults.len());
            return Err(unsound(&path, &what));
        }
        let is_known = |client: &ClientIndex| client.0 < names.len();
        if !self.faults.iter().flat_map(|fault| &fault.clients).all(is_known) {
            return Err(unsound(&path, "a fault is aimed at a client that is not there"));
        }
        let ends_early = |fault: &crate::nemesis::FaultRecord| {
            fault.healed_ns.is_some_and(|healed| fault.fired_ns > Some(healed))
        };
        if self.faults.iter().any(ends_early) {
            return Err(unsound(&path, "a fault ends before it strikes"));
        }
        if self.report.seed != self.seed || self.report.scenario.name != self.scenario.name {
            return Err(unsound(&path, "report.json is of another run"));
        }
        Ok(())
    }
}

fn folder(path: &Path) -> Result<PathBuf, BundleError> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if !path.exists() {
        return Err(BundleError::NotThere { path: path.to_owned() });
    }
    if path.file_name().is_some_and(|name| name == MANIFEST) {
        return Ok(path.parent().unwrap_or(Path::new("")).to_owned());
    }
    Err(BundleError::NoBundle { path: path.to_owned() })
}

fn manifest(folder: &Path) -> Result<Manifest, BundleError> {
    let path = folder.join(MANIFEST);
    if !path.exists() {
        return Err(BundleError::NoBundle { path: folder.to_owned() });
    }
    let envelope: Envelope = json(&path)?;
    if envelope.format != FORMAT {
        return Err(BundleError::Foreign { path, found: shown(&envelope.format) });
    }
    if envelope.format_version != u64::from(FORMAT_VERSION) {
        let build =
            envelope.build.map_or_else(|| "which it does not name".to_owned(), |it| shown(&it.to_string()));
        return Err(BundleError::Version { path, found: envelope.format_version, build });
    }
    json(&path)
}

fn is_as_written(path: &Path, written: Option<&Sum>) -> Result<(), BundleError> {
    let altered = |what: String| BundleError::Altered { path: path.to_owned(), what };
    let Some(written) = written else {
        return Err(altered(format!("{MANIFEST} does not tell its size and hash")));
    };
    let found = match Sum::of(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BundleError::Missing { path: path.to_owned() });
        }
        found => found.map_err(|cause| BundleError::Unreadable { path: path.to_owned(), cause })?,
    };
    if found.bytes != written.bytes {
        return Err(altered(format!("it has {} bytes, and had {}", found.bytes, written.bytes)));
    }
    if found.xxh3 != written.xxh3 {
        return Err(altered("its hash is another".to_owned()));
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, BundleError> {
    fs::read_to_string(path).map_err(|cause| BundleError::Unreadable { path: path.to_owned(), cause })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, BundleError> {
    let text = text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let (line, column, whole) = (error.line(), error.column(), error.to_string());
        let place = format!(" at line {line} column {column}");
        let what = shown(whole.strip_suffix(&place).unwrap_or(&whole));
        BundleError::Malformed { path: path.to_owned(), line, column, what }
    })
}

fn unsound(path: &Path, what: &str) -> BundleError {
    BundleError::Unsound { path: path.to_owned(), what: shown(what) }
}

/// A text of a file on one line, harmless to a terminal.
fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
