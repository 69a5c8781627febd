// Snapshots of the fake cluster's store: files in the fake tree, tools that are there or not, disks that run full.

import { AgentError } from '../../agent/model/errors.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import type { EtcdSnapshots } from '../../agent/ports/survey.ts';
import type { EffectLog } from './effect-log.ts';
import type { FakeEtcd } from './fake-etcd.ts';
import type { FakeFiles } from './fake-files.ts';

export interface FakeSnapshots extends EtcdSnapshots {
  setFreeBytes(bytes: number): void;
  /** The program that restores; null: neither it nor etcdctl is installed. */
  setTool(name: string | null): void;
  /** From now on, and back: what is saved cannot be restored. */
  setDamaged(isDamaged: boolean): void;
}

export interface FakeSnapshotsOptions {
  readonly etcd: FakeEtcd;
  /** Of the host that takes them. */
  readonly address: string;
  readonly files: FakeFiles;
  readonly log: EffectLog;
}

const logBytes = 64 * 1024 * 1024;
const askDeadlineMs = 10_000;

/** The EtcdSnapshots port in memory. */
export function fakeSnapshots({ etcd, address, files, log }: FakeSnapshotsOptions): FakeSnapshots {
  let freeBytes = 20 * 1024 * 1024 * 1024;
  let tool: string | null = 'etcdutl 3.5.16';
  let isDamaged = false;

  const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

  function refused(kind: 'oserr' | 'unavailable', message: string): AgentError {
    return new AgentError(kind, message, { hint: 'correct it and take another' });
  }

  return {
    async take({ endpoint, directory, keep }, signal) {
      log.assertAlive();
      signal?.throwIfAborted();
      const scratch = under(directory, '.taking-4242');
      files.put({ [directory]: { directory: true, mode: 0o700 } });
      files.drop(scratch);
      const [asked] = await etcd.clientFor(address, log).survey([endpoint], askDeadlineMs);
      signal?.throwIfAborted();
      const view = asked?.view ?? null;
      if (view === null || !view.canCommit)
        throw refused('unavailable', `cannot ask etcd at ${endpoint} how far its store is: it ${asked?.detail}`);
      const needed = 3 * view.dbSizeBytes + logBytes;
      if (freeBytes < needed)
        throw refused(
          'oserr',
          `cannot keep a snapshot of etcd in ${directory}: ${mib(freeBytes)} are free there, and ${mib(needed)} are needed`,
        );
      if (tool === null)
        throw refused('oserr', `cannot save the store of etcd at ${endpoint}: etcdctl is not installed`);
      if (isDamaged) throw refused('oserr', `cannot restore the snapshot ${scratch}/saved.db aside`);
      const revision = String(etcd.revision);
      const path: AbsolutePath = under(directory, `snapshot-${revision}.db`);
      const bytes = Buffer.alloc(view.dbSizeBytes + 32);
      const names = (await files.list(directory)).filter((name) => /^snapshot-\d+\.db$/.test(name));
      const aged = await Promise.all(
        names.map(async (name) => ({ name, at: (await files.stat(under(directory, name)))?.modifiedMs ?? 0 })),
      );
      log.run(
        `keep etcd snapshot ${path}`,
        () => {
          files.put({ [path]: { bytes, mode: 0o600 } });
          const old = aged.filter(({ name }) => !path.endsWith(`/${name}`)).sort((a, b) => b.at - a.at);
          for (const { name } of old.slice(Math.max(0, keep - 1))) files.drop(under(directory, name));
        },
        () => files.put({ [`${scratch}/saved.db`]: { bytes, mode: 0o600 } }),
      );
      return { path, revision, sizeBytes: bytes.length, verifiedBy: tool };
    },
    setFreeBytes(bytes) {
      freeBytes = bytes;
    },
    setTool(name) {
      tool = name;
    },
    setDamaged(next) {
      isDamaged = next;
    },
  };
}
