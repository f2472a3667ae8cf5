//! Ctrl-C and SIGTERM: the first asks for a clean end (after the step, with what has arrived), the second ends the process at once.

use std::io::IsTerminal;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::INTERRUPTED;
use crate::out;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALLED: Once = Once::new();

/// Takes over the signals; later calls do nothing. `stopping` is what happens after the first.
#[expect(clippy::exit, reason = "a user who asks twice wants no clean end")]
pub fn install(stopping: &'static str) {
    INSTALLED.call_once(|| {
        let installed = ctrlc::set_handler(move || {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED.into());
            }
            // On a terminal the cursor is at the end of a bar.
            let line = if std::io::stderr().is_terminal() {
                "\n"
            } else {
                ""
            };
            out::note(format_args!("{line}{stopping}; once more to stop at once"));
        });
        if let Err(error) = installed {
            out::note(format_args!("Ctrl-C will end the program at once: {error}"));
        }
    });
}

/// Whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
