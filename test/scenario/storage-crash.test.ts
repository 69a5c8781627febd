// The crash matrix of storage: killed before, in and after every effect on a blank LUN, of a grown one, and of a further one.

import { describe, expect, test } from 'bun:test';
import { AgentError } from '../../agent/model/errors.ts';
import { type FakeDisk, fakeDisk } from '../support/fake-disks.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { fakeVolume, groupOn } from '../support/fake-lvm.ts';
import { runVerb } from '../support/packaged-host.ts';
import {
  blankTarget,
  clusterWith,
  mountAndRun,
  onIscsi,
  reboot,
  storageHost,
  storageResult,
} from '../support/storage-host.ts';

const phases = ['before', 'during', 'after'] as const;
const drivers = ['overlay2', 'devicemapper'] as const;
type Driver = (typeof drivers)[number];
const gibibyte = 1024 ** 3;
const old = { '/usr/bin/flanneld': 'v0.28.9\n', '/usr/bin/dockerd': 'Docker version 20.10.24, build 297e128\n' };
const someoneElses = '/dev/disk/by-id/ata-ROOT';

/** A disk with somebody's data beside the blank one: whatever happens, it stays as it is. */
function bystander(): FakeDisk {
  const disk = fakeDisk({ serial: 'root1', wwn: '0x9', partitions: [[{ type: 'ext4', label: 'root' }]] });
  return disk;
}

interface Scene {
  readonly host: FakeHost;
  readonly disks: Readonly<Record<number, FakeDisk>>;
  readonly other: FakeDisk;
}

/** A booted host with a blank LUN 1 (and LUN 2), of which nothing was attached yet. */
async function blank(driver: Driver, more = ''): Promise<Scene> {
  const disks = { 1: fakeDisk(), 2: fakeDisk({ serial: 'beaf12', wwn: '0x2', sizeBytes: 3 * gibibyte }) };
  const other = bystander();
  const host = storageHost({
    cluster: clusterWith(
      onIscsi,
      `  docker: { volumeGroup: docker-images, devices: [iscsi:1], driver: ${driver}${more} }\n`,
    ),
    versions: old,
    disks: { [someoneElses]: other },
    targets: [blankTarget({ luns: disks })],
  });
  await runVerb(host, ['boot']);
  host.units.change('docker.service', { active: 'inactive', sub: 'dead', jobQueued: false });
  host.log.clear();
  return { host, disks, other };
}

/** The same after docker has run on it for a while, with whatever the kernel says of the file system's size. */
async function inUse(driver: Driver): Promise<Scene> {
  const scene = await blank(driver);
  const { host } = scene;
  expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
  mountAndRun(host);
  sizeFileSystem(host);
  host.log.clear();
  return scene;
}

const rootOf = (host: FakeHost): number =>
  [...host.disks.active].find((v) => v.volume.name === 'docker-root')?.volume.sizeBytes ?? 0;

/** As statfs tells it: what xfs keeps for itself is left out. */
function sizeFileSystem(host: FakeHost): void {
  const totalBytes = rootOf(host) - 64 * 1024 ** 2;
  host.live.setSpace('/var/lib/docker', { totalBytes, availableBytes: totalBytes / 2 });
}

/** What must be the same however the way there was: groups, volumes and what is on them. */
async function outcome({ host, disks }: Scene): Promise<object> {
  const { physicalVolumes, volumeGroups, logicalVolumes } = await host.lvm.state();
  return {
    physicalVolumes: physicalVolumes.map(({ volumeGroupUuid: _, ...p }) => p),
    volumeGroups: volumeGroups.map(({ uuid: _, ...g }) => g),
    logicalVolumes: logicalVolumes.map(({ volumeGroupUuid: _, ...v }) => v),
    signatures: Object.values(disks).map((d) => [d.signatures, d.partitions, d.physicalVolume?.sizeBytes]),
    contents: [...host.disks.active].map((v) => [v.volume.name, v.volume.signatures]),
    sessions: (await host.iscsi.sessions()).length,
    result: { ...storageResult(host), at: '' },
  };
}

const count = (host: FakeHost, start: string): number => host.effects.filter((line) => line.startsWith(start)).length;

async function placesOf(
  make: () => Promise<Scene>,
  argv: readonly string[],
): Promise<{
  readonly clean: object;
  readonly places: readonly { readonly effect: number; readonly phase: (typeof phases)[number] }[];
}> {
  const scene = await make();
  const run = await runVerb(scene.host, argv);
  expect(run.error).toBeNull();
  const effects = Array.from({ length: scene.host.effects.length }, (_, effect) => effect);
  sizeFileSystem(scene.host);
  const clean = await outcome(scene);
  return { clean, places: effects.flatMap((effect) => phases.map((phase) => ({ effect, phase }))) };
}

for (const driver of drivers) {
  describe(`storage attach on a blank LUN, ${driver}`, () => {
    const attach = ['storage', 'attach'];
    const make = () => blank(driver);

    test('killed anywhere and started again, it ends where an undisturbed run ends', async () => {
      const { clean, places } = await placesOf(make, attach);
      expect(places.length).toBeGreaterThan(20);
      for (const { effect, phase } of places) {
        const scene = await make();
        const { host, other } = scene;
        host.log.killAt(effect, phase);
        expect((await runVerb(host, attach)).code).not.toBe(0);
        host.log.revive();
        const again = await runVerb(host, attach);
        expect([effect, phase, again.code, again.error]).toEqual([effect, phase, 0, null]);
        expect([effect, phase, await outcome(scene)]).toEqual([effect, phase, clean]);
        expect([effect, phase, count(host, 'mkfs'), count(host, 'vgcreate'), count(host, 'wipe')]).toEqual([
          effect,
          phase,
          1,
          1,
          0,
        ]);
        expect([effect, phase, count(host, 'start docker.service')]).toEqual([effect, phase, 1]);
        expect(other).toEqual(bystander());
        expect(scene.disks[2]).toEqual(fakeDisk({ serial: 'beaf12', wwn: '0x2', sizeBytes: 3 * gibibyte }));
        host.log.clear();
        await runVerb(host, attach);
        expect([effect, phase, host.effects.filter((line) => !line.startsWith('start'))]).toEqual([effect, phase, []]);
      }
    });

    test('after a power cut at the same places too', async () => {
      const { clean, places } = await placesOf(make, attach);
      for (const { effect, phase } of places) {
        const scene = await make();
        const { host, other } = scene;
        host.log.killAt(effect, phase);
        await runVerb(host, attach);
        reboot(host);
        await runVerb(host, ['boot']);
        const again = await runVerb(host, attach);
        expect([effect, phase, again.code, again.error]).toEqual([effect, phase, 0, null]);
        const [is, was] = [await outcome(scene), clean];
        // The local disk keeps its name; the LUN has the one it got.
        expect([effect, phase, is]).toEqual([effect, phase, was]);
        expect([effect, phase, count(host, 'mkfs'), count(host, 'vgcreate')]).toEqual([effect, phase, 1, 1]);
        expect(other).toEqual(bystander());
      }
    });

    test('killed twice in a row, it still gets there', async () => {
      const { clean, places } = await placesOf(make, attach);
      for (const { effect, phase } of places) {
        const scene = await make();
        for (const at of [effect, 1]) {
          scene.host.log.killAt(at, phase);
          await runVerb(scene.host, attach);
          scene.host.log.revive();
        }
        expect((await runVerb(scene.host, attach)).error).toBeNull();
        expect([effect, phase, await outcome(scene)]).toEqual([effect, phase, clean]);
        expect([effect, phase, count(scene.host, 'mkfs')]).toEqual([effect, phase, 1]);
      }
    });
  });

  describe(`on storage in use, ${driver}`, () => {
    const grown = async (): Promise<Scene> => {
      const scene = await inUse(driver);
      const [disk] = Object.values(scene.disks);
      if (disk !== undefined) disk.sizeBytes = 6 * gibibyte;
      return scene;
    };
    const cases = [
      ['storage grow --yes', grown],
      ['storage add iscsi:2 --yes', () => inUse(driver)],
    ] as const;

    for (const [line, make] of cases) {
      const argv = line.split(' ');

      test(`${line}: killed anywhere and given again, it ends where an undisturbed run ends`, async () => {
        const { clean, places } = await placesOf(make, argv);
        for (const { effect, phase } of places) {
          const scene = await make();
          const { host, other } = scene;
          host.log.killAt(effect, phase);
          await runVerb(host, argv);
          host.log.revive();
          const again = await runVerb(host, argv);
          expect([effect, phase, again.code, again.error]).toEqual([effect, phase, 0, null]);
          expect([effect, phase, count(host, 'mkfs'), count(host, 'vgcreate')]).toEqual([effect, phase, 0, 0]);
          // docker sees the room: the file system was grown after the last time its volume was.
          if (driver === 'overlay2') {
            const order = host.effects.filter((l) => l.startsWith('grow '));
            expect([effect, phase, order.at(-1)]).toEqual([
              effect,
              phase,
              'grow xfs /var/lib/docker on /dev/docker-images/docker-root',
            ]);
          }
          sizeFileSystem(host);
          expect([effect, phase, await outcome(scene)]).toEqual([effect, phase, clean]);
          expect(other).toEqual(bystander());
          const settled = await runVerb(
            host,
            argv.filter((word) => word !== '--yes'),
          );
          expect([effect, phase, settled.code]).toEqual([effect, phase, 0]);
        }
      });
    }
  });
}

describe('giving up a disk', () => {
  const dirty = async (): Promise<Scene> => {
    const scene = await blank('overlay2', ', wipe: [beaf11]');
    const [disk] = Object.values(scene.disks);
    if (disk !== undefined) disk.partitions = [[{ type: 'ntfs', label: null }], [{ type: 'ext4', label: null }]];
    return scene;
  };

  test('killed anywhere in a wipe, the same disk is wiped to its end and taken', async () => {
    const { clean, places } = await placesOf(dirty, ['storage', 'attach']);
    for (const { effect, phase } of places) {
      const scene = await dirty();
      scene.host.log.killAt(effect, phase);
      await runVerb(scene.host, ['storage', 'attach']);
      scene.host.log.revive();
      expect((await runVerb(scene.host, ['storage', 'attach'])).error).toBeNull();
      expect([effect, phase, await outcome(scene)]).toEqual([effect, phase, clean]);
      expect([effect, phase, count(scene.host, 'wipe')]).toEqual([effect, phase, 1]);
      expect(scene.other).toEqual(bystander());
    }
  });
});

describe("a physical volume without a group that this agent's journal knows nothing of", () => {
  test("is somebody's, and not taken", async () => {
    const { host, disks } = await blank('overlay2');
    const [disk] = Object.values(disks);
    if (disk !== undefined) disk.physicalVolume = { sizeBytes: disk.sizeBytes, group: null };
    const run = await runVerb(host, ['storage', 'attach']);
    expect([run.code, String(run.error)]).toEqual([
      78,
      expect.stringContaining('it is an LVM physical volume without a group'),
    ]);
    expect(count(host, 'vgcreate')).toBe(0);
  });

  test('and so it is after a run that was cut off, when a later one got to its end on that disk', async () => {
    const { host, disks } = await blank('overlay2');
    host.log.killAt(4, 'during');
    await runVerb(host, ['storage', 'attach']);
    host.log.revive();
    expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
    // The operator takes the group apart, and keeps the disk for something else.
    await runVerb(host, ['storage', 'detach']);
    host.disks.active.clear();
    const [disk] = Object.values(disks);
    if (disk !== undefined) disk.physicalVolume = { sizeBytes: disk.sizeBytes, group: null };
    expect((await runVerb(host, ['storage', 'attach'])).code).toBe(78);
  });

  test('nor is one with something else on it, cut off or not', async () => {
    const { host, disks } = await blank('overlay2');
    host.log.killAt(4, 'during');
    await runVerb(host, ['storage', 'attach']);
    host.log.revive();
    const [disk] = Object.values(disks);
    expect(disk?.physicalVolume?.group).toBeNull();
    if (disk !== undefined) disk.signatures = [{ type: 'xfs', label: null }];
    expect((await runVerb(host, ['storage', 'attach'])).code).toBe(78);
  });
});

describe('a group that was half made by hand', () => {
  test('is gone on with, and what is in it stays', async () => {
    const { host, disks } = await blank('overlay2');
    const mine = fakeVolume({ name: 'mine', signatures: [{ type: 'ext4', label: null }] });
    if (disks[1] !== undefined)
      groupOn([disks[1]], { tags: ['diyc.cluster=diy-cluster', 'diyc.node=a1'], volumes: [mine] });
    expect((await runVerb(host, ['storage', 'attach'])).error).toBeNull();
    expect(mine.signatures).toEqual([{ type: 'ext4', label: null }]);
    expect(count(host, 'vgcreate')).toBe(0);
    expect(host.effects).toContain('volume docker-images/docker-root 100%FREE');
  });
});

describe('a step that fails', () => {
  test('of storage grow is told, and the next run does what is left', async () => {
    for (const line of ['pvresize', 'grow docker-images', 'grow xfs']) {
      const scene = await inUse('overlay2');
      const [disk] = Object.values(scene.disks);
      if (disk !== undefined) disk.sizeBytes = 6 * gibibyte;
      scene.host.log.failOn(line, new AgentError('oserr', 'lvm exited with 5', { hint: 'see lvm vgs' }));
      expect([line, (await runVerb(scene.host, ['storage', 'grow', '--yes'])).code]).toEqual([line, 71]);
      expect([line, (await runVerb(scene.host, ['storage', 'grow', '--yes'])).error]).toEqual([line, null]);
      expect([line, scene.host.effects.at(-2)]).toEqual([line, 'append /var/lib/diyc-agent/journal.jsonl']);
      expect([line, scene.host.effects.includes('grow xfs /var/lib/docker on /dev/docker-images/docker-root')]).toEqual(
        [line, true],
      );
    }
  });
});
