//! Writes the reports of three made-up runs below the directory that is given, to look at the page while
//! changing it: `cargo run -p mayfly-reports --example render_fixture -- target/fixtures`.

use std::path::PathBuf;
use std::process::ExitCode;

#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: render_fixture DIRECTORY");
        return ExitCode::from(2);
    };
    for report in [fixture::partition(), fixture::restart(), fixture::violation()] {
        match mayfly_reports::write(&report, &dir) {
            Ok(paths) => println!("{}", mayfly_reports::text::run(&report, Some(&paths.html))),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
