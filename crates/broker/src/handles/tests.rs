//! What opens a handle, and what does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use model::ids::{AgentId, ServerName};
use model::method::Method;
use proptest::prelude::*;

use super::*;

const NOW: Micros = Micros(1_795_251_600_000_000);
const KINDS: [Kind; 3] = [Kind::RequestState, Kind::Cursor, Kind::Task];

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("callgate-handles-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> SealedHandles {
        SealedHandles::open(&self.0).unwrap_or_else(|fault| panic!("{fault}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// In memory, for the properties.
static HANDLES: LazyLock<SealedHandles> =
    LazyLock::new(|| SealedHandles { passing: Named::new().unwrap(), lasting: Named::new().unwrap() });

#[derive(Clone, PartialEq, Debug)]
struct Owned {
    kind: Kind,
    agent: AgentId,
    endpoint: Endpoint,
    method: Method,
    digest: Digest,
}

impl Owned {
    fn bound(&self) -> Bound<'_> {
        let Self { kind, agent, endpoint, method, digest } = self;
        Bound { kind: *kind, agent, endpoint, method: *method, digest }
    }
}

fn a_cursor() -> Owned {
    Owned {
        kind: Kind::Cursor,
        agent: AgentId::parse("ada").unwrap(),
        endpoint: Endpoint::Server(ServerName::parse("git").unwrap()),
        method: Method::ListPrompts,
        digest: Digest::of(b"arguments"),
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    let kind = prop::sample::select(KINDS.to_vec());
    let endpoint = prop_oneof![
        Just(Endpoint::All),
        "[a-c]{1,2}".prop_map(|name| Endpoint::Server(ServerName::parse(&name).unwrap())),
    ];
    let method = prop::sample::select(Method::BESIDE_TOOLS.to_vec());
    (kind, "[a-c]{1,2}", endpoint, method, 0u8..3).prop_map(|(kind, agent, endpoint, method, digest)| Owned {
        kind,
        agent: AgentId::parse(&agent).unwrap(),
        endpoint,
        method,
        digest: Digest::of(&[digest]),
    })
}

fn sealed(owned: &Owned, payload: &[u8]) -> String {
    HANDLES.seal(&owned.bound(), payload, NOW.plus_seconds(60)).unwrap()
}

proptest! {
    #[test]
    fn a_handle_opens_for_what_it_was_sealed_for_and_for_nothing_else(
        mine in owned(), other in owned(), payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let text = sealed(&mine, &payload);
        prop_assert_eq!(HANDLES.open(&mine.bound(), &text, NOW), Some(payload.clone()));
        let opened = HANDLES.open(&other.bound(), &text, NOW);
        prop_assert_eq!(opened, (mine == other).then_some(payload));
    }

    #[test]
    fn s31_any_changed_missing_or_added_letter_is_noticed(
        payload in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(),
        letter in "[A-Za-z0-9_=. \u{e9}-]",
    ) {
        let mine = a_cursor();
        let text = sealed(&mine, &payload);
        let at = at.index(text.len());
        let (before, after) = text.split_at(at);
        let rest = after.get(1..).unwrap();
        let closed = |other: &str| other == text || HANDLES.open(&mine.bound(), other, NOW).is_none();
        let changed = format!("{before}{letter}{rest}");
        let missing = format!("{before}{rest}");
        let added = format!("{before}{letter}{after}");
        let longer = format!("{text}{letter}");
        for other in [changed, missing, added, longer, before.to_owned()] {
            prop_assert!(closed(&other), "{}", other);
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(text in any::<String>(), body in "[A-Za-z0-9_-]{0,80}", owned in owned()) {
        prop_assert_eq!(HANDLES.open(&owned.bound(), &text, NOW), None);
        for behind in [text, body] {
            let text = format!("{PREFIX}{behind}");
            prop_assert_eq!(HANDLES.open(&owned.bound(), &text, NOW), None);
        }
    }

    #[test]
    fn one_text_stands_for_given_bytes_and_no_other(
        bytes in prop::collection::vec(any::<u8>(), 0..50), text in "[A-Za-z0-9_-]{0,9}",
    ) {
        prop_assert_eq!(text::decode(&text::encode(&bytes), bytes.len()), Some(bytes));
        if let Some(bytes) = text::decode(&text, 9) {
            prop_assert_eq!(text::encode(&bytes), text);
        }
    }
}

#[test]
fn a_handle_is_good_until_its_end_and_not_a_moment_longer() {
    let mine = a_cursor();
    let text = HANDLES.seal(&mine.bound(), b"x", NOW).unwrap();
    assert_eq!(HANDLES.open(&mine.bound(), &text, Micros(NOW.0 - 1)).as_deref(), Some(b"x".as_slice()));
    for late in [NOW.0, NOW.0 + 1, i64::MAX] {
        assert_eq!(HANDLES.open(&mine.bound(), &text, Micros(late)), None);
    }
}

#[test]
fn what_is_sealed_twice_looks_different_and_shows_nothing() {
    let mine = a_cursor();
    let payload = b"upstream cursor page=2";
    let (first, second) = (sealed(&mine, payload), sealed(&mine, payload));
    assert_ne!(first, second);
    assert!(first.is_ascii() && !first.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))));
    let bytes = text::decode(first.strip_prefix(PREFIX).unwrap(), BYTES_MAX).unwrap();
    assert!(!bytes.windows(6).any(|window| payload.windows(6).any(|plain| plain == window)));
    let key = &HANDLES.lasting.key;
    assert_eq!(key.open(crypt::Bound::Name(""), &bytes), None, "nor is it a value of a sealed store");
}

#[test]
fn payloads_have_a_limit_that_holds_exactly() {
    let mine = a_cursor();
    let longest = vec![7; PAYLOAD_BYTES_MAX];
    assert_eq!(HANDLES.open(&mine.bound(), &sealed(&mine, &longest), NOW), Some(longest));
    let fault = HANDLES.seal(&mine.bound(), &[7; PAYLOAD_BYTES_MAX + 1], NOW).unwrap_err();
    assert_eq!(fault.to_string(), "a handle holds 4096 bytes, and not 4097");
}

#[test]
fn cursors_survive_a_restart_and_request_states_do_not() {
    let scratch = Scratch::new();
    let (before, same_key) = (scratch.open(), scratch.open());
    let elsewhere = Scratch::new();
    let other_key = elsewhere.open();
    for kind in KINDS {
        let mine = Owned { kind, ..a_cursor() };
        let text = before.seal(&mine.bound(), b"x", NOW.plus_seconds(1)).unwrap();
        assert!(before.open(&mine.bound(), &text, NOW).is_some());
        let survives = same_key.open(&mine.bound(), &text, NOW).is_some();
        assert_eq!(survives, kind != Kind::RequestState, "{kind:?}");
        assert_eq!(other_key.open(&mine.bound(), &text, NOW), None);
    }
}

#[test]
fn the_key_is_this_users_alone_and_is_never_made_anew_where_there_is_one() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let (directory, key) = (scratch.0.clone(), scratch.0.join("key"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&key)), (0o700, 0o600));
    let bytes = std::fs::read(&key).unwrap();
    let refused = || SealedHandles::open(&directory).err().map(|fault| fault.to_string()).unwrap_or_default();

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused().contains("has mode 640, so that others can use it"), "{}", refused());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, bytes.get(1..).unwrap()).unwrap();
    assert!(refused().contains("remove it: the next start makes a new one"), "{}", refused());
    std::fs::remove_file(&key).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &key).unwrap();
    assert!(refused().starts_with("cannot use"), "{}", refused());
    std::fs::remove_file(&key).unwrap();
    drop(scratch.open());
    assert_ne!(std::fs::read(&key).unwrap(), bytes, "removed on purpose, it is another");
}
