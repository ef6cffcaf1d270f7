//! What a handle holds.

use super::*;

fn sealed(id: &str) -> Sealed {
    Sealed {
        client: ClientCapabilities::ELICIT_FORM.with(ClientCapabilities::SERVER_TASKS),
        definition: Digest::of(id.as_bytes()),
        tool: crate::testing::tool("get_item"),
        id: id.into(),
    }
}

#[test]
fn what_is_sealed_is_read_back() {
    for id in ["1", "\u{e9}\u{0}/\"", &"x".repeat(2048)] {
        let payload = written(&sealed(id));
        assert!(payload.len() <= ports::handles::PAYLOAD_BYTES_MAX);
        assert_eq!(read(&payload), Some(sealed(id)));
    }
}

#[test]
fn anything_else_is_read_as_nothing_or_as_what_it_says() {
    let payload = written(&sealed("an-id"));
    let flipped = (0..payload.len()).map(|at| {
        let mut other = payload.clone();
        other[at] ^= 0x80;
        other
    });
    for other in (0..payload.len()).map(|end| payload[..end].to_vec()).chain(flipped) {
        if let Some(read) = read(&other) {
            assert_eq!(written(&read), other);
        }
    }
}
