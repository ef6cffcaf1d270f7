// Some MCP servers listen on every interface. Preloaded with `node --require`, this makes every TCP server of the
// process listen on 127.0.0.1, whatever it asks for. It stays synchronous, as callers read address() at once.
'use strict';
const net = require('net');
const listen = net.Server.prototype.listen;

function requestedPort(first) {
  if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) return Number(first);
  if (first === undefined || typeof first === 'function') return 0;
  const isTcp = typeof first === 'object' && first !== null && 'port' in first && !first.path && first.fd === undefined;
  return isTcp ? Number(first.port) : undefined;
}

net.Server.prototype.listen = function listenOnLoopback(...args) {
  const port = requestedPort(args[0]);
  if (port === undefined) return listen.apply(this, args);
  const last = args[args.length - 1];
  if (typeof last === 'function') this.once('listening', last);
  this._listen2('127.0.0.1', port, 4, 511);
  return this;
};
