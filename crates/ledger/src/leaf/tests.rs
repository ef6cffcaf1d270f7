//! Leaves of approvals, byte for byte: what the record says must not drift.

use model::approval::ApprovalId;
use model::digest::{Commitment, Salt};
use model::ids::{AgentId, CallId, Epoch, GroupName, ServerName, TaskId, ToolName};
use model::json::Json;
use model::limits::JsonLimits;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};

use super::*;

fn approval(note: &str) -> Entry {
    let server = ServerName::parse("git").unwrap();
    let name = ToolRef { server, tool: ToolName::parse("git_push").unwrap() };
    let body = ApprovalBody {
        approval: ApprovalId::of(CallId::from_bytes([1; 16])),
        task: TaskId::parse("agent:ada").unwrap(),
        agent: AgentId::parse("ada").unwrap(),
        tool: PinnedTool { name, definition: Digest::of(b"push"), risk: Risk::Privileged },
        bound: Commitment::to(&Salt([1; 32]), "bound", b"digest"),
        approved: true,
        by: "operator:local".to_owned(),
        groups: vec![GroupName::parse("finance").unwrap(), GroupName::parse("operators").unwrap()],
        self_approved: true,
        until: Micros(300_000_000),
        note: note.to_owned(),
    };
    Entry { at: Micros(0), epoch: Epoch(7), body: Body::Approval(body) }
}

#[test]
fn an_answer_is_a_leaf_of_its_own_kind() {
    let entry = approval("go \"ahead\"");
    let (definition, bound) = match &entry.body {
        Body::Approval(body) => (body.tool.definition, body.bound),
        other => panic!("{other:?}"),
    };
    let call = entry.call().unwrap();
    assert_eq!(
        entry.leaf(Some(TaskPlace(3))),
        format!(
            r#"{{"agent":"ada","answer":"approved","approval":"apr_{call}","at":"1970-01-01T00:00:00.000000Z","bound":"{bound}","by":"operator:local","call":"{call}","definition":"{definition}","epoch":7,"groups":["finance","operators"],"kind":"approval","note":"go \"ahead\"","risk":"privileged","self_approved":true,"server":"git","task":"agent:ada","task_seq":3,"tool":"git_push","until":"1970-01-01T00:05:00.000000Z","v":1}}"#
        )
    );
}

#[test]
fn whatever_is_said_the_leaf_is_canonical_and_small() {
    for note in ["", "\u{0}\u{202e}\n", &"\u{1F600}".repeat(5000)] {
        let leaf = approval(note).leaf(Some(TaskPlace(1)));
        assert!(leaf.len() <= LEAF_BYTES_MAX, "{}", leaf.len());
        assert_eq!(Json::parse(leaf.as_bytes(), &JsonLimits::REQUEST).unwrap().canonical(), leaf);
    }
}
