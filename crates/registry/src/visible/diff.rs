//! What changed between two definitions, line by line. Must never leave a changed line out.

use std::fmt;

use super::pretty;
use crate::definition::Definition;

/// Lines of context shown around a change.
const CONTEXT: usize = 3;
/// Cells of the comparison table; above, the changed middle is shown as removed and added whole.
const CELLS_MAX: usize = 4_000_000;

/// One line of a comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiffLine {
    /// In both.
    Same(String),
    /// Only in the old one.
    Removed(String),
    /// Only in the new one.
    Added(String),
}

/// A readable comparison of two definitions. `Display` writes the changes with three lines around each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefinitionDiff {
    /// All lines of both, in order.
    pub lines: Vec<DiffLine>,
}

/// Compares two definitions as a person reads them: [`pretty`], line by line.
#[must_use]
pub fn diff(old: &Definition, new: &Definition) -> DefinitionDiff {
    let (old, new) = (pretty(old.tree()), pretty(new.tree()));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    DefinitionDiff { lines: compare(&old, &new) }
}

fn compare(old: &[&str], new: &[&str]) -> Vec<DiffLine> {
    let head = old.iter().zip(new).take_while(|(left, right)| left == right).count();
    let (same_head, old) = old.split_at(head);
    let (_, new) = new.split_at(head);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(left, right)| left == right).count();
    let (old, same_tail) = old.split_at(old.len() - tail);
    let (new, _) = new.split_at(new.len() - tail);
    let same = |line: &&str| DiffLine::Same((*line).to_owned());
    let mut lines: Vec<DiffLine> = same_head.iter().map(same).collect();
    middle(&mut lines, old, new);
    lines.extend(same_tail.iter().map(same));
    lines
}

fn middle(lines: &mut Vec<DiffLine>, mut old: &[&str], mut new: &[&str]) {
    let table = Table::of(old, new);
    loop {
        match (old.split_first(), new.split_first()) {
            (Some((left, old_rest)), Some((right, new_rest))) if left == right => {
                lines.push(DiffLine::Same((*left).to_owned()));
                (old, new) = (old_rest, new_rest);
            }
            (Some((left, old_rest)), right) => {
                let take_new = right.filter(|(_, new_rest)| {
                    table.common(old.len(), new_rest.len()) > table.common(old_rest.len(), new.len())
                });
                if let Some((right, new_rest)) = take_new {
                    lines.push(DiffLine::Added((*right).to_owned()));
                    new = new_rest;
                } else {
                    lines.push(DiffLine::Removed((*left).to_owned()));
                    old = old_rest;
                }
            }
            (None, Some((right, new_rest))) => {
                lines.push(DiffLine::Added((*right).to_owned()));
                new = new_rest;
            }
            (None, None) => return,
        }
    }
}

/// Length of the longest common subsequence of every pair of tails, by the tails' lengths.
struct Table {
    width: usize,
    cells: Vec<u32>,
}

impl Table {
    fn of(old: &[&str], new: &[&str]) -> Self {
        let width = new.len() + 1;
        if width.saturating_mul(old.len() + 1) > CELLS_MAX {
            return Self { width: 0, cells: Vec::new() };
        }
        let mut table = Self { width, cells: vec![0; width * (old.len() + 1)] };
        for (i, left) in old.iter().rev().enumerate() {
            for (j, right) in new.iter().rev().enumerate() {
                let best = if left == right {
                    table.common(i, j) + 1
                } else {
                    table.common(i, j + 1).max(table.common(i + 1, j))
                };
                if let Some(cell) = table.cells.get_mut((i + 1) * width + j + 1) {
                    *cell = best;
                }
            }
        }
        table
    }

    fn common(&self, old: usize, new: usize) -> u32 {
        self.cells.get(old * self.width + new).copied().unwrap_or(0)
    }
}

impl fmt::Display for DefinitionDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = self.near_a_change();
        let mut skipped = false;
        for (line, near) in self.lines.iter().zip(near) {
            if !near {
                skipped = true;
                continue;
            }
            if std::mem::take(&mut skipped) {
                writeln!(f, "  …")?;
            }
            match line {
                DiffLine::Same(text) => writeln!(f, "  {text}")?,
                DiffLine::Removed(text) => writeln!(f, "- {text}")?,
                DiffLine::Added(text) => writeln!(f, "+ {text}")?,
            }
        }
        Ok(())
    }
}

impl DefinitionDiff {
    fn near_a_change(&self) -> Vec<bool> {
        let mut near = vec![false; self.lines.len()];
        let changed = |line: &DiffLine| !matches!(line, DiffLine::Same(_));
        for (at, _) in self.lines.iter().enumerate().filter(|(_, line)| changed(line)) {
            let to = (at + CONTEXT + 1).min(near.len());
            if let Some(around) = near.get_mut(at.saturating_sub(CONTEXT)..to) {
                around.fill(true);
            }
        }
        near
    }
}
