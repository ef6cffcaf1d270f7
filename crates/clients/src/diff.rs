//! A change shown as a unified diff, with what may be a credential masked. Must never show one that it was told of.

use crate::credential::looks_like_credential;

const CONTEXT: usize = 3;
/// Most cells of the comparison; a larger change is shown as one.
const CELLS_MAX: usize = 4_000_000;
const MASK: &str = "********";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Same,
    Out,
    In,
}

/// The change from one text to another; empty when there is none.
#[must_use]
pub fn unified(path: &str, old: &str, new: &str, secrets: &[&str]) -> String {
    if old == new {
        return String::new();
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let script = script(&left, &right);
    let mut out = format!("--- {path}\n+++ {path}\n");
    for (from, to) in hunks(&script) {
        hunk(&mut out, script.get(from..to).unwrap_or_default(), secrets);
    }
    out
}

struct Line<'a> {
    op: Op,
    text: &'a str,
    /// Lines of both texts before this one.
    before: (usize, usize),
}

fn script<'a>(left: &[&'a str], right: &[&'a str]) -> Vec<Line<'a>> {
    let head = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = tail.min(left.len().min(right.len()) - head);
    let cut = |lines: &[&'a str], from: usize, to: usize| lines.get(from..to).unwrap_or_default().to_vec();
    let mut ops: Vec<(Op, &str)> = cut(left, 0, head).into_iter().map(|line| (Op::Same, line)).collect();
    ops.extend(middle(&cut(left, head, left.len() - tail), &cut(right, head, right.len() - tail)));
    ops.extend(cut(left, left.len() - tail, left.len()).into_iter().map(|line| (Op::Same, line)));
    let mut before = (0, 0);
    ops.into_iter()
        .map(|(op, text)| {
            let line = Line { op, text, before };
            before.0 += usize::from(op != Op::In);
            before.1 += usize::from(op != Op::Out);
            line
        })
        .collect()
}

/// The longest common lines, by the textbook.
fn middle<'a>(left: &[&'a str], right: &[&'a str]) -> Vec<(Op, &'a str)> {
    let width = right.len() + 1;
    let out = |lines: &[&'a str], op| lines.iter().map(|&line| (op, line)).collect::<Vec<_>>();
    if (left.len() + 1).saturating_mul(width) > CELLS_MAX {
        return [out(left, Op::Out), out(right, Op::In)].concat();
    }
    let mut best = vec![0u32; (left.len() + 1) * width];
    let at = |best: &[u32], i: usize, j: usize| best.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            let value = if a == b {
                at(&best, i + 1, j + 1) + 1
            } else {
                at(&best, i + 1, j).max(at(&best, i, j + 1))
            };
            if let Some(cell) = best.get_mut(i * width + j) {
                *cell = value;
            }
        }
    }
    let (mut i, mut j, mut ops) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        if a == b {
            ops.push((Op::Same, *a));
            (i, j) = (i + 1, j + 1);
        } else if at(&best, i + 1, j) >= at(&best, i, j + 1) {
            ops.push((Op::Out, *a));
            i += 1;
        } else {
            ops.push((Op::In, *b));
            j += 1;
        }
    }
    ops.extend(out(left.get(i..).unwrap_or_default(), Op::Out));
    ops.extend(out(right.get(j..).unwrap_or_default(), Op::In));
    ops
}

/// Ranges of the script that hold changes, with their context.
fn hunks(script: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (position, line) in script.iter().enumerate() {
        if line.op == Op::Same {
            continue;
        }
        let (from, to) = (position.saturating_sub(CONTEXT), (position + CONTEXT + 1).min(script.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn hunk(out: &mut String, lines: &[Line<'_>], secrets: &[&str]) {
    let Some(first) = lines.first() else { return };
    let count = |without: Op| lines.iter().filter(|line| line.op != without).count();
    let (old, new) = first.before;
    out.push_str(&format!("@@ -{},{} +{},{} @@\n", old + 1, count(Op::In), new + 1, count(Op::Out)));
    for line in lines {
        out.push(match line.op {
            Op::Same => ' ',
            Op::Out => '-',
            Op::In => '+',
        });
        out.push_str(&mask(line.text, secrets));
        out.push('\n');
    }
}

/// A line without the given secrets and without anything that looks like one; control characters written out.
#[must_use]
pub fn mask(line: &str, secrets: &[&str]) -> String {
    let mut known: Vec<&str> = secrets.iter().copied().filter(|secret| secret.len() > 2).collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut text = line.to_owned();
    for secret in known {
        text = text.replace(secret, MASK);
        let escaped = serde_json::Value::from(secret).to_string();
        text = text.replace(escaped.trim_matches('"'), MASK);
    }
    let words = text.split_inclusive(|c: char| " \t\"',=:;@/?&".contains(c)).map(|word| {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, c)) if " \t\"',=:;@/?&".contains(c) => word.split_at(at),
            _ => (word, ""),
        };
        let shown = if looks_like_credential(word) { MASK } else { word };
        format!("{shown}{end}")
    });
    words.collect::<String>().chars().flat_map(visible).collect()
}

fn visible(c: char) -> Vec<char> {
    if c.is_control() && c != '\t' { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_lines_and_without_its_secrets() {
        let old =
            "{\n  \"a\": 1,\n  \"b\": \"hunter2\",\n  \"c\": \"ghp_0123456789abcdef\",\n  \"d\": 4\n}\n";
        let new = "{\n  \"a\": 1,\n  \"b\": \"x\",\n  \"c\": \"ghp_0123456789abcdef\",\n  \"d\": 4\n}\n";
        let wanted = "--- f\n+++ f\n@@ -1,6 +1,6 @@\n {\n   \"a\": 1,\n-  \"b\": \"********\",\n+  \"b\": \"x\",\n   \"c\": \"********\",\n   \"d\": 4\n }\n";
        assert_eq!(unified("f", old, new, &["hunter2"]), wanted);
        assert_eq!(unified("f", old, old, &[]), "");
    }
}
