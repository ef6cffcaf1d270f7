//! One example run: its policies with the real PDP, its tools with the risk class the real registry proposes.
//! Must never pass a case without comparing decision and policies.

use std::sync::Arc;

use model::ids::{AgentId, GroupName, PolicyId, ServerName};
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::principal::{AgentFacts, Attestation, Principal};
use model::task::Task;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use policy::{
    ApprovalEvidence, Decision, DecisionRequest, DenyKind, PolicySnapshot, PolicySource, ServerFacts,
    ToolFacts,
};
use registry::definition::Definition;
use serde_json::Value;

/// 2026-11-21T09:00:00Z: when a case says nothing else.
const NOON: &str = "2026-11-21T09:00:00Z";

/// What a case may say.
const KEYS: [&str; 9] =
    ["call", "arguments", "groups", "at", "approval", "decision", "by", "approvers", "listed"];

/// An example's golden file.
pub(crate) struct Example {
    name: String,
    golden: Value,
}

/// How many calls ended how.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) permitted: usize,
    pub(crate) not_permitted: usize,
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn words<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    list(value, key).iter().filter_map(Value::as_str).collect()
}

impl Example {
    pub(crate) fn read(name: &str) -> Self {
        let golden = serde_json::from_str(&crate::examples::read(&format!("golden/{name}.json"))).unwrap();
        Self { name: name.to_owned(), golden }
    }

    pub(crate) fn cases(&self) -> &[Value] {
        list(&self.golden, "cases")
    }

    /// Files of policies that are in force besides the example's own.
    pub(crate) fn also(&self) -> Vec<&str> {
        let own = format!("cookbook/{}.cedar", self.name);
        words(&self.golden, "policies").into_iter().filter(|file| *file != own).collect()
    }

    /// Where the tools come from.
    pub(crate) fn listings(&self) -> Vec<String> {
        let mut listings: Vec<String> = self.servers().map(|(_, listing)| listing.to_owned()).collect();
        listings.dedup();
        listings
    }

    fn servers(&self) -> impl Iterator<Item = (&Value, &str)> {
        list(&self.golden, "servers").iter().map(|server| {
            let listing = server["listing"].as_str().unwrap_or_else(|| text(server, "name"));
            (server, listing)
        })
    }

    fn tools(&self) -> Vec<ToolFacts> {
        let mut tools = Vec::new();
        for (server, listing) in self.servers() {
            let listed: Value =
                serde_json::from_str(&crate::examples::read(&format!("servers/{listing}.json"))).unwrap();
            for tool in list(&listed, "tools") {
                tools.push(self.tool(text(server, "name"), tool));
            }
        }
        tools
    }

    /// The tool as a person would find it in quarantine, certified as proposed or as the golden file says.
    fn tool(&self, server: &str, listed: &Value) -> ToolFacts {
        let (raw, _) = RawJson::parse(listed.to_string().into(), &JsonLimits::UPSTREAM).unwrap();
        let definition = Definition::parse(&raw).unwrap();
        let proposed = registry::risk::propose(&definition);
        let name = ToolRef { server: ServerName::parse(server).unwrap(), tool: definition.name().clone() };
        let certified = self.golden["certified"][name.to_string()].as_str();
        let risk = certified.map_or(proposed.risk, |word| Risk::parse(word).unwrap());
        ToolFacts {
            tool: PinnedTool { name, definition: definition.digest(), risk },
            input_schema: definition.input_schema().clone(),
            returns_secrets: proposed.returns_secrets,
        }
    }

    fn compile(&self, tools: &[ToolFacts]) -> PolicySnapshot {
        let servers: Vec<ServerFacts> = self
            .servers()
            .map(|(server, _)| ServerFacts {
                name: ServerName::parse(text(server, "name")).unwrap(),
                environment: text(server, "environment").to_owned(),
            })
            .collect();
        let sources: Vec<PolicySource> = words(&self.golden, "policies")
            .into_iter()
            .map(|file| PolicySource {
                file: file.to_owned(),
                text: crate::examples::read(&format!("../{file}")),
            })
            .collect();
        PolicySnapshot::compile(&sources, &servers, tools).unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}: {}", self.name, lines.join("\n"))
        })
    }

    /// Decides every case, and compares.
    pub(crate) fn run(&self) -> Run {
        let tools = self.tools();
        let snapshot = self.compile(&tools);
        let mut run = Run::default();
        for case in self.cases() {
            let unknown = case.as_object().unwrap().keys().find(|key| !KEYS.contains(&key.as_str()));
            assert_eq!(unknown, None, "{}: {case}", self.name);
            let principal = principal(&words(case, "groups"));
            let task = Task::implicit(&principal.agent).unwrap();
            let called = text(case, "call");
            let tool = tools.iter().find(|facts| facts.tool.name.to_string() == called);
            let tool = &tool.unwrap_or_else(|| panic!("{}: no tool `{called}`", self.name)).tool;
            let arguments =
                Json::parse(case["arguments"].to_string().as_bytes(), &JsonLimits::REQUEST).unwrap();
            let decision = snapshot.decide(&DecisionRequest {
                principal: &principal,
                task: &task,
                tool,
                arguments: &arguments,
                approval: &evidence(&case["approval"]),
                now: instant(case["at"].as_str().unwrap_or(NOON)),
            });
            self.compare(case, &decision);
            if let Some(listed) = case["listed"].as_bool() {
                let could = snapshot.could_permit(&principal, &task, &tool.name);
                assert_eq!(could, listed, "{}: listed? {case}", self.name);
            }
            match decision {
                Decision::Permit(_) => run.permitted += 1,
                _ => run.not_permitted += 1,
            }
        }
        run
    }

    fn compare(&self, case: &Value, decision: &Decision) {
        let (word, policies, approvers): (&str, &[PolicyId], &[GroupName]) = match decision {
            Decision::Permit(permit) => ("permit", &permit.policies, &[]),
            Decision::Park(park) => ("park", &park.policies, &park.approvers),
            Decision::Deny(denial) => match denial.kind {
                DenyKind::Forbidden => ("forbidden", &denial.policies, &[]),
                DenyKind::NoPermit => ("no-permit", &denial.policies, &[]),
                DenyKind::Error => ("error", &denial.policies, &[]),
            },
        };
        let by: Vec<&str> = policies.iter().map(PolicyId::as_str).collect();
        let asked: Vec<&str> = approvers.iter().map(GroupName::as_str).collect();
        let expected = (text(case, "decision"), words(case, "by"), words(case, "approvers"));
        assert_eq!((word, by, asked), expected, "{}: {case}: {decision:?}", self.name);
    }
}

fn groups(names: &[&str]) -> Vec<GroupName> {
    names.iter().map(|name| GroupName::parse(name).unwrap()).collect()
}

fn principal(names: &[&str]) -> Principal {
    Principal {
        agent: AgentId::parse("assistant").unwrap(),
        facts: Arc::new(AgentFacts { groups: groups(names), owner: "ann".to_owned() }),
        attestation: Attestation::AgentKey,
    }
}

fn evidence(approval: &Value) -> ApprovalEvidence {
    if approval.is_null() {
        return ApprovalEvidence::none();
    }
    ApprovalEvidence {
        count: u32::try_from(approval["count"].as_u64().unwrap()).unwrap(),
        groups: groups(&words(approval, "groups")),
        exact: true,
        self_approved: approval["self_approved"].as_bool().unwrap_or(false),
    }
}

/// The instant of `YYYY-MM-DDTHH:MM:SSZ`.
fn instant(written: &str) -> Micros {
    let number = |from: usize, to: usize| written[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days since 1970-01-01 of the proleptic Gregorian calendar, with years that begin in March.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19);
    let instant = Micros(seconds * 1_000_000);
    assert!(instant.rfc3339().starts_with(&written[..19]), "{written} is {}", instant.rfc3339());
    instant
}
