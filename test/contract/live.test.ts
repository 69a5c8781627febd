// The contract of the ReadOnlyLive port, held against dmsetup, statfs and a tree on disk, and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { link, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { childExec } from '../../agent/host/child-exec.ts';
import { parseDmStatus } from '../../agent/host/dmsetup-status.ts';
import { liveHost } from '../../agent/host/live-host.ts';
import { brakeDirectories, escapePath } from '../../agent/live/brake-unit.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import type { GrowthQuery, ReadOnlyLive } from '../../agent/ports/live.ts';
import { fakeLive } from '../support/fake-live.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';

const fixtures = new URL('../fixtures/dmsetup/', import.meta.url);
const allDevices = readFileSync(new URL('fedora-22-after-pull.txt', fixtures), 'utf8');

/** How dmsetup 1.02.185 answers; with a device it prints no name. */
const dmsetup = `
[ "$1 $2" = "status --noflush" ] || exit 3
if [ -f "$0.broken" ]; then cat ${JSON.stringify(new URL('without-driver.stderr.txt', fixtures).pathname)} >&2; exit 1; fi
if [ $# -eq 2 ]; then cat "$0.devices"; exit 0; fi
line=$(grep -F "$3: " "$0.devices") || { echo "Device $3 not found" >&2; echo "Command failed." >&2; exit 1; }
echo "\${line#"$3: "}"
`;

interface Written {
  readonly path: string;
  readonly bytes: number;
  readonly isOld?: boolean;
}

interface Subject {
  readonly live: ReadOnlyLive;
  /** A directory of the machine with these files in it. */
  readonly directory: AbsolutePath;
  breakDriver(): Promise<void>;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function temporary(): Promise<AbsolutePath> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-live-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return under('/', directory.slice(1));
}

async function stubbed(): Promise<StubPrograms & { readonly bin: string }> {
  const bin = await temporary();
  const stubs = await stubPrograms(bin, { dmsetup });
  await writeFile(`${bin}/dmsetup.devices`, allDevices);
  return { ...stubs, bin };
}

const recent = Date.now() - 3_600_000;

async function real(files: readonly Written[]): Promise<Subject> {
  const { exec, bin } = await stubbed();
  const directory = await temporary();
  for (const { path, bytes, isOld } of files) {
    const at = `${directory}${path}`;
    await mkdir(at.slice(0, at.lastIndexOf('/')), { recursive: true });
    await writeFile(at, Buffer.alloc(bytes, 1));
    if (isOld === true) await utimes(at, 1000, 1000);
  }
  return { live: liveHost(exec), directory, breakDriver: () => writeFile(`${bin}/dmsetup.broken`, '') };
}

async function fake(files: readonly Written[]): Promise<Subject> {
  const directory: AbsolutePath = '/tree';
  const live = fakeLive({
    devices: parseDmStatus(allDevices),
    spaces: { [directory]: { totalBytes: 1000, availableBytes: 400 } },
    files: files.map((f) => ({ path: under(directory, f.path.slice(1)), bytes: f.bytes, changedMs: Date.now() })),
  });
  return { live, directory, breakDriver: async () => live.setDevices('failing') };
}

function query(directory: AbsolutePath, change: Partial<GrowthQuery> = {}): GrowthQuery {
  const bounds = { depth: 2, top: 10, maxEntries: 10_000, deadlineMs: 10_000 };
  return { directory, skip: [], sinceMs: recent, ...bounds, ...change };
}

const written: readonly Written[] = [
  { path: '/var/lib/docker/a', bytes: 800_000 },
  { path: '/var/lib/docker/deep/down/b', bytes: 400_000 },
  { path: '/var/log/messages', bytes: 200_000 },
  { path: '/etc/passwd', bytes: 50_000 },
];

for (const [name, make] of [
  ['dmsetup and a tree on disk', real],
  ['the fake', fake],
] as const) {
  describe(name, () => {
    test('all devices come with their names', async () => {
      const { live } = await make([]);
      const targets = await live.dmStatus();
      expect(targets?.map((t) => [t.name, t.target])).toEqual([
        ['live-base', 'linear'],
        ['docker-253:0-278707-base', 'thin'],
        ['live-rw', 'snapshot'],
        ['docker-253:0-278707-pool', 'thin-pool'],
      ]);
    });

    test('one device comes without its name', async () => {
      const { live } = await make([]);
      const targets = await live.dmStatus('live-rw');
      expect(targets).toHaveLength(1);
      expect(targets?.[0]).toMatchObject({
        name: null,
        status: { kind: 'snapshot', state: 'active', allocatedSectors: 1_144_248 },
      });
    });

    test('a device that is not there is an empty answer', async () => {
      const { live } = await make([]);
      expect(await live.dmStatus('live-overlay-pool')).toEqual([]);
    });

    test('without device-mapper in the kernel the question is refused', async () => {
      const { live, breakDriver } = await make([]);
      await breakDriver();
      const error = await refusal(() => live.dmStatus('live-rw'));
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('Command failed.');
      expect(error.hint).toContain('dmsetup status');
    });

    test('space is told of what is there', async () => {
      const { live, directory } = await make([]);
      const space = await live.space(directory);
      expect(space?.totalBytes).toBeGreaterThan(0);
      expect(space?.availableBytes).toBeLessThanOrEqual(space?.totalBytes ?? 0);
      expect(await live.space(under(directory, 'nowhere', 'at', 'all'))).toBeNull();
    });

    test('directories come by what was written below them, the largest first', async () => {
      const { live, directory } = await make(written);
      const { growers, totalBytes, isComplete } = await live.writtenSince(query(directory));
      const files = growers.filter((g) => g.files > 0);
      expect(files.map((g) => [g.path.slice(directory.length), g.files])).toEqual([
        ['/var/lib', 2],
        ['/var/log', 1],
        ['/etc', 1],
      ]);
      expect(files[0]?.bytes).toBeGreaterThanOrEqual(1_200_000);
      expect(files[0]?.bytes).toBeLessThan(1_400_000);
      expect(totalBytes).toBeGreaterThanOrEqual(1_450_000);
      expect(isComplete).toBe(true);
    });

    test('only so many are told, and skipped directories are not', async () => {
      const { live, directory } = await make(written);
      const { growers } = await live.writtenSince(query(directory, { top: 1, skip: [under(directory, 'var', 'lib')] }));
      expect(growers.map((g) => g.path.slice(directory.length))).toEqual(['/var/log']);
    });

    test('a search that had to stop says so', async () => {
      const { live, directory } = await make(written);
      expect((await live.writtenSince(query(directory, { maxEntries: 1 }))).isComplete).toBe(false);
    });

    test('a directory that is not there has nothing', async () => {
      const { live } = await make([]);
      expect(await live.writtenSince(query('/nowhere/at/all'))).toEqual({
        growers: [],
        totalBytes: 0,
        isComplete: true,
      });
    });
  });
}

describe('dmsetup', () => {
  test('is asked once, and never to flush', async () => {
    const { exec, calls } = await stubbed();
    await liveHost(exec).dmStatus('live-rw');
    expect(await calls('dmsetup')).toEqual(['status --noflush live-rw']);
  });

  test('that is not installed is null, not an error', async () => {
    const exec = childExec({ directories: [await temporary()] });
    expect(await liveHost(exec).dmStatus()).toBeNull();
  });

  test('that hangs is ended, and the error says so', async () => {
    const { exec, does } = await stubbed();
    await does('dmsetup', 'exec sleep 60');
    const error = await refusal(() => liveHost(exec, { deadlineMs: 150 }).dmStatus());
    expect([error.kind, error.retryable]).toEqual(['oserr', true]);
  });

  test('of this very machine answers, refuses for want of a driver, or is not there', async () => {
    const live = liveHost(childExec());
    try {
      const targets = await live.dmStatus();
      expect(targets === null || Array.isArray(targets)).toBe(true);
    } catch (error) {
      expect(String(error)).toContain('Command failed');
    }
  });
});

describe('the walk', () => {
  test('counts what is old by its content and new by its inode', async () => {
    // ctime cannot be set: a file made by this test is new however old its content claims to be.
    const { live, directory } = await real([{ path: '/var/old', bytes: 100_000, isOld: true }]);
    const { growers } = await live.writtenSince(query(directory));
    expect(growers.find((g) => g.files === 1)?.bytes).toBeGreaterThanOrEqual(100_000);
    const later = await live.writtenSince(query(directory, { sinceMs: Date.now() + 60_000 }));
    expect(later.growers).toEqual([]);
  });

  test('follows no link and counts a file of two names once', async () => {
    const { live, directory } = await real([{ path: '/a/file', bytes: 300_000 }]);
    await mkdir(`${directory}/b`);
    await link(`${directory}/a/file`, `${directory}/b/same`);
    await symlink('/usr', `${directory}/b/usr`);
    const { totalBytes, growers } = await live.writtenSince(query(directory));
    expect(totalBytes).toBeLessThan(400_000);
    expect(growers.reduce((files, g) => files + g.files, 0)).toBe(2);
  });

  test('counts blocks, not lengths: a hole takes no room', async () => {
    const { live, directory } = await real([{ path: '/a/file', bytes: 1 }]);
    execFileSync('truncate', ['-s', '1G', `${directory}/a/sparse`]);
    expect((await live.writtenSince(query(directory))).totalBytes).toBeLessThan(1_000_000);
  });

  test('does not leave the file system', async () => {
    const other = under('/dev/shm', `diyc-agent-live-${process.pid}`);
    cleanUps.push(() => rm(other, { force: true }));
    await writeFile(other, Buffer.alloc(100_000, 1));
    const isMount = lstatSync('/dev/shm').dev !== lstatSync('/dev').dev;
    const { live } = await real([]);
    const { growers } = await live.writtenSince(query('/dev', { top: 1000 }));
    expect(growers.some((g) => g.path === '/dev/shm' && g.files > 0)).toBe(!isMount);
  });

  test('ends when it is told to', async () => {
    const { live, directory } = await real(Array.from({ length: 600 }, (_, i) => ({ path: `/many/${i}`, bytes: 1 })));
    const controller = new AbortController();
    const running = live.writtenSince(query(directory), controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  test('a deadline that has passed ends it', async () => {
    const { live, directory } = await real(written);
    expect((await live.writtenSince(query(directory, { deadlineMs: -1 }))).isComplete).toBe(false);
  });
});

/** `systemd-escape --path`, systemd 252. */
const recordedNames: readonly string[] = [
  'var-lib-docker-tmp',
  'var-lib-containerd-io.containerd.content.v1.content-ingest',
  '-',
  '-',
  'a-b-c',
  '\\x2ehidden-.dir',
  'var-lib-a\\x2db',
  'x\\x20y\\x5cz',
  '\\xc3\\xa4-\\xe2\\x82\\xac-\\xf0\\x9f\\x98\\x80',
  'a..b-...',
  'A:B_c.9\\x40\\x25\\x2b\\x3d\\x7e',
  'tab\\x09here',
];

describe('names of units', () => {
  const paths: readonly AbsolutePath[] = [
    ...brakeDirectories,
    '/',
    '//',
    '/a//b/./c/',
    '/.hidden/.dir',
    '/var/lib/a-b',
    '/x y\\z',
    '/ä/€/😀',
    '/a..b/...',
    '/A:B_c.9@%+=~',
    '/tab\there',
  ];

  test('are those of systemd-escape --path', () => {
    let theirs: readonly string[];
    try {
      theirs = paths.map((path) =>
        execFileSync('systemd-escape', ['--path', '--', path], { encoding: 'utf8' }).trimEnd(),
      );
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
        // No systemd here: what version 252 said of these very paths.
        theirs = recordedNames;
      } else throw error;
    }
    expect(paths.map(escapePath)).toEqual([...theirs]);
    expect(paths.map(escapePath)).toEqual([...recordedNames]);
  });
});
