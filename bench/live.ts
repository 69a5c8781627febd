// What needs a running host: `status` with etcd and docker, a `boot` with nothing to do, a report; on a host of the lab.

import { resolve } from 'node:path';
import { down, Lab } from '../test/lab/cluster.ts';
import { CURRENT } from '../test/lab/flanneld.ts';
import { labNames } from '../test/lab/lab-id.ts';
import { check } from '../test/lab/requirements.ts';

export interface LiveSample {
  readonly ms: number;
  readonly peakMiB: number;
}

/** Runs each argv in turn, many rounds, and prints wall time and peak memory as the kernel counted them. */
const measureScript = `
import json, os, subprocess, sys, time
argvs, rounds = json.loads(sys.argv[1]), int(sys.argv[2])
null = os.open(os.devnull, os.O_RDWR)
out = [[] for _ in argvs]
for n in range(rounds + 2):
    for i, argv in enumerate(argvs):
        began = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)])
        _, code, usage = os.wait4(pid, 0)
        if n >= 2: out[i].append({"ms": (time.perf_counter() - began) * 1000, "peakMiB": usage.ru_maxrss / 1024})
print(json.dumps(out))
`;

/** @returns null where this machine cannot run the lab */
export async function measureLive(
  agent: string,
  argvs: readonly (readonly string[])[],
  rounds: number,
): Promise<LiveSample[][] | null> {
  if ((await check()).some((finding) => !finding.ok)) return null;
  const names = labNames('bench');
  try {
    const lab = await Lab.create({
      names,
      suite: 'bookworm',
      seedPlace: 'kernel command line',
      flanneld: CURRENT,
      payload: { tree: undefined, agent: resolve(agent), unitsDir: resolve('units') },
    });
    await lab.powerOn();
    await lab.untilReady();
    const argv = ['python3', '-c', measureScript, JSON.stringify(argvs), String(rounds)];
    const { code, stdout, stderr } = await lab.host('a1').exec(argv, 300_000);
    if (code !== 0) throw new Error(`measuring on a1 ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as LiveSample[][];
  } finally {
    await down(names);
  }
}
