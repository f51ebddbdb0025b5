// A terminal over TLS with the `ws` package: `WHARFINGER_URL`, `_USER`, `_PASS`, `_CA`, `_CUID`.
'use strict';

const assert = require('assert');
const fs = require('fs');
const WebSocket = require('ws');

const { WHARFINGER_URL, WHARFINGER_USER, WHARFINGER_PASS, WHARFINGER_CA, WHARFINGER_CUID } = process.env;
const address = `${WHARFINGER_URL.replace('https://', 'wss://')}/ws/${WHARFINGER_CUID}`;
const socket = new WebSocket(address, {
  ca: fs.readFileSync(WHARFINGER_CA),
  headers: { Authorization: `Basic ${Buffer.from(`${WHARFINGER_USER}:${WHARFINGER_PASS}`).toString('base64')}` },
});
const frames = [];
let version;
socket.on('upgrade', (answer) => { version = answer.socket.getProtocol(); });
socket.on('error', (error) => { throw error; });
socket.on('message', (data) => {
  const frame = JSON.parse(data);
  frames.push(frame);
  if (frame.type === 'ready') socket.send(JSON.stringify({ type: 'stdin', data: 'echo from-$((40+2)); exit 5\n' }));
});
socket.on('close', () => {
  const out = frames.filter((frame) => frame.type === 'stdout').map((frame) => frame.data).join('');
  assert.strictEqual(out, 'from-42\n', JSON.stringify(frames));
  assert.deepStrictEqual(frames.at(-1), { type: 'exit', code: 5 });
  console.log(`node ws works over ${version}`);
});
