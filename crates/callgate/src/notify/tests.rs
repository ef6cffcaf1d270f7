//! When a person is told, and in which words.

use model::json::RawJson;
use model::limits::JsonLimits;
use model::time::Micros;
use registry::certify::certify;
use registry::observe::observe;
use registry::{CertifyRequest, Consent, Listing};

use super::*;

fn server() -> ServerName {
    ServerName::parse("files").unwrap()
}

/// The catalog after the server listed tools of these names, each with that description.
fn listed(catalog: &Catalog, tools: &[(&str, &str)]) -> Catalog {
    let raw: Vec<RawJson> = tools
        .iter()
        .map(|(name, says)| {
            let text =
                format!(r#"{{"name":"{name}","description":"{says}","inputSchema":{{"type":"object"}}}}"#);
            RawJson::parse(text.into(), &JsonLimits::UPSTREAM).unwrap().0
        })
        .collect();
    let seen = observe(catalog, &server(), &Listing::read(&raw, &[]).definitions, Micros(1));
    catalog.with(seen.changes.into_iter().map(|change| change.record))
}

fn certified(catalog: &Catalog) -> Catalog {
    let certified = catalog.all().filter(|tool| tool.waits().is_some()).map(|tool| {
        let consent = Consent::ByName(tool.digest);
        let by = "ann".to_owned();
        certify(tool, &CertifyRequest { consent, risk: None, returns_secrets: None, by, at: Micros(2) })
            .unwrap()
    });
    catalog.with(certified.collect::<Vec<_>>())
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn texts(waits: &mut Waits, catalog: &Catalog, now: Duration) -> Vec<String> {
    waits.look(catalog);
    waits.due(catalog, now).iter().map(Bulletin::text).collect()
}

#[test]
fn a_changed_server_is_told_once_and_then_at_most_every_five_minutes() {
    let first = certified(&listed(&Catalog::default(), &[("read", "a"), ("write", "a")]));
    let mut waits = Waits::from(&first);
    assert!(texts(&mut waits, &first, minutes(0)).is_empty());
    let second = listed(&first, &[("read", "b"), ("write", "a"), ("fresh", "a")]);
    let told = texts(&mut waits, &second, minutes(1));
    assert_eq!(told, ["files: 1 changed, 1 new. No agent can use them until you look: callgate status"]);
    assert!(texts(&mut waits, &second, minutes(9)).is_empty(), "it is no news any more");
    let third = listed(&second, &[("read", "b"), ("write", "b"), ("fresh", "a")]);
    let fourth = listed(&third, &[("read", "c"), ("write", "b"), ("fresh", "a")]);
    waits.told.insert(server(), minutes(9));
    assert!(texts(&mut waits, &third, minutes(10)).is_empty());
    assert!(texts(&mut waits, &fourth, minutes(11)).is_empty());
    let told = texts(&mut waits, &fourth, minutes(14));
    assert_eq!(told, ["files: 2 changed. No agent can use them until you look: callgate status"]);
}

#[test]
fn who_looked_before_it_was_told_is_not_told() {
    let first = certified(&listed(&Catalog::default(), &[("read", "a")]));
    let mut waits = Waits::from(&first);
    let second = listed(&first, &[("read", "b")]);
    waits.look(&second);
    assert!(texts(&mut waits, &certified(&second), minutes(1)).is_empty());
}

#[test]
fn a_server_that_is_being_set_up_and_what_an_operator_withdrew_are_no_news() {
    let mut waits = Waits::from(&Catalog::default());
    let first = listed(&Catalog::default(), &[("read", "a")]);
    assert!(texts(&mut waits, &first, minutes(1)).is_empty());
    let second = certified(&first);
    let withdrawn = second.all().next().unwrap().quarantined(Micros(3));
    assert!(texts(&mut waits, &second.with([withdrawn]), minutes(2)).is_empty());
}

#[test]
fn a_notification_has_no_word_of_a_server() {
    let first = certified(&listed(&Catalog::default(), &[("read", "a")]));
    let mut waits = Waits::from(&first);
    let second = listed(&first, &[("read", "<b>click</b>"), ("call.555-0100", "a")]);
    let told = texts(&mut waits, &second, minutes(1)).concat();
    assert!(!told.contains("555") && !told.contains('<') && !told.contains("read"), "{told}");
}
