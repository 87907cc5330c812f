//! A run's bundle on disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use mayfly_reports::TraceHash;

use super::manifest::{FORMAT, HISTORY, MANIFEST, Manifest, PAGE, PARTS, REPORT, SCENARIO, Sum, TRACE};
use super::{BundleError, FORMAT_VERSION, Identity, lines};
use crate::run::Ran;
use crate::scenario::Scenario;

/// Writes the bundle of a run whose events were kept, as the folder `to`, in the place of an earlier one or of a report alone.
///
/// # Errors
/// If the folder holds anything else, or a file cannot be written; then nothing of it is there.
pub fn write(scenario: &Scenario, ran: &Ran, to: &Path) -> Result<(), BundleError> {
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name else { return Err(BundleError::NotThere { path: to.to_owned() }) };
    if let Some(other) =
        foreign(to).map_err(|cause| BundleError::Unwritable { path: to.to_owned(), cause })?
    {
        return Err(BundleError::Occupied { path: to.to_owned(), other });
    }
    let beside = |what: &str| to.with_file_name(format!(".{name}.{}.{what}", std::process::id()));
    let (new, old) = (beside("new"), beside("old"));
    let written = fill(scenario, ran, &new).and_then(|()| {
        let moved = put(&new, to, &old);
        moved.map_err(|cause| BundleError::Unwritable { path: to.to_owned(), cause })
    });
    if written.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    written
}

/// Removes what makes a bundle of the folder of a report, if anything does: another run's report is about to be written there.
pub fn remove(folder: &Path) {
    for name in [MANIFEST, HISTORY, TRACE, SCENARIO] {
        let _ = fs::remove_file(folder.join(name));
    }
}

/// A file in a folder that is no part of a bundle.
fn foreign(folder: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != MANIFEST && !PARTS.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Moves the new folder to its place; what was there is removed.
fn put(new: &Path, to: &Path, old: &Path) -> io::Result<()> {
    match fs::rename(to, old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::rename(new, to),
        moved => moved?,
    }
    if let Err(error) = fs::rename(new, to) {
        let _ = fs::rename(old, to);
        return Err(error);
    }
    fs::remove_dir_all(old)
}

fn fill(scenario: &Scenario, ran: &Ran, folder: &Path) -> Result<(), BundleError> {
    let unwritable = |path: PathBuf| move |cause| BundleError::Unwritable { path, cause };
    fs::create_dir_all(folder).map_err(unwritable(folder.to_owned()))?;
    let file = |name: &str, content: &dyn Fn(&mut BufWriter<File>) -> io::Result<()>| {
        let path = folder.join(name);
        let written = File::create(&path).map(BufWriter::new).and_then(|mut out| {
            content(&mut out)?;
            out.flush()
        });
        written.map_err(unwritable(path))
    };
    file(SCENARIO, &|out| out.write_all(scenario.text.as_bytes()))?;
    file(HISTORY, &|out| lines::write(&ran.history, out))?;
    file(TRACE, &|out| ran.events.iter().try_for_each(|event| writeln!(out, "{event}")))?;
    file(REPORT, &|out| out.write_all(ran.report.to_json().as_bytes()))?;
    file(PAGE, &|out| out.write_all(mayfly_reports::html::render(&ran.report).as_bytes()))?;
    let sum = |name: &&str| {
        let path = folder.join(name);
        Ok(((*name).to_owned(), Sum::of(&path).map_err(unwritable(path))?))
    };
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        scenario: scenario.name.clone(),
        file: ran.report.scenario.file.clone(),
        seed: ran.report.seed,
        trace_hash: match &ran.report.trace_hash {
            TraceHash::Hex(hash) => hash.clone(),
            TraceHash::Exempt { .. } => String::new(),
        },
        events: ran.event_count,
        events_kept: ran.events.len() as u64,
        build: Identity::own(),
        faults: ran.faults.clone(),
        files: PARTS.iter().map(sum).collect::<Result<_, BundleError>>()?,
    };
    file(MANIFEST, &|out| lines::write(&manifest, out))
}
