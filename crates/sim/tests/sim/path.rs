//! TODO later.
