//! A Rust file with comments and texts blanked out, and with its test parts and functions known.
//!
//! Must never mistake a comment or a string for code. It knows tokens and braces, not grammar.

use crate::tidy::tree::TextFile;

/// One Rust file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// From the project's folder.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// Same lines and columns, comments and texts blank, test items blank too.
    pub(crate) code: String,
    /// Lines that are not part of a test item.
    pub(crate) lines: usize,
}

/// A function and its length from `fn` to its closing brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Its lines.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads one file.
    pub(crate) fn new(file: &TextFile) -> Self {
        let whole = file.path.ends_with("/tests.rs")
            || file.path.contains("/tests/")
            || file.path.starts_with("tests/")
            || file.path.contains("/benches/");
        let mut code: Vec<char> = blank(&file.text);
        let mut lines = file.text.lines().count();
        if whole {
            code.iter_mut().for_each(|c| *c = if *c == '\n' { '\n' } else { ' ' });
            lines = 0;
        } else {
            lines -= blank_tests(&mut code).min(lines);
        }
        Self { path: file.path.clone(), text: file.text.clone(), code: code.into_iter().collect(), lines }
    }

    /// The functions that are not tests.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code: Vec<char> = self.code.chars().collect();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(start) = word(&code, "fn", at) {
            at = start + 2;
            let name: String = code
                .iter()
                .skip(at)
                .skip_while(|c| c.is_whitespace())
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .collect();
            if name.is_empty() {
                continue;
            }
            if let Some(end) = body_end(&code, at) {
                let lines =
                    code.get(start..=end).map_or(0, |body| body.iter().filter(|c| **c == '\n').count()) + 1;
                found.push(Function { name, lines });
            }
        }
        found
    }
}

/// Where the word starts, from `from` on.
fn word(code: &[char], word: &str, from: usize) -> Option<usize> {
    let word: Vec<char> = word.chars().collect();
    let part = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    (from..code.len()).find(|at| {
        code.get(*at..*at + word.len()) == Some(&word)
            && !part(at.checked_sub(1).and_then(|before| code.get(before)))
            && !part(code.get(at + word.len()))
    })
}

/// The closing brace of the item that starts at `from`, or its `;` when it has no body.
fn item_end(code: &[char], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut nested = 0_usize;
    for (at, c) in code.iter().enumerate().skip(from) {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            ';' if depth == 0 && nested == 0 => return Some(at),
            '{' => depth += 1,
            '}' if depth <= 1 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// As [`item_end`], but nothing for a declaration without a body.
fn body_end(code: &[char], from: usize) -> Option<usize> {
    item_end(code, from).filter(|end| code.get(*end) == Some(&'}'))
}

/// Blanks items under `#[cfg(test)]`; returns how many lines they cover.
fn blank_tests(code: &mut [char]) -> usize {
    let mark: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut lines = 0;
    let mut at = 0;
    while let Some(start) = (at..code.len()).find(|from| code.get(*from..*from + mark.len()) == Some(&mark)) {
        let end = item_end(code, start + mark.len()).unwrap_or(code.len().saturating_sub(1));
        for c in code.iter_mut().take(end + 1).skip(start) {
            if *c == '\n' {
                lines += 1;
            } else {
                *c = ' ';
            }
        }
        lines += 1;
        at = end + 1;
    }
    lines
}

/// The text with comments, string and character contents turned to spaces; line ends stay.
fn blank(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = chars.clone();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let end = match (c, chars.get(at + 1)) {
            ('/', Some('/')) => line_end(&chars, at),
            ('/', Some('*')) => comment_end(&chars, at),
            ('"', _) => text_end(&chars, at + 1),
            ('r', Some('"' | '#')) if !follows_word(&chars, at) => raw_end(&chars, at + 1).unwrap_or(at + 1),
            ('b' | 'c', Some('r')) if !follows_word(&chars, at) => raw_end(&chars, at + 2).unwrap_or(at + 1),
            ('\'', Some(_)) => character_end(&chars, at).unwrap_or(at + 1),
            _ => at + 1,
        };
        if end > at + 1 {
            for c in out.iter_mut().take(end).skip(at).filter(|c| **c != '\n') {
                *c = ' ';
            }
        }
        at = end;
    }
    out
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| chars.get(before)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

fn line_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|at| chars.get(*at) == Some(&'\n')).unwrap_or(chars.len())
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn text_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose `#`s or quote start at `from`; nothing when it is not one.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars.iter().skip(from).take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = from + hashes + 1;
    let found = (start..chars.len()).find(|at| chars.get(*at..*at + closing.len()) == Some(&closing));
    Some(found.map_or(chars.len(), |at| at + closing.len()))
}

/// The end of a character literal; nothing for a lifetime.
fn character_end(chars: &[char], from: usize) -> Option<usize> {
    if chars.get(from + 1) == Some(&'\\') {
        let close = (from + 3..chars.len()).find(|at| chars.get(*at) == Some(&'\''))?;
        return Some(close + 1);
    }
    (chars.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(&TextFile { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn comments_and_texts_are_not_code() {
        let code = source(
            "let a = \"fn b() {\"; // fn c() {\n/* fn d() /* { */ */ let e = r#\"\"{\"#; let f = '{';\n",
        )
        .code;
        assert!(!code.contains("fn") && !code.contains('{'), "{code}");
        assert!(code.contains("let e =") && code.contains("let f ="), "{code}");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let found =
            source("fn a<'a>(b: &'a str) -> char {\n    let c = '\\'';\n    'x'\n}\nfn d() {}\n").functions();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Function { name: "a".to_owned(), lines: 4 });
    }

    #[test]
    fn test_items_are_left_out_and_the_rest_is_counted() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n";
        let source = source(text);
        let names: Vec<_> = source.functions().into_iter().map(|function| function.name).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(source.lines, 2);
    }

    #[test]
    fn declarations_and_pointers_have_no_length() {
        let found = source("trait A { fn b(&self, c: [u8; 4]); }\ntype D = fn(u8) -> u8;\n").functions();
        assert!(found.is_empty(), "{found:?}");
    }
}
