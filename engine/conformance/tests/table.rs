//! The conformance table is whole, names tests that exist and are run, and its page says the same.

use mayfly_conformance::sources::Sources;
use mayfly_conformance::standard::Standard;
use mayfly_conformance::{check, folder, render};

fn read(name: &str) -> Standard {
    Standard::read(&folder().join(name)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_statement_is_exercised_or_argued() {
    let mut sources = Sources::read().unwrap_or_else(|error| panic!("{error}"));
    let (newer, older) = (read("mqtt5"), read("mqtt311"));
    let mut problems = check::problems(&newer, None, &mut sources);
    problems.extend(check::problems(&older, Some(&newer), &mut sources));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_page_says_what_the_table_says() {
    let page =
        std::fs::read_to_string(folder().join("CONFORMANCE.md")).expect("the page is in the repository");
    let made = render::page(&[&read("mqtt5"), &read("mqtt311")]);
    assert!(page == made, "CONFORMANCE.md is not up to date: run cargo run -p mayfly-conformance");
}
