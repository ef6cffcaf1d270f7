//! Framing as seen in the wild, wherever chunks end.

use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]]) -> (Vec<(Option<String>, String)>, SseDecoder) {
    let mut decoder = SseDecoder::new(1024);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk).unwrap();
        while let Some(event) = decoder.next_event() {
            events.push((event.event, String::from_utf8(event.data.to_vec()).unwrap()));
        }
    }
    (events, decoder)
}

fn data(chunks: &[&[u8]]) -> Vec<String> {
    decode(chunks).0.into_iter().map(|(_, data)| data).collect()
}

#[test]
fn all_line_ends_comments_and_multi_line_data() {
    assert_eq!(data(&[b"data: a\n\ndata: b\r\n\r\ndata: c\r\r"]), ["a", "b", "c"]);
    assert_eq!(data(&[b":comment\r\n: x\n\ndata:{\"a\":\ndata: 1}\n\n"]), ["{\"a\":\n1}"]);
    assert_eq!(data(&[b"\xef\xbb\xbfdata: a\n\n"]), ["a"]);
    assert_eq!(data(&[b"data:  two spaces\n\nunknown: x\nno colon\ndata:y\n\n"]), [" two spaces", "y"]);
}

#[test]
fn events_without_data_are_skipped_but_their_fields_count() {
    let (events, decoder) = decode(&[b"id: e1\nretry: 500\ndata:\n\nevent: message\nid: e2\ndata: x\n\n"]);
    assert_eq!(events, [(Some("message".to_owned()), "x".to_owned())]);
    assert_eq!((decoder.last_id(), decoder.retry_millis()), (Some("e2"), Some(500)));
    assert!(data(&[b"data\n\n\n\nevent: ping\n\n"]).is_empty());
}

#[test]
fn an_event_that_was_cut_off_is_no_event() {
    assert!(data(&[b"data: x\n"]).is_empty());
    assert_eq!(data(&[b"data: x\n", b"\n"]), ["x"]);
    assert_eq!(data(&[b"data: x\r", b"\n\r", b"\ndata: y\r", b"\r"]), ["x", "y"]);
}

#[test]
fn endless_events_are_refused() {
    let mut one_line = SseDecoder::new(100);
    assert_eq!(one_line.push(&[b'x'; 101]), Err(EventTooLong { bytes_max: 100 }));
    let mut many_lines = SseDecoder::new(100);
    let outcome = (0..50).try_for_each(|_| many_lines.push(b"data: 12345\n"));
    assert!(outcome.is_err());
    let mut comments = SseDecoder::new(100);
    assert!((0..50).try_for_each(|_| comments.push(b": keep-alive\n")).is_ok());
}

#[test]
fn what_is_encoded_is_decoded() {
    let event = encode(b"{\"a\":\r\n [1,\n2]}");
    assert_eq!(data(&[&event]), ["{\"a\":   [1, 2]}"]);
    assert!(event.starts_with(b"event: message\ndata: ") && event.ends_with(b"\n\n"));
    assert_eq!(data(&[KEEP_ALIVE, &event, KEEP_ALIVE]).len(), 1);
}

proptest! {
    #[test]
    fn chunking_changes_nothing(text in "(data: ?|id: |event: |:|[ab]|\r\n|\n|\r){0,40}", at in 0usize..80, next in 0usize..80) {
        let bytes = text.as_bytes();
        let (first, second) = (at.min(next).min(bytes.len()), at.max(next).min(bytes.len()));
        let whole = data(&[bytes]);
        prop_assert_eq!(data(&[&bytes[..first], &bytes[first..second], &bytes[second..]]), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(data(&single), whole);
    }

    #[test]
    fn any_bytes_never_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..6)) {
        let mut decoder = SseDecoder::new(40);
        for chunk in &chunks {
            if decoder.push(chunk).is_err() {
                break;
            }
        }
        while decoder.next_event().is_some() {}
    }
}
