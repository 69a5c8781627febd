/** Netbooted hosts as in seed B: the seed is on an HTTP server, the kernel line says where, and the network stage calls the agent. */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Lab } from '../cluster.ts';
import { SEED_DIR } from '../host.ts';
import { fromSwitch, HOST_PREFIX } from '../network.ts';
import { expect, expectEqual } from '../scenario.ts';
import { CLUSTER_FILE, seedFiles } from '../seed.ts';
import { endDaemon, startDaemon } from '../vm/daemon.ts';

export const name = 'seed-over-http';
export const claim =
  'three hosts that are told only where their seed is on an HTTP server are ready, whichever way it is spelt';
export const from = 'blank';

const SERVER = `${HOST_PREFIX}.254`;
const PORT = '8000';
/** Before 23.2 cloud-init took `ds=nocloud;s=http…` for a local seed and applied nothing (bookworm has 22.4). */
const OLD_SPELLING = (url: string): string => `ds=nocloud-net;seedfrom=${url}`;
const NEW_SPELLING = (url: string): string => `ds=nocloud;s=${url}`;

export async function run(lab: Lab): Promise<void> {
  const spellings = lab.options.suite === 'bookworm' ? [OLD_SPELLING] : [OLD_SPELLING, NEW_SPELLING];
  const folder = join(lab.names.stateDir, 'http');
  const server = join(lab.names.stateDir, 'http-server');
  const dir = SEED_DIR[lab.options.seedPlace];
  const program = join(import.meta.dirname, '../vm/http-server.ts');
  for (const node of lab.nodes) {
    const seed = seedFiles(node.name, lab.options.seedPlace);
    const files = {
      'meta-data': seed[`${dir}/meta-data`] ?? '',
      'user-data': `${seed[`${dir}/user-data`] ?? ''}diyc:\n${CLUSTER_FILE.replace(/^(?=.)/gm, '  ')}`,
      'vendor-data': '',
    };
    for (const [file, text] of Object.entries(files)) {
      const path = join(folder, node.name, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }
  await startDaemon(server, fromSwitch(lab.names, [process.execPath, program, folder, SERVER, PORT]));
  try {
    for (const spell of spellings) {
      await lab.blank();
      for (const node of lab.nodes) {
        await node.prepare({});
        node.kernelLine = spell(`http://${SERVER}:${PORT}/${node.name}/`);
      }
      await lab.powerOn();
      await lab.untilReady();
      const { stdout } = await lab.host('a2').exec(['diyc-agent', 'status']);
      expect(stdout.includes(`http://${SERVER}:${PORT}/a2/`), `where a2 has its name from: ${stdout}`);
      await lab.host('a2').untilBooted();
      const result: unknown = JSON.parse(await lab.host('a2').readText('/run/cloud-init/result.json'));
      expectEqual((result as { v1: { errors: unknown[] } }).v1.errors.length, 0, 'errors of cloud-init on a2');
    }
  } finally {
    for (const node of lab.nodes) node.kernelLine = null;
    await endDaemon(server);
  }
}
