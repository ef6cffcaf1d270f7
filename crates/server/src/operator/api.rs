//! The verbs. Must never do more than read parameters, call administration, and show what came of it.

use std::sync::Arc;

use admin::{CertifyNamed, NewAgent, NewLocalAgent, Shown};
use model::digest::Digest;
use model::ids::{AgentId, CallId, GroupName, NameError, ServerName, ToolName};
use model::tool::{Risk, ToolRef, ToolStatus};
use policy::PolicySource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ApiError, OperatorFace, show, wire};

/// Entries read at once.
const LOG_LIMIT_MAX: usize = 10_000;
/// Who changes are recorded as. There is one operator credential yet, so there is one name.
pub(super) const OPERATOR: &str = "operator:local";

impl OperatorFace {
    pub(super) async fn carry_out(&self, verb: &str, params: Value) -> Result<Value, ApiError> {
        match verb {
            "status" => self.status().await,
            "agents/list" => {
                Ok(json!({"agents": self.admin.agents().iter().map(show::agent).collect::<Vec<_>>()}))
            }
            "agents/add" => self.add_agent(read(params)?).await,
            "agents/rotate" => self.rotate_agent(read(params)?).await,
            "agents/remove" => self.remove_agent(read(params)?).await,
            "servers/list" => Ok(self.servers()),
            "servers/refresh" => self.refresh(read(params)?).await,
            "tools/list" => self.tools(read(params)?),
            "tools/show" => self.show_tool(read(params)?),
            "tools/certify" => self.certify(read(params)?).await,
            "tools/certify_shown" => self.certify_shown(read(params)?).await,
            "tools/quarantine" => self.quarantine(read(params)?).await,
            "approvals/list" => self.approvals().await,
            "approvals/show" => self.show_approval(read(params)?).await,
            "approvals/approve" => self.approve(read(params)?).await,
            "approvals/reject" => self.reject(read(params)?).await,
            "policy/check" => Ok(self.check(read(params)?)),
            "policy/reload" => self.reload().await,
            "policy/schema" => Ok(json!({"schema": self.admin.current().policy.schema_text()})),
            "log/read" => self.read_log(read(params)?).await,
            "log/call" => self.call(read(params)?).await,
            _ => {
                Err(ApiError { code: "not_found", message: format!("no verb `{verb}`"), details: Vec::new() })
            }
        }
    }

    async fn status(&self) -> Result<Value, ApiError> {
        let snapshot = self.admin.current();
        let size = self.admin.records().size().await.map_err(ApiError::unavailable)?;
        let notices: Vec<String> = snapshot.policy.notices().iter().map(ToString::to_string).collect();
        let quarantined = snapshot.catalog.all().filter(|r| r.status == ToolStatus::Quarantined).count();
        let daemon = self.daemon.get().map(|daemon| {
            json!({
                "pid": daemon.pid,
                "since": daemon.since.rfc3339(),
                "on_demand": daemon.on_demand,
            })
        });
        Ok(json!({
            "daemon": daemon,
            "epoch": snapshot.epoch.0,
            "policies": snapshot.policy.policy_count(),
            "policy_set": snapshot.policy.digest().to_string(),
            "policies_set_aside": notices,
            "tools": snapshot.catalog.len(),
            "tools_quarantined": quarantined,
            "quarantined": show::waiting(&snapshot.catalog),
            "agents": self.admin.agents().iter().filter(|view| view.usable).count(),
            "approvals_pending": self.approvals_pending().await?,
            "entries": size,
        }))
    }

    async fn add_agent(&self, params: wire::AddAgent) -> Result<Value, ApiError> {
        let groups = params.groups.iter().map(|name| GroupName::parse(name)).collect::<Result<_, _>>();
        let groups = groups.map_err(ApiError::bad_request)?;
        let id = AgentId::parse(&params.name).map_err(ApiError::bad_request)?;
        let owner = params.owner.chars().take(128).collect();
        match (params.local_user, params.days) {
            (None, Some(key_days)) => {
                let new = NewAgent { id, groups, owner, key_days };
                Ok(show::new_key(&self.admin.add_agent(OPERATOR, new).await?))
            }
            (Some(local_user), None) => {
                let shown = json!({"agent": id.as_str(), "local_user": local_user});
                let new = NewLocalAgent { id, groups, owner, local_user };
                self.admin.add_local_agent(OPERATOR, new).await?;
                Ok(shown)
            }
            _ => Err(ApiError::bad_request(
                "give `days` for an agent with a key, or `local_user` for one without",
            )),
        }
    }

    async fn rotate_agent(&self, params: wire::RotateAgent) -> Result<Value, ApiError> {
        let id = AgentId::parse(&params.name).map_err(ApiError::bad_request)?;
        let key = self.admin.rotate_agent(OPERATOR, &id, params.days, params.overlap_seconds).await?;
        Ok(show::new_key(&key))
    }

    async fn remove_agent(&self, params: wire::NamedAgent) -> Result<Value, ApiError> {
        let id = AgentId::parse(&params.name).map_err(ApiError::bad_request)?;
        self.admin.remove_agent(OPERATOR, &id).await?;
        Ok(json!({"removed": id.as_str()}))
    }

    fn servers(&self) -> Value {
        let snapshot = self.admin.current();
        let servers: Vec<Value> = self
            .admin
            .servers()
            .iter()
            .map(|server| {
                let count = |status| {
                    let of = snapshot.catalog.of_server(&server.name);
                    of.filter(|record| record.present && record.status == status).count()
                };
                json!({
                    "server": server.name.as_str(),
                    "environment": server.environment,
                    "tools_certified": count(ToolStatus::Certified),
                    "tools_quarantined": count(ToolStatus::Quarantined),
                    "tools_refused": self.admin.refused_definitions(&server.name),
                })
            })
            .collect();
        json!({"servers": servers})
    }

    async fn refresh(&self, params: wire::NamedServer) -> Result<Value, ApiError> {
        let all = self.admin.servers();
        let chosen: Vec<ServerName> = match &params.server {
            None => all.into_iter().map(|server| server.name).collect(),
            Some(name) => vec![self.configured(name)?],
        };
        let mut listing = tokio::task::JoinSet::new();
        for server in chosen {
            let upstreams = Arc::clone(&self.upstreams);
            listing.spawn(async move {
                let refreshed = upstreams.refresh(&server).await;
                (server, refreshed)
            });
        }
        let mut refreshed = listing.join_all().await;
        refreshed.sort_by(|(left, _), (right, _)| left.cmp(right));
        let results: Vec<Value> = refreshed
            .into_iter()
            .map(|(server, refreshed)| match refreshed {
                Ok(()) => json!({"server": server.as_str(), "ok": true}),
                Err(fault) => json!({"server": server.as_str(), "ok": false, "problem": fault.private}),
            })
            .collect();
        Ok(json!({"refreshed": results}))
    }

    fn configured(&self, name: &str) -> Result<ServerName, ApiError> {
        let known = self.admin.servers().into_iter().find(|server| server.name.as_str() == name);
        known.map(|server| server.name).ok_or_else(|| ApiError {
            code: "not_found",
            message: format!("no server `{name}` in the configuration; `callgate servers list` shows them"),
            details: Vec::new(),
        })
    }

    fn tools(&self, params: wire::ListTools) -> Result<Value, ApiError> {
        let server = params.server.as_deref().map(|name| self.configured(name)).transpose()?;
        let status = match params.status.as_deref() {
            None => None,
            Some(word) => Some(ToolStatus::parse(word).ok_or_else(|| {
                ApiError::bad_request(format!("`{word}` is no status: use `quarantined` or `certified`"))
            })?),
        };
        let snapshot = self.admin.current();
        let chosen = snapshot.catalog.all().filter(|record| {
            server.as_ref().is_none_or(|name| *name == record.name.server)
                && status.is_none_or(|status| status == record.status)
        });
        Ok(json!({"tools": chosen.map(|record| show::tool_line(record)).collect::<Vec<_>>()}))
    }

    fn show_tool(&self, params: wire::NamedTool) -> Result<Value, ApiError> {
        Ok(show::tool(&*self.admin.tool(&tool_ref(&params.tool)?)?))
    }

    async fn certify(&self, params: wire::CertifyTool) -> Result<Value, ApiError> {
        let risk = params.risk.as_deref().map(risk).transpose()?;
        let (tool, shown) = (tool_ref(&params.tool)?, definition(&params.definition)?);
        let named = CertifyNamed { tool, shown, risk, returns_secrets: params.returns_secrets };
        Ok(show::tool_line(&self.admin.certify_named(OPERATOR, named).await?))
    }

    async fn certify_shown(&self, params: wire::CertifyShown) -> Result<Value, ApiError> {
        let shown = params.shown.iter().map(|one| {
            let (tool, definition) = (tool_ref(&one.tool)?, definition(&one.definition)?);
            Ok(Shown { tool, definition, risk: risk(&one.risk)? })
        });
        let shown = shown.collect::<Result<Vec<Shown>, ApiError>>()?;
        Ok(show::bulk(&self.admin.certify_shown(OPERATOR, &shown).await?))
    }

    async fn quarantine(&self, params: wire::NamedTool) -> Result<Value, ApiError> {
        let tool = tool_ref(&params.tool)?;
        self.admin.quarantine(OPERATOR, &tool).await?;
        Ok(json!({"quarantined": tool.to_string()}))
    }

    fn check(&self, params: wire::CheckPolicies) -> Value {
        let source = |file: wire::PolicyFile| PolicySource { file: file.file, text: file.text };
        match self.admin.check_policies(params.files.into_iter().map(source).collect()) {
            Ok(count) => json!({"ok": true, "policies": count, "problems": []}),
            Err(problems) => {
                let problems: Vec<Value> = problems.iter().map(show::policy_problem).collect();
                json!({"ok": false, "problems": problems})
            }
        }
    }

    async fn reload(&self) -> Result<Value, ApiError> {
        let sources = self.files.read().map_err(ApiError::bad_request)?;
        let snapshot = self.admin.load_policies(sources).await?;
        let notices: Vec<String> = snapshot.policy.notices().iter().map(ToString::to_string).collect();
        Ok(json!({
            "policies": snapshot.policy.policy_count(),
            "policy_set": snapshot.policy.digest().to_string(),
            "set_aside": notices,
        }))
    }

    async fn read_log(&self, params: wire::ReadLog) -> Result<Value, ApiError> {
        let records = self.admin.records();
        let limit = params.limit.min(LOG_LIMIT_MAX);
        let size = records.size().await.map_err(ApiError::unavailable)?;
        let from = params.from.unwrap_or_else(|| size.saturating_sub(limit as u64));
        let entries = records.read(from, limit).await.map_err(ApiError::unavailable)?;
        let entries: Vec<Value> = entries.iter().map(show::entry).collect();
        Ok(json!({"size": size, "entries": entries}))
    }

    async fn call(&self, params: wire::NamedCall) -> Result<Value, ApiError> {
        let call = CallId::parse(&params.call)
            .ok_or_else(|| ApiError::bad_request(format!("`{}` is no call id", params.call)))?;
        let entries = self.admin.records().of_call(call).await.map_err(ApiError::unavailable)?;
        if entries.is_empty() {
            let message = format!("no call `{call}` in the record");
            return Err(ApiError { code: "not_found", message, details: Vec::new() });
        }
        let mut entries: Vec<Value> = entries.iter().map(show::entry).collect();
        entries.extend(self.answers_to(&entries).await?);
        entries.sort_by_key(|entry| entry.get("index").and_then(Value::as_u64));
        Ok(json!({"call": call.to_string(), "entries": entries}))
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, ApiError> {
    serde_json::from_value(params).map_err(ApiError::bad_request)
}

fn risk(word: &str) -> Result<Risk, ApiError> {
    Risk::parse(word).ok_or_else(|| {
        ApiError::bad_request(format!("`{word}` is no risk class: use `read`, `write` or `privileged`"))
    })
}

fn definition(text: &str) -> Result<Digest, ApiError> {
    Digest::parse(text).ok_or_else(|| {
        ApiError::bad_request("give the definition digest (`sha256:…`) that `tools show` printed")
    })
}

fn tool_ref(text: &str) -> Result<ToolRef, ApiError> {
    let Some((server, tool)) = text.split_once("__") else {
        return Err(ApiError::bad_request(format!("`{text}` is no tool: write `server__tool`")));
    };
    let wrong = |error: NameError| ApiError::bad_request(error);
    Ok(ToolRef {
        server: ServerName::parse(server).map_err(wrong)?,
        tool: ToolName::parse(tool).map_err(wrong)?,
    })
}
