// What can be reached from a host, as a test says it; a question that nobody scripted fails loudly.

import type { Reach } from '../../agent/ports/survey.ts';
import type { EffectLog } from './effect-log.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** A status of a web server, `accepts` for a port; `silent` takes the whole deadline. */
export type FakePeer = 'accepts' | 'refused' | 'silent' | number;

export interface FakeReachOptions {
  readonly clock: VirtualClock;
  readonly log: EffectLog;
  /** By `address:port` or URL. */
  readonly peers?: Readonly<Record<string, FakePeer>>;
}

export interface FakeReach extends Reach {
  /** What was asked for, in order. */
  readonly asked: readonly string[];
  set(place: string, peer: FakePeer): void;
}

/** A Reach for tests. */
export function fakeReach({ clock, log, peers: given = {} }: FakeReachOptions): FakeReach {
  const peers = new Map(Object.entries(given));
  const asked: string[] = [];

  async function peerOf(place: string, deadlineMs: number): Promise<FakePeer> {
    log.assertAlive();
    asked.push(place);
    const peer = peers.get(place);
    if (peer === undefined)
      throw new Error(`fake host: nobody scripted whether ${place} can be reached; give reach: {}`);
    if (peer === 'silent') await clock.sleep(deadlineMs);
    return peer;
  }

  return {
    asked,
    set: (place, peer) => void peers.set(place, peer),
    async tcp(address, port, deadlineMs) {
      const peer = await peerOf(`${address}:${port}`, deadlineMs);
      if (peer === 'silent') return { ok: false, detail: `accepted no connection within ${deadlineMs} ms` };
      if (peer === 'refused') return { ok: false, detail: 'refuses connections (nothing listens there)' };
      return { ok: true, detail: 'accepts connections' };
    },
    async http(url, deadlineMs) {
      const peer = await peerOf(url, deadlineMs);
      if (peer === 'silent' || peer === 'accepts') {
        return { ok: false, detail: `accepts connections but did not answer within ${deadlineMs} ms` };
      }
      if (peer === 'refused') return { ok: false, detail: 'refuses connections (nothing listens there)' };
      return { ok: peer < 500, detail: `answers HTTP ${peer}` };
    },
  };
}
