//! How much work a check would be, counted before it is done. Must never count less than the validator does.

use serde_json::Value;

use super::outline::{Node, Outline};

/// Bytes of a string that meets a pattern which may step back.
const BACKTRACKED_BYTES_MAX: usize = 8 << 10;

/// What one check may take.
pub(super) struct Budget {
    /// Most meetings of a subschema with a value.
    pub(super) steps_max: u64,
    /// Patterns may step back, so long strings are refused where one stands.
    pub(super) backtracks: bool,
}

impl Budget {
    /// The steps a check of `value` takes at most, or nothing when they are too many.
    pub(super) fn spend(&self, outline: &Outline, value: &Value) -> Option<u64> {
        let mut left = self.steps_max;
        self.meet(outline, 0, value, &mut left)?;
        Some(self.steps_max - left)
    }

    fn meet(&self, outline: &Outline, index: usize, value: &Value, left: &mut u64) -> Option<()> {
        let node = outline.nodes.get(index)?;
        *left = left.checked_sub(1)?;
        if self.backtracks && node.pattern {
            short_enough(value)?;
        }
        for _ in 0..looks(node, value) {
            for next in &node.here {
                self.meet(outline, *next, value, left)?;
            }
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let named = node.members.get(name.as_str());
                    for next in named.into_iter().chain(&node.each_member) {
                        self.meet(outline, *next, member, left)?;
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    for next in &node.each_item {
                        self.meet(outline, *next, item, left)?;
                    }
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// How often the subschemas that meet the same value are looked at.
fn looks(node: &Node, value: &Value) -> usize {
    match value {
        Value::Object(members) if node.leftovers => members.len() + 1,
        Value::Array(items) if node.leftovers => items.len() + 1,
        _ => 1,
    }
}

fn short_enough(value: &Value) -> Option<()> {
    let short = |text: &str| text.len() <= BACKTRACKED_BYTES_MAX;
    let fits = match value {
        Value::String(text) => short(text),
        Value::Object(members) => members.keys().all(|name| short(name)),
        _ => true,
    };
    fits.then_some(())
}
