//! The pages as a reader has them: in a headless Chromium, wide and on a phone, light and dark.
//!
//! Needs Chromium (Debian: `apt-get install chromium`). Where it is missing each test says so and passes; under CI it fails. With
//! `MAYFLY_SCREENSHOTS=FOLDER` they leave pictures there, to look at.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a browser runs in wall time")]
#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "a page's numbers are small, and its pixels whole"
)]
#![allow(clippy::needless_pass_by_value, reason = "parameters are made where they are passed")]

mod chromium;
#[path = "../fixture/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;
mod run;
mod speed;
mod sweep;
mod tab;

use tab::{READERS, Tab};

/// Functions that see what a reader sees.
const LOOK: &str = include_str!("look.js");

/// What holds of every page, before anybody touches it.
fn assert_readable(tab: &mut Tab, what: &str) {
    assert_eq!(tab.complaints(), Vec::<String>::new(), "{what}");
    assert_eq!(tab.number("look.sideways()"), 0.0, "{what}: it scrolls sideways");
    assert_eq!(tab.eval("window.shifted"), serde_json::json!([]), "{what}: its layout shifts while it loads");
    assert_eq!(tab.eval("look.faint()"), serde_json::json!([]), "{what}: texts that are hard to read");
    assert_eq!(tab.eval("look.blank()"), serde_json::json!([]), "{what}: canvases without a pixel");
}
