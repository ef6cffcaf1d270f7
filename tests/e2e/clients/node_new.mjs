// A client on npm @modelcontextprotocol/client 2.4.0, both eras: does one job read from stdin, prints what it saw.
// Must never judge: it only reports. The modules are those of the directory CLIENT_MODULES names.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

import { Answers } from './answers.mjs';
import { oneAsk } from './asks.mjs';

const require = createRequire(`${process.env.CLIENT_MODULES}/index.js`);
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');
const { StdioClientTransport } = require('@modelcontextprotocol/client/stdio');

const job = JSON.parse(readFileSync(0, 'utf8'));
const modes = { legacy: 'legacy', auto: 'auto', modern: { pin: '2026-07-28' } };

function transport() {
  if (job.command) {
    const [command, ...args] = job.command;
    return new StdioClientTransport({ command, args, env: job.env, cwd: job.cwd, stderr: 'ignore' });
  }
  const headers = job.token ? { Authorization: `Bearer ${job.token}` } : {};
  return new StreamableHTTPClientTransport(new URL(job.url), { requestInit: { headers } });
}

async function listed(client) {
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}

async function oneCall(client, call) {
  try {
    return { result: await client.callTool({ name: call.name, arguments: call.arguments, ...meta }) };
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
}

const answers = new Answers(job);
const client = new Client({ name: 'callgate-e2e', version: '1' }, {
  versionNegotiation: { mode: modes[job.mode] }, capabilities: answers.capabilities(),
});
answers.listen(client);
await client.connect(transport());
const modern = client.getNegotiatedProtocolVersion?.() === '2026-07-28';
if (job.log && !modern) await client.setLoggingLevel(job.log);
const meta = job.log && modern ? { _meta: { 'io.modelcontextprotocol/logLevel': job.log } } : {};
const tools = await listed(client);
const calls = [];
for (const call of job.calls) calls.push(await oneCall(client, call));
const asks = [];
for (const ask of job.asks ?? []) asks.push(await oneAsk(client, ask));
const offers = Object.keys(client.getServerCapabilities() ?? {}).sort();
const protocol = client.getNegotiatedProtocolVersion?.() ?? null;
process.stdout.write(JSON.stringify({ protocol, tools, calls, asks, offers, asked: answers.asked, logs: answers.logs }));
await client.close();
