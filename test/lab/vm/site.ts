/** A site: one etcd that is no machine of ours, a cluster file in user-data, and what a scenario wants of its storage. */

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suiteNamed } from '../machine-sources.ts';
import { fromSwitch } from '../network.ts';
import { rootfs } from '../rootfs.ts';
import { run } from '../run.ts';
import { notYet, until, yes } from '../wait.ts';
import { SEATS, SWITCH_ADDRESS } from './address-plan.ts';
import type { Seed } from './boot-server.ts';
import { daemonLog, endDaemon, startDaemon } from './daemon.ts';
import { PORTAL } from './iscsi-target.ts';
import type { StorageLab } from './lab.ts';
import { PACKAGES } from './machine-layer.ts';
import { seedOf } from './seed.ts';

export const CLUSTER = 'diy-cluster';
export const AUTHORITY = 'iqn.2015-05.lab.diyc';
const STORE = 'store';
const CLIENT = `http://${SWITCH_ADDRESS}:2379`;
/** Emulated processors are slow: the defaults would make a member lose its own votes. */
const TIMING = ['--heartbeat-interval=500', '--election-timeout=5000'] as const;

/**
 * A run of the agent takes 36 ms on a processor and seconds in an emulated one: at its own pace it would leave time for
 * nothing else. An empty assignment first: a timer's settings add up.
 */
function slowed(timer: string, secs: number): readonly string[] {
  const dir = `/run/systemd/system/${timer}.d`;
  const text = `[Timer]\\nOnBootSec=\\nOnBootSec=10s\\nOnUnitInactiveSec=${secs}s\\n`;
  return ['sh', '-c', `mkdir -p ${dir}; printf '${text}' >${dir}/lab.conf`];
}

/** The name a machine has towards the storage: what the agent makes of target, cluster and node. */
export function initiatorOf(machine: string): string {
  return `${AUTHORITY}:${CLUSTER}:${machine}`;
}

export function targetOf(machine: string): string {
  return `${AUTHORITY}:${machine}`;
}

export interface Chap {
  readonly user: string;
  readonly password: string;
}

export interface StorageWish {
  readonly target: string;
  readonly driver: 'overlay2' | 'devicemapper';
  readonly chap?: Chap;
  readonly mutualChap?: Chap;
  readonly devices?: readonly string[];
  readonly wipe?: readonly string[];
}

/** The `storage:` of a cluster file. */
export function storageOf(wish: StorageWish): object {
  const chap =
    wish.chap === undefined
      ? {}
      : {
          chap: {
            username: wish.chap.user,
            passwordFile: '/etc/diyc-agent/chap',
            ...(wish.mutualChap === undefined
              ? {}
              : { mutual: { username: wish.mutualChap.user, passwordFile: '/etc/diyc-agent/chap-mutual' } }),
          },
        };
  return {
    iscsi: { portal: PORTAL, target: wish.target, ...chap },
    docker: {
      volumeGroup: 'docker-images',
      devices: wish.devices ?? ['iscsi:1'],
      driver: wish.driver,
      ...(wish.wipe === undefined ? {} : { wipe: wish.wipe }),
    },
  };
}

/** What the boot server gives a machine: who it is, the cluster file, the secrets, and the agent's one line. */
export function siteSeed(machine: string, storage: StorageWish | null): Seed {
  const own = storage === null ? {} : { storage: storageOf(storage) };
  const nodes = Object.fromEntries([
    [STORE, { address: SWITCH_ADDRESS }],
    ...SEATS.map((seat) => [seat.name, { address: seat.address, ...(seat.name === machine ? own : {}) }] as const),
  ]);
  const diyc = {
    version: 1,
    cluster: CLUSTER,
    nodes,
    etcd: { members: [STORE] },
    flannel: { prefix: '/admin/flannel', network: '172.18.0.0/16', backend: { type: 'vxlan' } },
  };
  const secret = (path: string, chap: Chap | undefined): object[] =>
    chap === undefined ? [] : [{ path, permissions: '0600', content: `${chap.password}\n` }];
  const plain = seedOf(machine, [
    slowed('diyc-agent-gauge.timer', 15),
    slowed('diyc-agent-report.timer', 45),
    ['/usr/bin/diyc-agent', 'boot'],
  ]);
  const config = JSON.parse((plain['user-data'] ?? '').replace('#cloud-config\n', '')) as object;
  const written = [
    ...secret('/etc/diyc-agent/chap', storage?.chap),
    ...secret('/etc/diyc-agent/chap-mutual', storage?.mutualChap),
  ];
  return { ...plain, 'user-data': `#cloud-config\n${JSON.stringify({ ...config, write_files: written, diyc })}\n` };
}

/** The cluster's etcd, on the switch: a live machine may not be a voter, and the store is not what these scenarios are about. */
export async function startStore(lab: StorageLab): Promise<void> {
  const dir = join(lab.names.stateDir, 'store');
  await endDaemon(join(dir, 'etcd'));
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const root = await rootfs(suiteNamed('bookworm'), PACKAGES);
  await startDaemon(
    join(dir, 'etcd'),
    fromSwitch(lab.names, [
      join(root, 'usr/bin/etcd'),
      `--name=${STORE}`,
      `--data-dir=${join(dir, 'data')}`,
      `--listen-client-urls=${CLIENT}`,
      `--advertise-client-urls=${CLIENT}`,
      '--listen-peer-urls=http://127.0.0.1:2380',
      ...TIMING,
    ]),
  );
  await until('the store to be healthy', 20_000, async () => {
    const asked = await run(fromSwitch(lab.names, ['curl', '--silent', '--max-time', '2', `${CLIENT}/health`]), {
      tolerant: true,
    });
    return asked.stdout.includes('"true"') ? yes(true) : notYet(await daemonLog(join(dir, 'etcd'), 3));
  });
}

export async function endStore(lab: StorageLab): Promise<void> {
  await endDaemon(join(lab.names.stateDir, 'store', 'etcd'));
}
