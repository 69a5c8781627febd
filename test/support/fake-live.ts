// Device-mapper, space and growth in memory, for tests of a live root.

import type { DmTarget } from '../../agent/model/device-mapper.ts';
import { AgentError } from '../../agent/model/errors.ts';
import type { Growth } from '../../agent/model/live.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import type { GrowthQuery, ReadOnlyLive, Space } from '../../agent/ports/live.ts';

export interface FakeWrittenFile {
  readonly path: AbsolutePath;
  readonly bytes: number;
  readonly changedMs: number;
}

export interface FakeLiveOptions {
  /** `absent`: dmsetup is not installed; `failing`: the kernel has no device-mapper. Default: no devices. */
  readonly devices?: readonly DmTarget[] | 'absent' | 'failing';
  /** By path of the file system. */
  readonly spaces?: Readonly<Record<string, Space>>;
  readonly files?: readonly FakeWrittenFile[];
}

export interface FakeLive extends ReadOnlyLive {
  /** How often device-mapper was asked, and about what (`` for all). */
  readonly asked: readonly string[];
  setDevices(devices: NonNullable<FakeLiveOptions['devices']>): void;
  setSpace(path: AbsolutePath, space: Space): void;
}

/** A live root's machine for tests. */
export function fakeLive(options: FakeLiveOptions = {}): FakeLive {
  let devices = options.devices ?? [];
  const spaces = new Map(Object.entries(options.spaces ?? {}));
  const asked: string[] = [];
  return {
    asked,
    setDevices(next) {
      devices = next;
    },
    setSpace: (path, space) => void spaces.set(path, space),
    async dmStatus(device) {
      asked.push(device ?? '');
      if (devices === 'absent') return null;
      if (devices === 'failing') {
        throw new AgentError('oserr', 'cannot ask device-mapper: dmsetup exited with 1 and said: Command failed.', {
          hint: 'run dmsetup status as root',
        });
      }
      // Asked about one device, dmsetup prints no name.
      if (device === undefined) return devices;
      return devices.filter((d) => d.name === device).map((d) => ({ ...d, name: null }));
    },
    async space(path) {
      return spaces.get(path) ?? null;
    },
    async writtenSince(query, signal) {
      signal?.throwIfAborted();
      return growthOf(options.files ?? [], query);
    },
  };
}

function growthOf(files: readonly FakeWrittenFile[], query: GrowthQuery): Growth {
  const prefix = query.directory === '/' ? '/' : `${query.directory}/`;
  const inside = files.filter(
    (f) => f.path.startsWith(prefix) && !query.skip.some((skipped) => f.path.startsWith(`${skipped}/`)),
  );
  const looked = inside.slice(0, query.maxEntries);
  const sums = new Map<string, { bytes: number; files: number }>();
  for (const { path, bytes } of looked.filter((f) => f.changedMs >= query.sinceMs)) {
    const names = path.slice(prefix.length).split('/').slice(0, -1);
    const key = under(query.directory, ...names.slice(0, query.depth));
    const sum = sums.get(key) ?? { bytes: 0, files: 0 };
    sums.set(key, { bytes: sum.bytes + bytes, files: sum.files + 1 });
  }
  const growers = [...sums].map(([path, sum]) => ({ path, ...sum })).sort((a, b) => b.bytes - a.bytes);
  return {
    growers: growers.slice(0, query.top),
    totalBytes: growers.reduce((total, g) => total + g.bytes, 0),
    isComplete: looked.length === inside.length,
  };
}
