//! A client on the official Rust SDK (rmcp 3.9.0), both eras, over standard input and output: does one job read from
//! its own standard input, prints what it saw. Must never judge: it only reports.

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, ServiceError};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

type Fault = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let job: Value = serde_json::from_reader(std::io::stdin())?;
    let words: Vec<&str> = job["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (program, arguments) = words.split_first().ok_or("the job has no `command`")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments);
    for (name, value) in job["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap_or_default());
    }
    if let Some(directory) = job["cwd"].as_str() {
        command.current_dir(directory);
    }
    let mode = match job["mode"].as_str() {
        Some("legacy") => ClientLifecycleMode::Initialize,
        Some("modern") => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::LATEST] },
        _ => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
    };
    let client = ().serve_with_lifecycle(TokioChildProcess::new(command)?, mode).await?;
    let tools = client.list_all_tools().await?;
    let mut calls = Vec::new();
    for call in job["calls"].as_array().into_iter().flatten() {
        let params: CallToolRequestParams = serde_json::from_value(call.clone())?;
        calls.push(match client.call_tool(params).await {
            Ok(result) => json!({"result": result}),
            Err(ServiceError::McpError(error)) => json!({"error": {"code": error.code.0, "message": error.message}}),
            Err(error) => return Err(error.into()),
        });
    }
    println!("{}", json!({"protocol": null, "tools": tools, "calls": calls}));
    client.cancel().await?;
    Ok(())
}
