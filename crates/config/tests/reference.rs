//! The published schema and reference page are what the code says. Must never be written by hand.
//!
//! To write them anew: `CALLGATE_WRITE_GOLDEN=1 cargo test -p config --test reference`.

use std::path::PathBuf;

fn golden(name: &str, now: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference")).join(name);
    if std::env::var_os("CALLGATE_WRITE_GOLDEN").is_some() {
        assert!(std::fs::write(&path, now).is_ok(), "cannot write docs/reference/{name}");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == now,
        "docs/reference/{name} is out of date; the first lines of this file say how to write it"
    );
}

#[test]
fn the_json_schema_is_published() {
    golden("callgate.schema.json", &config::json_schema());
}

#[test]
fn the_reference_page_is_published() {
    golden("config.md", &config::markdown());
}
