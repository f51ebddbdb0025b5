// Runs the guide's Node clients as they are printed. See README.md beside this file.
'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const vm = require('vm');

const url = process.env.WHARFINGER_URL.replace(/\/$/, '');
const user = process.env.WHARFINGER_USER;
const pass = process.env.WHARFINGER_PASS;
const cuid = process.env.WHARFINGER_CUID;
const basic = Buffer.from(`${user}:${pass}`).toString('base64');
const axios = require('axios');

let checked = 0;
function check(what, holds, seen) {
  checked += 1;
  console.log(`${holds ? 'ok' : 'FAILED'}: ${what}`);
  assert.ok(holds, `${what}; seen: ${JSON.stringify(seen)}`);
}

// A block as printed, with its hard-coded address, login and cuid replaced, in a scope of its own.
// `names` are what it declares; `given` is what blocks before it on the page have declared.
function block(file, names, given = {}) {
  let source = fs.readFileSync(path.join(__dirname, 'node', file), 'utf8');
  const replaced = {
    "'http://localhost:8080'": url,
    "'localhost:8080'": url.replace('http://', ''),
    "'admin:password'": `${user}:${pass}`,
    "'admin'": user,
    "'password'": pass,
    "'c123e4567-e89b-12d3-a456-426614174000'": cuid,
  };
  for (const [old, value] of Object.entries(replaced)) source = source.replaceAll(old, JSON.stringify(value));
  const lines = [];
  const console = {
    log: (...words) => lines.push(words.map(String).join(' ')),
    error: (...words) => lines.push(`error: ${words.map(String).join(' ')}`),
  };
  const scope = { require, console, Buffer, setTimeout, ...given };
  const run = vm.runInThisContext(
    `(function (${Object.keys(scope).join(', ')}) {${source}\nreturn { ${names.join(', ')} }; })`,
    { filename: file },
  );
  return { ...run(...Object.values(scope)), lines };
}

async function until(what, holds, seen) {
  const end = Date.now() + 15000;
  while (!holds() && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
  check(what, holds(), seen);
}

async function lists() {
  const { listContainers, lines } = block('list_containers.js', ['listContainers']);
  await until('listContainers: the usage prints how many it found',
    () => lines.some((line) => /^Found [1-9]\d* containers$/.test(line)), lines);
  const found = await listContainers(url, basic, ['running', 'paused']);
  check('listContainers returns the running container', found.some((one) => one.cuid === cuid), found);
  const none = await listContainers(url, basic, ['paused']);
  check('listContainers filters by status', !none.some((one) => one.cuid === cuid), none);
}

async function downloads() {
  const { downloadFile, downloadDirectory } =
    block('download_files.js', ['downloadFile', 'downloadDirectory'], { axios, fs });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wharfinger-guide-'));
  const back = process.cwd();
  process.chdir(folder);
  try {
    await downloadFile(url, cuid, 'data/bytes.bin', basic);
    const whole = Buffer.concat(Array(300).fill(Buffer.from([...Array(256).keys()])));
    check('downloadFile: every byte', fs.readFileSync('downloaded_file').equals(whole));
    await downloadDirectory(url, cuid, 'data', basic);
    const zip = fs.readFileSync('container_backup.zip');
    check('downloadDirectory: a zip with the names relative to the folder',
      zip.subarray(0, 2).toString() === 'PK' && zip.includes('config.json') && !zip.includes('data/config.json'));
  } finally {
    process.chdir(back);
    fs.rmSync(folder, { recursive: true });
  }
}

async function executes() {
  const { ContainerExecutor, lines } = block('container_executor.js', ['ContainerExecutor']);
  await until('ContainerExecutor: the usage prints exit code 0 and the listing',
    () => lines.includes('Exit code: 0') && lines.some((line) => /^Output: .*boot\.py/s.test(line)), lines);
  check('ContainerExecutor: nothing failed', !lines.some((line) => line.startsWith('error:')), lines);
  const executor = new ContainerExecutor(url, cuid, user, pass);
  const result = await executor.execute('echo out; echo err >&2; (exit 3)');
  check('ContainerExecutor: clean stdout, stderr apart, the exit code',
    result.stdout === 'out\n' && result.stderr === 'err\n' && result.exitCode === 3, result);
  const slow = await executor.execute('sleep 1; seq 1 20000');
  check('ContainerExecutor: all of a long output before the exit',
    slow.stdout.endsWith('\n20000\n') && slow.stdout.length === 108894 && slow.exitCode === 0,
    [slow.stdout.length, slow.exitCode]);
  const nobody = new ContainerExecutor(url, 'c00000000-0000-4000-8000-000000000000', user, pass);
  const refusal = await nobody.execute('true').catch((error) => error.message);
  check('ContainerExecutor: an unknown container is refused before the upgrade',
    /404/.test(String(refusal)), refusal);
}

(async () => {
  await lists();
  await downloads();
  await executes();
  console.log(`node: ${checked} checks hold`);
})().catch((error) => {
  console.error(error.stack || error);
  process.exit(1);
});
