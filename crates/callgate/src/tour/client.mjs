// The client of `callgate tour`: the MCP SDK's own, over the entry that `callgate connect` writes. Prints what came back as
// one line of JSON. Must never reach a server in any other way than through `callgate wrap`.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [program, config, server, tool, given] = process.argv.slice(2);
const args = ["--config", config, "wrap", "--agent", "tour", "--server", server];
const client = new Client({ name: "callgate-tour", version: "1" });
let answer;
try {
  await client.connect(new StdioClientTransport({ command: program, args, stderr: "ignore" }));
  if (tool) {
    const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
    answer = { ok: !result.isError, text: result.content.map((block) => block.text ?? block.type).join("\n") };
  } else {
    answer = { ok: true, text: (await client.listTools()).tools.map((tool) => tool.name).join(", ") };
  }
} catch (error) {
  answer = { ok: false, text: error.message };
}
await client.close().catch(() => {});
console.log(JSON.stringify(answer));
