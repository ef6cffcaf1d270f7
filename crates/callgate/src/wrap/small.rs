//! Small pages for small processes. Must never change what a shim does, only what it weighs.
//!
//! The allocator asks for huge pages, which a daemon under load is the better for; of shims there are many, and each
//! would hold megabytes it does not use. It asks before `main` runs, so a shim forbids them and begins anew.

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    /// The name a process has that began anew, so that it does so once.
    const ANEW: &str = "callgate-small";

    pub(crate) fn begin_anew() {
        let anew = std::env::args_os().next().is_some_and(|name| name == ANEW);
        if anew || rustix::thread::disable_transparent_huge_pages(true).is_err() {
            return;
        }
        if let Ok(program) = std::env::current_exe() {
            // Comes back only when it failed: then this process goes on as it is.
            let _failed = Command::new(program).arg0(ANEW).args(std::env::args_os().skip(1)).exec();
        }
    }

    pub(crate) fn undo() {
        let _refused = rustix::thread::disable_transparent_huge_pages(false);
    }
}

/// Forbids huge pages and executes this program again, once.
pub(crate) fn begin_anew() {
    #[cfg(target_os = "linux")]
    linux::begin_anew();
}

/// Allows them again: what a process forbids, its children inherit.
pub(crate) fn undo() {
    #[cfg(target_os = "linux")]
    linux::undo();
}
