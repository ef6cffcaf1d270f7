//! Letters that look like other letters. Must never be a complete list: it holds what is used to deceive in practice.

/// The ASCII letter or digit a character is drawn like, when it is another character.
pub(super) const fn drawn_like(c: char) -> Option<char> {
    let ascii = match c {
        'а' | 'α' | 'ɑ' => 'a',
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'С' | 'Ϲ' => 'C',
        'ԁ' => 'd',
        'е' | 'ё' | 'є' => 'e',
        'Е' | 'Ε' => 'E',
        'ɡ' | 'ց' => 'g',
        'һ' | 'հ' => 'h',
        'Н' | 'Η' => 'H',
        'і' | 'ι' | 'ı' | 'ї' => 'i',
        'І' | 'Ι' => 'I',
        'ј' | 'ϳ' => 'j',
        'Ј' => 'J',
        'к' | 'κ' => 'k',
        'К' | 'Κ' => 'K',
        'ⅼ' | 'ӏ' | 'ℓ' => 'l',
        'М' | 'Μ' => 'M',
        'ո' => 'n',
        'Ν' => 'N',
        'о' | 'ο' | 'օ' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ԛ' | 'զ' => 'q',
        'ѕ' => 's',
        'Ѕ' => 'S',
        'т' | 'τ' => 't',
        'Т' | 'Τ' => 'T',
        'ս' | 'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ѡ' => 'w',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'у' | 'γ' | 'ү' => 'y',
        'У' | 'Υ' | 'Ү' => 'Y',
        'Ζ' => 'Z',
        other => return styled(other),
    };
    Some(ascii)
}

/// Full-width and mathematical letters and digits (U+FF01.., U+1D400..).
pub(super) const fn styled(c: char) -> Option<char> {
    let (code, first, size) = match c {
        '\u{ff10}'..='\u{ff19}' => (c as u32 - 0xff10, b'0', 10),
        '\u{ff21}'..='\u{ff3a}' => (c as u32 - 0xff21, b'A', 26),
        '\u{ff41}'..='\u{ff5a}' => (c as u32 - 0xff41, b'a', 26),
        '\u{1d7ce}'..='\u{1d7ff}' => (c as u32 - 0x1d7ce, b'0', 10),
        '\u{1d400}'..='\u{1d6a3}' => {
            let place = (c as u32 - 0x1d400) % 52;
            if place < 26 { (place, b'A', 26) } else { (place - 26, b'a', 26) }
        }
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most 25 after the remainder")]
    let offset = (code % size) as u8;
    Some((first + offset) as char)
}

/// The text with every such letter replaced and everything hidden left out.
pub(super) fn folded(text: &str) -> String {
    let seen = text.chars().filter(|c| crate::visible::kind_of(*c).is_none());
    seen.map(|c| drawn_like(c).unwrap_or(c)).collect()
}

/// What a name looks like at a glance: two names with one skeleton are taken for each other.
pub(super) fn skeleton(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in folded(name).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase) {
        out.push(match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            c => c,
        });
    }
    out.replace("rn", "m").replace("vv", "w")
}

/// The first word that mixes Latin with letters drawn like Latin ones, or has styled letters.
pub(super) fn mixed_word(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_alphanumeric()).find(|word| {
        let latin = word.chars().any(|c| c.is_ascii_alphabetic());
        word.chars().any(|c| styled(c).is_some() || (latin && drawn_like(c).is_some()))
    })
}
