//! Constant-time comparison of secrets' hashes. Must never be replaced by `==` on secret-derived bytes.

/// Compares two byte strings in time that depends only on their lengths.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}
