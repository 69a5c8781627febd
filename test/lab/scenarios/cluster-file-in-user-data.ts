/** One user-data file is all a boot server has to serve: the cluster file stands in it under the key diyc. */

import type { Lab } from '../cluster.ts';
import { SEED_DIR } from '../host.ts';
import { expectEqual } from '../scenario.ts';
import { CLUSTER_FILE, seedFiles } from '../seed.ts';

export const name = 'cluster-file-in-user-data';
export const claim = 'with the cluster file under the diyc: key of user-data, and nowhere else, three hosts are ready';
export const from = 'blank';

export async function run(lab: Lab): Promise<void> {
  const place = lab.options.seedPlace;
  const dir = SEED_DIR[place];
  const indented = CLUSTER_FILE.replace(/^(?=.)/gm, '  ');
  for (const node of lab.nodes) {
    const seed = seedFiles(node.name, place);
    const userData = `${seed[`${dir}/user-data`] ?? ''}diyc:\n${indented}`;
    await node.prepare({ [`${dir}/meta-data`]: seed[`${dir}/meta-data`] ?? '', [`${dir}/user-data`]: userData });
  }
  await lab.powerOn();
  await lab.untilReady();
  const { stdout } = await lab.host('a2').exec(['diyc-agent', 'config', 'show', '--origin']);
  expectEqual(
    /network: 172\.18\.0\.0\/16 .*user-data\.txt:\d+/.test(stdout),
    true,
    `origin of the network in ${stdout}`,
  );
  for (const node of lab.nodes) {
    await node.untilBooted();
    const result: unknown = JSON.parse(await node.readText('/run/cloud-init/result.json'));
    expectEqual((result as { v1: { errors: unknown[] } }).v1.errors.length, 0, `errors of cloud-init on ${node.name}`);
  }
}
