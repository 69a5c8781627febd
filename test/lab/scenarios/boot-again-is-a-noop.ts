/** The second run of boot touches nothing: no file, no unit, no process. */

import type { Lab } from '../cluster.ts';
import type { Host } from '../host.ts';
import { expectEqual } from '../scenario.ts';

export const name = 'boot-again-is-a-noop';
export const claim = 'diyc-agent boot on a node that is ready changes no file below /etc and /usr and restarts no unit';
export const from = 'ready';

const UNITS = ['etcd.service', 'flanneld.service', 'docker.service'];

export async function run(lab: Lab): Promise<void> {
  const node = lab.host('a2');
  await node.untilBooted();
  const before = await picture(node);
  for (const attempt of [1, 2]) {
    const boot = await node.exec(['diyc-agent', 'boot'], 30_000);
    expectEqual(boot.code, 0, `exit code of diyc-agent boot, time ${attempt} (${boot.stderr.trim()})`);
  }
  const after = await picture(node);
  const touched = [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
  expectEqual(touched.join('\n'), '', `what two more runs of boot touched on ${node.name}`);
  expectEqual(await lab.missing(), undefined, 'what the cluster lacks');
}

/** Inode and change time give away a file that was written again with the same text. */
async function picture(node: Host): Promise<string[]> {
  const files = await node.answer(['find', '/etc', '/usr/lib/systemd', '-type', 'f', '-printf', '%p %i %C@\\n']);
  const units = await node.answer(['systemctl', 'show', '--property=Id,InvocationID,NeedDaemonReload', ...UNITS]);
  return [
    ...files.split('\n'),
    ...units
      .trim()
      .split('\n\n')
      .map((unit) => unit.split('\n').toSorted().join(' ')),
  ];
}
