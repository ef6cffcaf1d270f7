//! The record as `callgate log tail` prints it, read from where the last reading stopped.
//!
//! Must never open the gateway's database: what an operator cannot see does not count.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bar::gateway::Gateway;

const PAGE: u64 = 500;

/// One permitted call in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Who called.
    pub(crate) agent: String,
    /// Intent entries; anything but one is wrong.
    pub(crate) intents: u32,
    /// Outcome words in order; anything but one is wrong.
    pub(crate) outcomes: Vec<String>,
}

/// Calls by id, and how far the record was read.
#[derive(Debug, Default)]
pub(crate) struct Record {
    next: u64,
    calls: BTreeMap<String, Recorded>,
}

impl Record {
    /// Reads what is new; the calls seen since the last [`Record::take`].
    pub(crate) fn read(&mut self, gateway: &Gateway) -> Result<(), String> {
        loop {
            let (from, limit) = (self.next.to_string(), PAGE.to_string());
            let page = gateway.json(&["log", "tail", "--from", &from, "--limit", &limit])?;
            if self.page(&page)? == 0 {
                return Ok(());
            }
        }
    }

    /// Hands over the calls read so far.
    pub(crate) fn take(&mut self) -> BTreeMap<String, Recorded> {
        std::mem::take(&mut self.calls)
    }

    /// Takes one page; how many entries were new.
    fn page(&mut self, page: &Value) -> Result<usize, String> {
        let entries =
            page.get("entries").unwrap_or(page).as_array().ok_or("`log tail` printed no entries")?;
        let mut new = 0;
        for entry in entries {
            let index = entry.get("index").and_then(Value::as_u64).ok_or("an entry has no `index`")?;
            if index < self.next {
                continue;
            }
            if index != self.next {
                return Err(format!("the record has a gap: entry {index} follows entry {}", self.next));
            }
            self.next = index + 1;
            new += 1;
            self.entry(entry.get("leaf").unwrap_or(entry))?;
        }
        Ok(new)
    }

    fn entry(&mut self, leaf: &Value) -> Result<(), String> {
        let text = |name: &str| leaf.get(name).and_then(Value::as_str);
        let kind = text("kind").ok_or("an entry has no `kind`")?;
        if kind != "intent" && kind != "outcome" {
            return Ok(());
        }
        let call = text("call").ok_or_else(|| format!("an entry of kind `{kind}` has no `call`"))?;
        let recorded = self.calls.entry(call.to_owned()).or_default();
        if kind == "intent" {
            text("agent").unwrap_or_default().clone_into(&mut recorded.agent);
            recorded.intents += 1;
        } else {
            recorded.outcomes.push(text("outcome").unwrap_or("none").to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn intents_and_outcomes_are_joined_by_call_in_either_print() {
        let mut record = Record::default();
        let page = json!({"size": 3, "entries": [
            {"index": 0, "leaf": {"kind": "lifecycle", "what": "started"}},
            {"index": 1, "leaf": {"kind": "intent", "call": "A", "agent": "a"}},
        ]});
        assert_eq!(record.page(&page), Ok(2));
        assert_eq!(record.page(&page), Ok(0));
        let page = json!([{"index": 2, "kind": "outcome", "call": "A", "outcome": "unknown"}]);
        assert_eq!(record.page(&page), Ok(1));
        let calls = record.take();
        assert_eq!(
            calls["A"],
            Recorded { agent: "a".to_owned(), intents: 1, outcomes: vec!["unknown".to_owned()] }
        );
    }

    #[test]
    fn a_gap_in_the_record_is_an_error() {
        let page = json!([{"index": 1, "kind": "lifecycle"}]);
        assert!(Record::default().page(&page).is_err());
    }
}
