// A client on npm @modelcontextprotocol/sdk 1.32.2, the revisions with sessions: does one job read from stdin,
// prints what it saw. Must never judge: it only reports. The modules are those of the directory CLIENT_MODULES names.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

import { Answers } from './answers.mjs';
import { oneAsk } from './asks.mjs';

const require = createRequire(`${process.env.CLIENT_MODULES}/index.js`);
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const types = require('@modelcontextprotocol/sdk/types.js');
const SCHEMAS = {
  'elicitation/create': types.ElicitRequestSchema,
  'sampling/createMessage': types.CreateMessageRequestSchema,
  'roots/list': types.ListRootsRequestSchema,
  'notifications/message': types.LoggingMessageNotificationSchema,
};

const job = JSON.parse(readFileSync(0, 'utf8'));

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
    return { result: await client.callTool({ name: call.name, arguments: call.arguments }) };
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
}

const wire = transport();
const answers = new Answers(job);
const client = new Client({ name: 'callgate-e2e', version: '1' }, { capabilities: answers.capabilities() });
answers.listen(client, (method) => SCHEMAS[method]);
await client.connect(wire);
if (job.log) await client.setLoggingLevel(job.log);
const tools = await listed(client);
const calls = [];
for (const call of job.calls) calls.push(await oneCall(client, call));
const asks = [];
for (const ask of job.asks ?? []) asks.push(await oneAsk(client, ask));
const offers = Object.keys(client.getServerCapabilities() ?? {}).sort();
process.stdout.write(JSON.stringify({ protocol: wire.protocolVersion ?? null, tools, calls, asks, offers, asked: answers.asked, logs: answers.logs }));
await client.close();
