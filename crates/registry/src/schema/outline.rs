//! The shape of a schema: which subschemas meet which values. Must never be built of one that could run endlessly.

use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Map, Value};

use super::walk::{LISTS, MAPS, SINGLES, push_step};
use super::{SUBSCHEMAS_MAX, SchemaFault};

/// Longest chain of subschemas that meet one and the same value.
const CHAIN_MAX: usize = 32;
/// Most subschemas that meet one and the same value, counted each time they are reached.
const MEETINGS_MAX: usize = 10_000;

/// One subschema, as far as it leads to others. Numbers are positions in [`Outline::nodes`].
#[derive(Default, Debug)]
pub(super) struct Node {
    /// Those that meet the same value.
    pub(super) here: Vec<usize>,
    /// Those that meet the member of that name.
    pub(super) members: HashMap<Box<str>, usize>,
    /// Those that may meet every member.
    pub(super) each_member: Vec<usize>,
    /// Those that may meet every item.
    pub(super) each_item: Vec<usize>,
    /// It has a pattern for strings or for names.
    pub(super) pattern: bool,
    /// It looks at what others left over, which takes another look at them for each part of the value.
    pub(super) leftovers: bool,
}

/// All subschemas that can be reached; the root is the first.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) nodes: Vec<Node>,
}

impl Outline {
    pub(super) fn of(schema: &Value, draft: Draft) -> Result<Self, SchemaFault> {
        let identity = if draft == Draft::Draft4 { "id" } else { "$id" };
        let (places, anchors) = (HashMap::new(), HashMap::new());
        let mut builder = Builder { root: schema, places, open: Vec::new(), anchors, identity };
        builder.find_anchors(schema, &mut String::new())?;
        builder.place(String::new())?;
        let mut nodes: Vec<Node> = Vec::new();
        while let Some((index, pointer)) = builder.open.pop() {
            let node = builder.node(&pointer)?;
            if nodes.len() <= index {
                nodes.resize_with(index + 1, Node::default);
            }
            if let Some(slot) = nodes.get_mut(index) {
                *slot = node;
            }
        }
        let outline = Self { nodes };
        outline.check_meetings(&builder.places)?;
        Ok(outline)
    }

    /// No endless, overlong or exploding way through subschemas that all meet one value.
    fn check_meetings(&self, places: &HashMap<String, usize>) -> Result<(), SchemaFault> {
        let mut known: Vec<Option<Reach>> = vec![None; self.nodes.len()];
        for (pointer, index) in places {
            let endless = || SchemaFault::Endless { at: crate::visible::shortened(pointer, 200) };
            let reach = self.reach(*index, 0, &mut known).ok_or_else(endless)?;
            if reach.meetings > MEETINGS_MAX {
                return Err(SchemaFault::TooLarge { what: "subschemas for one value", max: MEETINGS_MAX });
            }
        }
        Ok(())
    }

    fn reach(&self, index: usize, depth: usize, known: &mut Vec<Option<Reach>>) -> Option<Reach> {
        if let Some(Some(reach)) = known.get(index) {
            return (depth + reach.chain <= CHAIN_MAX).then_some(*reach);
        }
        if depth > CHAIN_MAX {
            return None;
        }
        let mut reach = Reach { meetings: 1, chain: 1 };
        for next in &self.nodes.get(index)?.here {
            let below = self.reach(*next, depth + 1, known)?;
            reach.meetings = reach.meetings.saturating_add(below.meetings);
            reach.chain = reach.chain.max(below.chain + 1);
        }
        if let Some(slot) = known.get_mut(index) {
            *slot = Some(reach);
        }
        Some(reach)
    }
}

#[derive(Clone, Copy)]
struct Reach {
    meetings: usize,
    chain: usize,
}

struct Builder<'a> {
    root: &'a Value,
    places: HashMap<String, usize>,
    open: Vec<(usize, String)>,
    anchors: HashMap<&'a str, String>,
    /// The keyword that gives a schema an identity of its own.
    identity: &'static str,
}

impl<'a> Builder<'a> {
    /// The number of the subschema at a pointer, which is looked into later when it is new.
    fn place(&mut self, pointer: String) -> Result<usize, SchemaFault> {
        if let Some(index) = self.places.get(&pointer) {
            return Ok(*index);
        }
        let index = self.places.len();
        if index >= SUBSCHEMAS_MAX {
            return Err(SchemaFault::TooLarge { what: "subschemas", max: SUBSCHEMAS_MAX });
        }
        self.places.insert(pointer.clone(), index);
        self.open.push((index, pointer));
        Ok(index)
    }

    fn node(&mut self, pointer: &str) -> Result<Node, SchemaFault> {
        let mut node = Node::default();
        let Some(Value::Object(schema)) = self.root.pointer(pointer) else { return Ok(node) };
        self.refuse_resource(schema, pointer)?;
        node.pattern =
            ["pattern", "patternProperties", "propertyNames"].iter().any(|k| schema.contains_key(*k));
        node.leftovers =
            schema.contains_key("unevaluatedProperties") || schema.contains_key("unevaluatedItems");
        for (keyword, value) in schema {
            let at = step(pointer, keyword);
            match value {
                Value::String(target) if is_reference(keyword) => {
                    let target = self.target(target, &at)?;
                    node.here.push(self.place(target)?);
                }
                Value::Object(inner) if MAPS.contains(&keyword.as_str()) => {
                    for (key, _) in inner.iter().filter(|(_, v)| v.is_object() || v.is_boolean()) {
                        let index = self.place(step(&at, key))?;
                        node.put(keyword, Some(key), index);
                    }
                }
                Value::Array(items) if LISTS.contains(&keyword.as_str()) => {
                    for position in 0..items.len() {
                        let index = self.place(step(&at, &position.to_string()))?;
                        node.put(keyword, None, index);
                    }
                }
                Value::Object(_) if SINGLES.contains(&keyword.as_str()) => {
                    let index = self.place(at)?;
                    node.put(keyword, None, index);
                }
                _ => {}
            }
        }
        Ok(node)
    }

    /// `$id` (`id` in draft 4) below the root, and another dialect there.
    fn refuse_resource(&self, schema: &Map<String, Value>, pointer: &str) -> Result<(), SchemaFault> {
        if pointer.is_empty() {
            return Ok(());
        }
        let at = || crate::visible::shortened(pointer, 200);
        if schema.contains_key("$schema") {
            return Err(SchemaFault::Dialect { at: at() });
        }
        if schema.get(self.identity).is_some_and(Value::is_string) {
            return Err(SchemaFault::EmbeddedResource { at: at() });
        }
        Ok(())
    }

    /// The pointer a local reference leads to.
    fn target(&self, reference: &str, at: &str) -> Result<String, SchemaFault> {
        let at = || crate::visible::shortened(at, 200);
        let fragment =
            reference.strip_prefix('#').ok_or_else(|| SchemaFault::RemoteReference { at: at() })?;
        let fragment = percent_decoded(fragment).ok_or_else(|| SchemaFault::Unresolved { at: at() })?;
        if fragment.is_empty() || fragment.starts_with('/') {
            self.root.pointer(&fragment).ok_or_else(|| SchemaFault::Unresolved { at: at() })?;
            return Ok(fragment);
        }
        self.anchors.get(fragment.as_str()).cloned().ok_or_else(|| SchemaFault::Unresolved { at: at() })
    }

    /// Anchors anywhere in the text, also where no schema stands: finding too many does no harm, since what a
    /// reference leads to is looked into as a schema.
    fn find_anchors(&mut self, value: &'a Value, pointer: &mut String) -> Result<(), SchemaFault> {
        let children: Vec<(String, &'a Value)> = match value {
            Value::Object(members) => {
                for keyword in ["$anchor", "$dynamicAnchor"] {
                    if let Some(Value::String(name)) = members.get(keyword)
                        && self.anchors.insert(name, pointer.clone()).is_some_and(|other| other != *pointer)
                    {
                        return Err(SchemaFault::Unresolved { at: crate::visible::shortened(pointer, 200) });
                    }
                }
                members.iter().map(|(name, value)| (name.clone(), value)).collect()
            }
            Value::Array(items) => items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
            _ => return Ok(()),
        };
        for (key, child) in children {
            let length = pointer.len();
            push_step(pointer, &key);
            self.find_anchors(child, pointer)?;
            pointer.truncate(length);
        }
        Ok(())
    }
}

impl Node {
    fn put(&mut self, keyword: &str, key: Option<&str>, index: usize) {
        match (keyword, key) {
            ("properties", Some(name)) => drop(self.members.insert(name.into(), index)),
            ("patternProperties", _)
            | ("additionalProperties" | "unevaluatedProperties" | "propertyNames", _) => {
                self.each_member.push(index);
            }
            ("items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains", _) => {
                self.each_item.push(index);
            }
            ("$defs" | "definitions" | "contentSchema", _) => {}
            _ => self.here.push(index),
        }
    }
}

fn is_reference(keyword: &str) -> bool {
    matches!(keyword, "$ref" | "$dynamicRef" | "$recursiveRef")
}

fn step(pointer: &str, key: &str) -> String {
    let mut out = pointer.to_owned();
    push_step(&mut out, key);
    out
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}
