//! The policy cookbook: every example decided as its golden file says, on tools as real servers list them, and
//! `docs/cookbook.md` written from both. Must never pass with an example that is not run or not shown.
//!
//! To write the page anew: `CALLGATE_WRITE_GOLDEN=1 cargo test -p sim --test cookbook`.

#[cfg(test)]
mod decided;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod page;
