//! Detects a standard output that was closed when the process started (`>&-`). The standard library replaces it with
//! `/dev/null` before `main`: output is then lost, and no write fails. So this file checks it before that.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Called as the program is loaded, before the standard library is set up.
#[cfg(target_os = "linux")]
#[used]
#[expect(unsafe_code, reason = "nothing else runs before the standard library opens /dev/null")]
#[unsafe(link_section = ".init_array")]
static LOOK_BEFORE_MAIN: extern "C" fn() = look;

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "whether the descriptor is open is what is asked")]
extern "C" fn look() {
    // SAFETY: it is neither read nor written nor closed by this, and the system says so where it is not open.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout).is_err(), Ordering::Relaxed);
}

pub(super) fn was_stdout_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
