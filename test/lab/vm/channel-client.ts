/**
 * The near end of the command channel, a program of its own because it has to run inside the lab's network namespace:
 * `bun channel-client.ts ADDRESS SECONDS SCRIPT` prints the answer as JSON; 75 when nobody answers at the other end.
 */

import { connect } from 'node:net';

const PORT = 2222;
const EX_TEMPFAIL = 75;
const EX_USAGE = 64;
/** How long the far end may take to accept: on a machine that is off nobody says no. */
const CONNECT_MS = 5_000;

function ask(address: string, seconds: string, script: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = Buffer.from(script, 'utf8');
    const parts: Buffer[] = [];
    const socket = connect({ host: address, port: PORT }, () => {
      socket.setTimeout(0);
      socket.write(`${seconds} ${request.length}\n`);
      socket.write(request);
    });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('no connection')));
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(parts)));
  });
}

const [address, seconds, script] = process.argv.slice(2);
if (address === undefined || seconds === undefined || script === undefined) {
  process.exit(EX_USAGE);
}
try {
  const answer = await ask(address, seconds, script);
  const head = answer.indexOf('\n');
  const [code, out] = answer.toString('utf8', 0, Math.max(head, 0)).split(' ').map(Number);
  if (head < 0 || code === undefined || out === undefined) throw new Error('the connection ended without an answer');
  const body = answer.subarray(head + 1);
  process.stdout.write(
    JSON.stringify({ code, stdout: body.toString('utf8', 0, out), stderr: body.toString('utf8', out) }),
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = EX_TEMPFAIL;
}
