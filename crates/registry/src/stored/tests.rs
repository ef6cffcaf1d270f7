//! Records come back from the store as they went in, or not at all.

use super::*;
use crate::catalog::Catalog;
use crate::testing::{certified, listed, reader, tool};

fn record() -> ToolRecord {
    let catalog =
        certified(&listed(&Catalog::default(), &[reader("run", r#""description":"\u200b\"{}""#)], 7), "run");
    let catalog = listed(&catalog, &[reader("run", r#""description":"2""#)], 8);
    ToolRecord::clone(catalog.get(&tool("s", "run")).unwrap())
}

#[test]
fn records_round_trip() {
    let record = record();
    let back = decode(&encode(&record)).unwrap();
    assert_eq!(back, record);
    assert_eq!((back.digest, back.previous_digest()), (record.digest, record.previous_digest()));
}

#[test]
fn records_from_before_since_was_kept_still_come_back() {
    let record = record();
    let text = encode(&record).replace(&format!(r#""since":{},"#, record.since.0), "");
    assert!(!text.contains("since"));
    assert_eq!(decode(&text).unwrap().since, record.certified.unwrap().at);
}

#[test]
fn damage_is_noticed() {
    let text = encode(&record());
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""status":"quarantined""#, r#""status":"certified""#),
        (r#""tool":"run""#, r#""tool":"walk""#),
        (r#"\"description\":\"2\""#, r#"\"description\":\"3\""#),
        (r#""present":true"#, r#""present":1"#),
    ] {
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text, "{from}");
        assert!(decode(&damaged).is_err(), "{from}");
    }
    assert!(decode("").is_err());
}
