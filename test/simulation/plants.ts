// Faults that are planted between the coordinator and the world, to see that the simulation notices them.

import { deniedKey, holdKey, semaphoreKey } from '../../agent/model/keys.ts';
import { upgradeFile } from '../../agent/model/paths.ts';
import type { SwapStore } from '../../agent/ports/store.ts';
import type { Coordination } from '../../agent/upgrade/coordination.ts';
import type { FleetNode } from '../support/upgrade-fleet.ts';

export type Plant = (node: FleetNode, coordination: Coordination) => Coordination;

function withStore(coordination: Coordination, change: Partial<SwapStore>): Coordination {
  const { store } = coordination;
  const changed = new Proxy(store, {
    get: (of, key): unknown => Reflect.get(key in change ? change : of, key),
  });
  return { ...coordination, store: changed };
}

const longMs = 20 * 60_000;

/** What was answered is answered again for twenty minutes. */
function remembering<T>(
  node: FleetNode,
  seen: Map<string, { atMs: number; answer: Promise<T> }>,
  what: string,
  ask: () => Promise<T>,
): Promise<T> {
  const key = `${node.name} ${what}`;
  const nowMs = node.clock.monotonicMs();
  const found = seen.get(key);
  if (found !== undefined && nowMs - found.atMs < longMs) return found.answer;
  const answer = ask();
  seen.set(key, { atMs: nowMs, answer });
  return answer;
}

export const plants: Readonly<Record<string, () => Plant>> = {
  'compare-and-swap without guards': () => (_node, coordination) =>
    withStore(coordination, { swap: (write) => coordination.store.swap(write, []) }),

  "others' slots are not seen": () => (node, coordination) =>
    withStore(coordination, {
      readVersioned: async (keys) => {
        const found = await coordination.store.readVersioned(keys);
        return found.map((value) => {
          if (!value.key.endsWith('/semaphore') || value.value === null) return value;
          const semaphore = JSON.parse(value.value) as { holders: { id: string }[] };
          const holders = semaphore.holders.filter((h) => h.id === node.name);
          return { ...value, value: JSON.stringify({ ...semaphore, holders }) };
        });
      },
    }),

  'nothing is asked a second time': () => {
    const seen = new Map<string, { atMs: number; answer: Promise<never> }>();
    return (node, coordination) => {
      const { store, config, group } = coordination;
      const etcd = coordination.host.etcd;
      const hold = holdKey(config.cluster, group.name);
      const asked = new Proxy(etcd, {
        get: (of, key): unknown =>
          key === 'survey'
            ? (...args: Parameters<typeof etcd.survey>) =>
                remembering(node, seen, 'survey', () => of.survey(...args) as Promise<never>)
            : Reflect.get(of, key),
      });
      const host = new Proxy(coordination.host, {
        get: (of, key): unknown => (key === 'etcd' ? asked : Reflect.get(of, key)),
      });
      const stale = withStore(coordination, {
        readVersioned: async (keys) => {
          if (keys[0] !== hold) return await store.readVersioned(keys);
          const fresh = await store.readVersioned(keys);
          const old = await remembering(node, seen, 'policy', async () => fresh as never);
          const policy = new Map((old as typeof fresh).map((v) => [v.key, v]));
          return fresh.map((v) => (v.key === semaphoreKey(config.cluster, group.name) ? v : (policy.get(v.key) ?? v)));
        },
      });
      return {
        ...stale,
        host,
        records: () => remembering(node, seen, 'records', () => coordination.records() as Promise<never>),
      };
    };
  },

  'no soak': () => (_node, coordination) => ({ ...coordination, group: { ...coordination.group, soakSecs: 0 } }),

  'denials are not written': () => (_node, coordination) =>
    withStore(coordination, {
      swap: async (write, guards) => {
        const { config, group } = coordination;
        if (write.key === deniedKey(config.cluster, group.name)) return true;
        return await coordination.store.swap(write, guards);
      },
    }),

  'the note before the reboot is not written': () => (_node, coordination) => {
    const { files } = coordination.host;
    const forgetful = new Proxy(files, {
      get: (of, key): unknown =>
        key === 'replace'
          ? async (...args: Parameters<typeof files.replace>) => {
              if (args[0] === upgradeFile && args[1].includes('"phase":"rebooting"')) return;
              await of.replace(...args);
            }
          : Reflect.get(of, key),
    });
    const host = new Proxy(coordination.host, {
      get: (of, key): unknown => (key === 'files' ? forgetful : Reflect.get(of, key)),
    });
    return { ...coordination, host };
  },
};
