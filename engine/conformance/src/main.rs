//! Writes `CONFORMANCE.md` anew from the table.

use std::process::ExitCode;

use mayfly_conformance::standard::Standard;
use mayfly_conformance::{FileError, folder, render};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), FileError> {
    let standards = [Standard::read(&folder().join("mqtt5"))?, Standard::read(&folder().join("mqtt311"))?];
    let page = render::page(&[&standards[0], &standards[1]]);
    let path = folder().join("CONFORMANCE.md");
    std::fs::write(&path, page).map_err(|error| FileError { path, problem: error.to_string() })
}
