//! Being told to stop: by Ctrl-C, after which no run begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status of a process that a second Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

static IS_ASKED_FOR: AtomicBool = AtomicBool::new(false);
static IS_LISTENING: OnceLock<()> = OnceLock::new();

/// From now on Ctrl-C is a request to finish what runs and to say what was found; a second one ends the process.
pub(super) fn on_ctrl_c() {
    IS_LISTENING.get_or_init(|| {
        // Where the system has no such signal, Ctrl-C ends the process as ever.
        let _ = ctrlc::set_handler(|| {
            if IS_ASKED_FOR.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
            eprintln!("\nfinishing the runs that have begun; Ctrl-C again ends at once");
        });
    });
}

/// Whether the person at the terminal wants an end.
pub(super) fn is_asked_for() -> bool {
    IS_ASKED_FOR.load(Ordering::SeqCst)
}
