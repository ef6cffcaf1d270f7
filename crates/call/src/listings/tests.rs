//! What was last listed: per agent, only what changed is written, and only what is durable is remembered.

use model::digest::Digest;

use super::Listings;
use crate::testing::{principal, tool};

#[test]
fn only_news_is_written_and_only_what_was_remembered_counts() {
    let (ada, bob) = (principal("ada").agent, principal("bob").agent);
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    let (item, other) = (tool("get_item"), tool("get_other"));
    let listings = Listings::new(vec![(ada.clone(), item.clone(), old)]);
    let shown = [(item.clone(), new), (other.clone(), old)];

    let news = listings.changes(&ada, &shown);
    assert_eq!(news.tools, shown);
    assert_eq!(listings.last(&ada, &item), Some(old), "not before it is durable");
    listings.remember(&news);
    assert_eq!(listings.last(&ada, &item), Some(new));
    assert!(listings.changes(&ada, &shown).tools.is_empty(), "the same list again is no news");

    assert_eq!(listings.last(&bob, &item), None, "each agent has its own");
    assert_eq!(listings.changes(&bob, &shown).tools.len(), 2);
    listings.remember(&listings.changes(&ada, &shown[..1]));
    assert_eq!(listings.last(&ada, &other), Some(old), "a shorter list forgets nothing");
}
