// The conformance suite has no option for a token. Preloaded with `node --require`, this adds the bearer key of
// CALLGATE_TEST_KEY to every request of the process, by fetch and by node:http, that has no authorization of its own.
// It must never name the key in what it prints.
'use strict';
const diagnostics = require('diagnostics_channel');
const http = require('http');
const key = process.env.CALLGATE_TEST_KEY;

function named(headers) {
  const lines = Array.isArray(headers) ? headers.map(String) : String(headers || '').split('\r\n');
  return lines.some((line) => /^authorization(:|$)/i.test(line));
}

if (key) {
  diagnostics.channel('undici:request:create').subscribe(({ request }) => {
    if (!named(request.headers)) request.addHeader('authorization', `Bearer ${key}`);
  });
  const original = http.request;
  http.request = function requestWithKey(...args) {
    const request = original.apply(this, args);
    if (!request.hasHeader('authorization') && !request.headersSent) request.setHeader('authorization', `Bearer ${key}`);
    return request;
  };
}
