//! What a sealed store keeps, and what it notices.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("callgate-sealed-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Sealed {
        Sealed::open(&self.0).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn fault(&self) -> SealedFault {
        Sealed::open(&self.0).err().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    fn key(&self) -> Key {
        Key::of(self.bytes("key").as_slice().try_into().unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn get(sealed: &Sealed, name: &str) -> Option<String> {
    sealed.get(name).unwrap().map(|secret| secret.reveal().to_owned())
}

/// `a` → `first value`, `b` → `second value`.
fn two() -> Scratch {
    let scratch = Scratch::new();
    let (a, b) = (secret("first value"), secret("second value"));
    scratch.open().put_all([("a", &a), ("b", &b)]).unwrap();
    scratch
}

#[test]
fn what_is_put_is_there_for_the_next_process_and_nowhere_in_clear() {
    let scratch = two();
    let sealed = scratch.open();
    assert_eq!(sealed.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(get(&sealed, "a").as_deref(), Some("first value"));
    assert_eq!(get(&sealed, "c"), None);
    for file in ["store", "key", "lock"] {
        let bytes = scratch.bytes(file);
        assert!(!bytes.windows(5).any(|window| window == b"value"), "{file}");
        let mode = std::fs::metadata(scratch.0.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 3, "nothing is left over");
}

#[test]
fn a_view_sees_what_others_wrote_once_it_writes_or_reloads() {
    let scratch = two();
    let (mut first, mut second) = (scratch.open(), scratch.open());
    first.put("c", &secret("third")).unwrap();
    assert_eq!(get(&second, "c"), None);
    second.put("a", &secret("new")).unwrap();
    assert_eq!(get(&second, "c").as_deref(), Some("third"));
    first.reload().unwrap();
    assert_eq!(get(&first, "a").as_deref(), Some("new"));
    assert!(second.remove("a").unwrap());
    assert!(!second.remove("a").unwrap());
    assert_eq!(get(&scratch.open(), "a"), None);
}

#[test]
fn looking_makes_nothing() {
    let scratch = Scratch::new();
    assert!(Sealed::open_existing(&scratch.0).unwrap().is_none());
    assert!(!scratch.0.exists());
    drop(scratch.open());
    assert!(Sealed::open_existing(&scratch.0).unwrap().is_some());
}

#[test]
fn a_missing_key_is_told_and_never_made_anew() {
    let scratch = two();
    let (key, store) = (scratch.bytes("key"), scratch.bytes("store"));
    let mut open = scratch.open();
    std::fs::remove_file(scratch.0.join("key")).unwrap();
    assert!(matches!(scratch.fault(), SealedFault::KeyMissing { .. }));
    assert!(matches!(Sealed::open_existing(&scratch.0).err().unwrap(), SealedFault::KeyMissing { .. }));
    assert!(!scratch.0.join("key").exists());
    assert_eq!(scratch.bytes("store"), store);
    // Who has the key open still has everything.
    open.put("c", &secret("third")).unwrap();
    scratch.write("key", &key);
    std::fs::set_permissions(scratch.0.join("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(get(&scratch.open(), "c").as_deref(), Some("third"));
}

#[test]
fn a_key_that_was_made_before_a_crash_is_used() {
    let scratch = two();
    let key = scratch.bytes("key");
    std::fs::remove_file(scratch.0.join("store")).unwrap();
    assert!(Sealed::open_existing(&scratch.0).unwrap().is_none());
    assert_eq!(scratch.open().names().count(), 0);
    assert_eq!(scratch.bytes("key"), key);
}

#[test]
fn a_damaged_store_is_not_written_over() {
    let scratch = two();
    let mut open = scratch.open();
    let mut bytes = scratch.bytes("store");
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write("store", &bytes);
    assert!(matches!(open.put("c", &secret("third")), Err(SealedFault::Damaged { .. })));
    assert!(matches!(open.remove("a"), Err(SealedFault::Damaged { .. })));
    assert!(matches!(scratch.fault(), SealedFault::Damaged { .. }));
    assert_eq!(scratch.bytes("store"), bytes);
    assert_eq!(get(&open, "a").as_deref(), Some("first value"), "what was read is kept");
}

#[test]
fn a_half_written_file_of_a_killed_process_is_no_store() {
    let scratch = two();
    let whole = scratch.bytes("store");
    std::fs::copy(scratch.0.join("store"), scratch.0.join("store.new")).unwrap();
    scratch.write("store.new", whole.get(..whole.len() / 2).unwrap());
    let mut sealed = scratch.open();
    assert_eq!(sealed.names().count(), 2);
    sealed.put("c", &secret("third")).unwrap();
    assert_eq!(scratch.open().names().count(), 3);
    assert!(!scratch.0.join("store.new").exists());
}

#[test]
fn values_that_changed_places_are_noticed_even_under_a_good_seal() {
    let scratch = two();
    let mut sealed = scratch.open();
    let (a, b) = (sealed.records.remove("a").unwrap(), sealed.records.remove("b").unwrap());
    let swapped = Records::from([("a".to_owned(), b), ("b".to_owned(), a)]);
    sealed.store(swapped).unwrap();
    let sealed = scratch.open();
    for name in ["a", "b"] {
        let fault = sealed.get(name).err().unwrap();
        assert!(matches!(fault, SealedFault::Damaged { .. }), "{fault}");
    }
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let scratch = two();
    let mut bytes = scratch.bytes("store");
    *bytes.get_mut(19).unwrap() = 2;
    scratch.write("store", &bytes);
    assert!(matches!(scratch.fault(), SealedFault::Version { version: 2, .. }));
}

#[test]
fn what_others_can_use_or_redirect_is_refused() {
    let scratch = two();
    for (file, open, closed) in [("", 0o755, 0o700), ("key", 0o640, 0o600), ("store", 0o604, 0o600)] {
        let path = scratch.0.join(file);
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(open);
        let fault = scratch.fault();
        assert!(matches!(fault, SealedFault::Exposed { wanted, .. } if wanted == closed), "{file}: {fault}");
        mode(closed);
    }
    let elsewhere = Scratch::new();
    std::fs::create_dir(&elsewhere.0).unwrap();
    std::fs::rename(scratch.0.join("key"), elsewhere.0.join("key")).unwrap();
    std::os::unix::fs::symlink(elsewhere.0.join("key"), scratch.0.join("key")).unwrap();
    assert!(matches!(scratch.fault(), SealedFault::Io { .. }));
}

#[test]
fn names_and_sizes_have_bounds() {
    let scratch = Scratch::new();
    let mut sealed = scratch.open();
    let long = "n".repeat(201);
    for name in ["", "a b", "é", "a\0", long.as_str()] {
        assert!(matches!(sealed.put(name, &secret("x")), Err(SealedFault::Name)), "{name}");
    }
    let value = |bytes: usize| secret(&"v".repeat(bytes));
    for (name, max) in [("a", VALUE_BYTES_MAX), ("clients/cursor/1", CLIENT_BYTES_MAX)] {
        assert!(matches!(sealed.put(name, &value(max + 1)), Err(SealedFault::TooLarge { .. })), "{name}");
        sealed.put(name, &value(max)).unwrap();
        assert_eq!(get(&scratch.open(), name).map(|text| text.len()), Some(max));
    }
    let names: Vec<_> = (0..NAMES_MAX).map(|number| format!("n{number}")).collect();
    let one = secret("");
    let all = names.iter().map(|name| (name.as_str(), &one));
    assert!(matches!(sealed.put_all(all), Err(SealedFault::Full { .. })));
    assert_eq!(scratch.open().names().count(), 2, "all or none");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_set_of_values_comes_back(
        values in proptest::collection::btree_map("[a-zA-Z0-9._/-]{1,40}", "\\PC{0,80}", 0..12)
    ) {
        let scratch = Scratch::new();
        let secrets: Vec<_> = values.iter().map(|(name, text)| (name.as_str(), secret(text))).collect();
        scratch.open().put_all(secrets.iter().map(|(name, secret)| (*name, secret))).unwrap();
        let sealed = scratch.open();
        prop_assert!(sealed.names().eq(values.keys().map(String::as_str)));
        for (name, text) in &values {
            let value = get(&sealed, name);
            prop_assert_eq!(value.as_ref(), Some(text));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
        let key = Key::of(&[7; 32]).unwrap();
        let whole = if magic { [b"callgate sealed\n\0\0\0\x01", bytes.as_slice()].concat() } else { bytes };
        prop_assert!(format::read(&key, &whole).is_err());
    }
}

#[test]
fn any_flipped_missing_or_added_byte_is_noticed() {
    let scratch = two();
    let (key, whole) = (scratch.key(), scratch.bytes("store"));
    assert!(format::read(&key, &whole).is_ok());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            *bytes.get_mut(at).unwrap() ^= 1 << bit;
            assert!(format::read(&key, &bytes).is_err(), "bit {bit} of byte {at}");
        }
        assert!(format::read(&key, whole.get(..at).unwrap()).is_err(), "cut at {at}");
    }
    assert!(format::read(&key, &[whole.as_slice(), b"\0"].concat()).is_err());
    let mut other: [u8; 32] = scratch.bytes("key").try_into().unwrap();
    for at in 0..other.len() {
        *other.get_mut(at).unwrap() ^= 1;
        assert!(format::read(&Key::of(&other).unwrap(), &whole).is_err(), "byte {at} of the key");
        *other.get_mut(at).unwrap() ^= 1;
    }
}

#[test]
fn what_a_killed_start_or_writer_left_is_cleared_by_the_next_opening() {
    // Killed between the link and the removal: the key has a second name, and there is no store yet.
    let scratch = two();
    std::fs::remove_file(scratch.0.join("store")).unwrap();
    std::fs::hard_link(scratch.0.join("key"), scratch.0.join("key.new")).unwrap();
    let key = scratch.bytes("key");
    drop(scratch.open());
    assert!(!scratch.0.join("key.new").exists());
    assert_eq!(scratch.bytes("key"), key, "the key is the same one");
    // The same with a store, as releases before this one left it, and half a store beside it.
    for open in [(|scratch| drop(scratch.open())) as fn(&Scratch), |scratch| {
        assert!(Sealed::open_existing(&scratch.0).unwrap().is_some());
    }] {
        let scratch = two();
        std::fs::hard_link(scratch.0.join("key"), scratch.0.join("key.new")).unwrap();
        scratch.write("store.new", b"half");
        open(&scratch);
        let left = ["key.new", "store.new"].map(|name| scratch.0.join(name).exists());
        assert_eq!(left, [false, false]);
        assert_eq!(get(&scratch.open(), "a").as_deref(), Some("first value"));
    }
    // Without its key nothing is removed: what is left may be all there is.
    let scratch = two();
    std::fs::rename(scratch.0.join("key"), scratch.0.join("key.new")).unwrap();
    assert!(matches!(scratch.fault(), SealedFault::KeyMissing { .. }));
    assert!(scratch.0.join("key.new").exists());
}

#[test]
fn what_another_user_owns_is_refused() {
    let own = rustix::process::geteuid().as_raw();
    let path = Path::new("key");
    assert!(files::private(path, (own, 0o100_600), 0o600, "file").is_ok());
    let fault = files::private(path, (own + 1, 0o100_600), 0o600, "file").unwrap_err();
    assert!(matches!(fault, SealedFault::Foreign { .. }), "{fault}");
}

#[test]
fn the_same_value_is_never_sealed_the_same_way_twice() {
    let scratch = Scratch::new();
    let mut sealed = scratch.open();
    let mut nonces = std::collections::BTreeSet::new();
    for number in 0..100 {
        let name = format!("n{number}");
        sealed.put(&name, &secret("one value")).unwrap();
        let seal = scratch.bytes("store");
        nonces.insert(sealed.records.get(&name).unwrap()[..crypt::NONCE_BYTES].to_vec());
        nonces.insert(
            seal[seal.len() - crypt::NONCE_BYTES - crypt::TAG_BYTES..][..crypt::NONCE_BYTES].to_vec(),
        );
    }
    assert_eq!(nonces.len(), 200, "a nonce under one key is used once, for values and for the file");
}

#[test]
fn what_no_writer_wrote_is_no_store_even_under_a_good_seal() {
    let scratch = two();
    let (records, key) = (scratch.open().records.clone(), scratch.key());
    let one = |name: &str| {
        let single = Records::from([(name.to_owned(), records.get(name).unwrap().clone())]);
        let bytes = format::write(&key, &single).unwrap().unwrap();
        bytes[24..bytes.len() - crypt::NONCE_BYTES - crypt::TAG_BYTES].to_vec()
    };
    let head = scratch.bytes("store")[..24].to_vec();
    let sealed = |parts: &[Vec<u8>]| {
        let before = parts.concat();
        [before.clone(), key.seal(Bound::File(&before), &[]).unwrap().unwrap()].concat()
    };
    let read = |bytes: &[u8]| format::read(&key, bytes).map(|records| records.len());
    assert_eq!(read(&sealed(&[head.clone(), one("a"), one("b")])), Ok(2));
    let (order, more) = ("its names are not in order", "it has bytes left over");
    for (parts, what) in [
        ([one("b"), one("a"), Vec::new()], order),
        ([one("a"), one("a"), Vec::new()], order),
        ([one("a"), one("b"), one("b")], more),
        ([one("a"), one("b"), vec![0]], more),
    ] {
        let bytes = sealed(&[vec![head.clone()], parts.to_vec()].concat());
        assert_eq!(read(&bytes), Err(Unreadable::Damaged(what)));
    }
}
