//! Which characters a reader does not see, or sees elsewhere than they are. Must never call a letter hidden.

/// Why a character is not what it seems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hidden {
    /// A control character other than line end and tab.
    Control,
    /// Changes the direction of text (UAX #9).
    Direction,
    /// A tag character: invisible ASCII (U+E0000 to U+E007F).
    Tag,
    /// Takes no space: zero-width, filler, joiner, selector, soft hyphen.
    ZeroWidth,
    /// Private use or not a character: shows as whatever the font likes.
    Unassigned,
}

/// What kind of hidden character this is, if it is one.
#[must_use]
pub const fn kind_of(c: char) -> Option<Hidden> {
    match c {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => Some(Hidden::Control),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Hidden::Direction)
        }
        '\u{e0000}'..='\u{e007f}' => Some(Hidden::Tag),
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0080}'..='\u{e0fff}' => Some(Hidden::ZeroWidth),
        '\u{e000}'..='\u{f8ff}'
        | '\u{f0000}'..='\u{10ffff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fffe}'
        | '\u{ffff}' => Some(Hidden::Unassigned),
        _ => None,
    }
}
