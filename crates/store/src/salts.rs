//! How an entry's salts are kept: for each, one byte of length, the field's name, 32 bytes.
//!
//! Must never stand inside the leaf: erasing them must change no hash.

use model::digest::Salt;

/// Writes the salts to `out`, replacing what it held.
pub(crate) fn encode(out: &mut Vec<u8>, salts: &[(&'static str, Salt)]) {
    out.clear();
    for (field, salt) in salts {
        // Field names are our own words of a few letters.
        out.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
        out.extend(field.bytes().take(usize::from(u8::MAX)));
        out.extend_from_slice(&salt.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_are_field_by_field() {
        let mut out = vec![9];
        encode(&mut out, &[("arguments", Salt([7; 32])), ("x", Salt([8; 32]))]);
        assert_eq!(out.len(), 1 + 9 + 32 + 1 + 1 + 32);
        assert_eq!(&out[..10], b"\x09arguments");
        assert_eq!(&out[42..], [&[1, b'x'][..], &[8; 32]].concat());
    }
}
