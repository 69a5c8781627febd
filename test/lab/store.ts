/** The cluster's etcd as an onlooker on the switch sees it: never through a host, so that a host's trouble does not hide it. */

import type { LabNames } from './lab-id.ts';
import { fromSwitch } from './network.ts';
import { type Outcome, run } from './run.ts';

export interface StoredKey {
  readonly key: string;
  readonly value: string;
  readonly hasLease: boolean;
}

export class ClusterStore {
  readonly #names: LabNames;
  readonly #endpoints: readonly string[];

  constructor(names: LabNames, addresses: readonly string[]) {
    this.#names = names;
    this.#endpoints = addresses.map((address) => `http://${address}:2379`);
  }

  async #etcdctl(args: readonly string[], endpoints = this.#endpoints): Promise<Outcome> {
    return await run(
      fromSwitch(this.#names, [
        'etcdctl',
        `--endpoints=${endpoints.join(',')}`,
        '--dial-timeout=2s',
        '--command-timeout=4s',
        ...args,
      ]),
      { tolerant: true, timeoutMs: 10_000, env: { ETCDCTL_API: '3' } },
    );
  }

  /** @returns whether the write was acknowledged; one that was not may be there all the same */
  async put(key: string, value: string): Promise<boolean> {
    return (await this.#etcdctl(['put', key, value])).code === 0;
  }

  async remove(key: string): Promise<void> {
    await this.#etcdctl(['del', key]);
  }

  /** Whether the member at that address answers a linearizable read in that time. */
  async readsThrough(address: string, withinMs: number): Promise<boolean> {
    const endpoint = `http://${address}:2379`;
    const outcome = await run(
      fromSwitch(this.#names, [
        'etcdctl',
        `--endpoints=${endpoint}`,
        `--dial-timeout=${withinMs}ms`,
        `--command-timeout=${withinMs}ms`,
        'get',
        'any',
      ]),
      { tolerant: true, timeoutMs: 2 * withinMs, env: { ETCDCTL_API: '3' } },
    );
    return outcome.code === 0;
  }

  /** The addresses of the members that answer a linearizable read. */
  async healthy(): Promise<string[]> {
    const answers = await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        const outcome = await this.#etcdctl(['endpoint', 'health'], [endpoint]);
        return outcome.code === 0 ? [endpoint.replace(/^http:\/\/|:2379$/g, '')] : [];
      }),
    );
    return answers.flat();
  }

  /** name → first peer URL, of the members that have started. */
  async members(): Promise<Map<string, string>> {
    const outcome = await this.#etcdctl(['member', 'list', '--write-out=simple']);
    const members = new Map<string, string>();
    for (const line of outcome.stdout.split('\n')) {
      const [, state, name, peerUrl] = line.split(', ');
      if (state === 'started' && name !== undefined && peerUrl !== undefined) members.set(name, peerUrl);
    }
    return members;
  }

  async list(prefix: string): Promise<StoredKey[]> {
    const outcome = await this.#etcdctl(['get', '--prefix', prefix, '--write-out=json']);
    if (outcome.code !== 0) throw new Error(`etcdctl get ${prefix}: ${outcome.stderr.trim().split('\n').at(-1)}`);
    const answer: unknown = JSON.parse(outcome.stdout);
    if (typeof answer !== 'object' || answer === null || !('kvs' in answer) || !Array.isArray(answer.kvs)) return [];
    const keys: StoredKey[] = [];
    for (const entry of answer.kvs) {
      if (typeof entry !== 'object' || entry === null) continue;
      const { key, value, lease } = entry as { key?: unknown; value?: unknown; lease?: unknown };
      keys.push({
        key: decode(key),
        value: decode(value),
        // the id itself is beyond what JSON numbers can hold; that there is one is all that matters
        hasLease: lease !== undefined && lease !== 0,
      });
    }
    return keys;
  }

  /** The keys directly below a folder of the v2 store, which flannel below 0.18 reads; v3 does not show them. */
  async listV2(folder: string): Promise<StoredKey[]> {
    const last: string[] = [];
    for (const endpoint of this.#endpoints) {
      const outcome = await run(
        fromSwitch(this.#names, [
          'curl',
          '--silent',
          '--show-error',
          '--max-time',
          '4',
          `${endpoint}/v2/keys${folder}`,
        ]),
        { tolerant: true },
      );
      if (outcome.code !== 0) {
        last.push(outcome.stderr.trim());
        continue;
      }
      const { node } = JSON.parse(outcome.stdout) as {
        node?: { nodes?: { key: string; value?: string; ttl?: number }[] };
      };
      return (node?.nodes ?? []).flatMap(({ key, value, ttl }) =>
        value === undefined ? [] : [{ key, value, hasLease: ttl !== undefined }],
      );
    }
    throw new Error(`no endpoint answers in its v2 API: ${last.at(-1) ?? 'none known'}`);
  }

  async get(key: string): Promise<StoredKey | undefined> {
    return (await this.list(key)).find((entry) => entry.key === key);
  }
}

function decode(text: unknown): string {
  return typeof text === 'string' ? Buffer.from(text, 'base64').toString('utf8') : '';
}
