//! Panics of what a program runs, as a result like any other: a program that makes the engine panic is shrunk and reported,
//! with its seed, like one that differs.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught by [`caught`].
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// What the last one said, and where it came from.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `run`; where it panics, what that says and where it came from. Nothing is printed then: shrinking meets the same
/// panic thousands of times.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if IS_WATCHED.get() {
                LAST.replace(panic.to_string());
            } else {
                before(panic);
            }
        }));
    });
    IS_WATCHED.set(true);
    // What a panic left half done is not looked at again: only its trace is.
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    IS_WATCHED.set(false);
    result.map_err(|_| LAST.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_what_and_where() {
        assert_eq!(caught(|| 7), Ok(7));
        let said = caught(|| panic!("an invariant is broken")).map_or_else(|said| said, |()| String::new());
        assert!(said.contains("panics.rs") && said.contains("an invariant is broken"), "{said}");
        assert!(!IS_WATCHED.get(), "a panic of a test itself is printed");
    }
}
