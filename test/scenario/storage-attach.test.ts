// docker's storage from a blank LUN to a mounted directory: late, refused, dirty, foreign, after reboots, and given back.

import { describe, expect, test } from 'bun:test';
import { parseDmStatus } from '../../agent/host/dmsetup-status.ts';
import { AgentError } from '../../agent/model/errors.ts';
import { statusFile, waitsDirectory } from '../../agent/model/paths.ts';
import { storageFile } from '../../agent/model/storage-result.ts';
import { parseIscsiRecord } from '../../agent/render/iscsi-record.ts';
import { reported, statusOf } from '../support/conditions.ts';
import { type FakeDisk, fakeDisk } from '../support/fake-disks.ts';
import type { FakeHost } from '../support/fake-host.ts';
import type { FakeTarget } from '../support/fake-iscsi.ts';
import { fakeVolume, groupOn } from '../support/fake-lvm.ts';
import { clusterFile, type PackagedHostOptions, runVerb, type VerbRun } from '../support/packaged-host.ts';
import {
  blankTarget,
  chap,
  clusterWith,
  initiatorName,
  lun1,
  mountAndRun,
  nameFile,
  onIscsi,
  onLun1,
  placesOf,
  portal,
  reboot,
  recordFile,
  secret,
  secretFile,
  stopAndUnmount,
  storageHost,
  storageResult,
  storageUnit,
  target,
} from '../support/storage-host.ts';

const attach = (host: FakeHost, ...more: readonly string[]): Promise<VerbRun> =>
  runVerb(host, ['storage', 'attach', ...more]);
const docker = (text: string): string => `  docker: { volumeGroup: docker-images, devices: [iscsi:1], ${text} }\n`;
const old = { '/usr/bin/flanneld': 'v0.28.9\n', '/usr/bin/dockerd': 'Docker version 20.10.24, build 297e128\n' };
const owner = ['diyc.cluster=diy-cluster', 'diyc.node=a1'];
/** Effects on disks, groups and sessions; files are looked at as files. */
const onDisks = (host: FakeHost): string[] =>
  host.effects.filter((line) => /^(?:vg|pv|volume|thin|mkfs|wipe|grow|iscsi|rescan)/.test(line));
const diskOf = (host: FakeHost): FakeDisk => {
  const [first] = host.disks.plugged;
  if (first === undefined) throw new Error('nothing is plugged in');
  return first.disk;
};
const errorOf = (run: VerbRun): AgentError => {
  expect(run.error).toBeInstanceOf(AgentError);
  return run.error as AgentError;
};

/** A host whose disk has been attached, mounted, and is used by docker. */
async function running(options: PackagedHostOptions = {}): Promise<FakeHost> {
  const host = storageHost(options);
  await runVerb(host, ['boot']);
  expect((await attach(host)).error).toBeNull();
  mountAndRun(host);
  host.log.clear();
  return host;
}

/** Everything that a run says, shows or leaves behind, as one text. */
function everything(host: FakeHost, runs: readonly VerbRun[]): string {
  const said = runs.map((r) => [r.stdout, r.stderr, ...r.lines, JSON.stringify(r.events), Bun.inspect(r)].join('\n'));
  return [...said, ...host.effects].join('\n');
}

describe('the first boot with a blank LUN', () => {
  test('ends with a session, a group of this node, a file system, and docker on its way', async () => {
    const host = storageHost();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects.at(-2)).toBe(`start ${storageUnit} etcd.service flanneld.service docker.service`);
    host.units.change('docker.service', { active: 'failed', sub: 'failed', result: 'dependency', jobQueued: false });
    host.log.clear();
    const run = await attach(host);
    expect([run.code, run.error]).toEqual([0, null]);
    expect(host.effects).toEqual([
      `iscsi record ${target} ${portal}`,
      `write ${recordFile} 0600`,
      `iscsi login ${target} ${portal}`,
      'append /var/lib/diyc-agent/journal.jsonl',
      `vgcreate docker-images ${lun1} ${owner.join(' ')}`,
      'append /var/lib/diyc-agent/journal.jsonl',
      'append /var/lib/diyc-agent/journal.jsonl',
      'volume docker-images/docker-root 100%FREE',
      'mkfs.xfs /dev/docker-images/docker-root docker-root',
      'append /var/lib/diyc-agent/journal.jsonl',
      `write ${storageFile} 0644`,
      'reset-failed docker.service',
      'start docker.service',
    ]);
    expect(storageResult(host)).toEqual({
      schema: 1,
      outcome: 'ready',
      reason: 'Attached',
      message: `volume group docker-images of node a1 on ${lun1}`,
      hint: '',
      at: expect.any(String),
      portal,
      target,
      cluster: 'diy-cluster',
      node: 'a1',
      volumeGroup: 'docker-images',
      driver: 'overlay2',
      disks: [{ path: lun1, name: 'sda', sizeBytes: 2 * 1024 ** 3, serial: 'beaf11' }],
    });
  });

  test('logs in under a name of its own, kept where only root reads it', async () => {
    const host = storageHost({ files: { [nameFile]: 'InitiatorName=iqn.1994-05.com.redhat:image\n' } });
    await runVerb(host, ['boot']);
    await attach(host);
    expect(host.files.snapshot()[nameFile]).toEndWith(`\nInitiatorName=${initiatorName}\n`);
    expect(host.files.snapshot()[`${nameFile}.save`]).toBe('InitiatorName=iqn.1994-05.com.redhat:image\n');
    expect((await host.files.stat(nameFile))?.mode).toBe(0o600);
    expect(await host.iscsi.sessions()).toEqual([{ id: 1, portal, target, initiatorName, state: 'LOGGED_IN' }]);
  });

  test('gives the record what storage under docker needs', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    await attach(host);
    expect((await host.files.stat(recordFile))?.mode).toBe(0o600);
    expect(Object.fromEntries(parseIscsiRecord(host.files.snapshot()[recordFile] ?? ''))).toMatchObject({
      'node.startup': 'manual',
      'node.session.auth.authmethod': 'CHAP',
      'node.session.auth.username': 'node',
      'node.session.auth.password': secret,
      'node.session.timeo.replacement_timeout': '86400',
      'node.conn[0].timeo.noop_out_interval': '0',
    });
  });

  test('queues docker again when its start was queued before its drop-in was there: that job has no mount', async () => {
    // docker is enabled in the image, and bootcmd writes the drop-in while docker waits in the first transaction.
    const queued = { active: 'inactive', sub: 'dead', jobQueued: true } as const;
    const host = storageHost({ units: { 'docker.service': { state: queued, onStart: 'waits' } } });
    await runVerb(host, ['boot']);
    expect(host.effects.at(-2)).toBe(`start ${storageUnit} etcd.service flanneld.service`);
    expect((await attach(host)).code).toBe(0);
    expect(host.effects.at(-1)).toBe('start docker.service');
  });

  test('marks the group as its own, and no other node takes it', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    await attach(host);
    const { volumeGroups, logicalVolumes } = await host.lvm.state();
    expect(volumeGroups).toMatchObject([{ name: 'docker-images', tags: owner, freeBytes: 0 }]);
    expect(logicalVolumes).toMatchObject([{ name: 'docker-root', isActive: true }]);
    expect((await host.disks.inspect('/dev/docker-images/docker-root'))?.signatures).toEqual([
      { type: 'xfs', label: 'docker-root' },
    ]);
  });

  test('says so in status, and once docker runs how full it is', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    await attach(host);
    host.units.change(storageUnit, { active: 'active', sub: 'exited', jobQueued: false });
    // Not mounted yet: the directory is on the root disk, whose fill is none of the storage's business.
    host.live.setSpace('/var/lib/docker', { totalBytes: 100, availableBytes: 1 });
    expect(await statusOf(host, 'StorageAttached')).toMatchObject({ status: 'True', reason: 'Attached' });
    expect(await statusOf(host, 'StorageSpace')).toBeUndefined();
    mountAndRun(host);
    host.live.setSpace('/var/lib/docker', { totalBytes: 1000, availableBytes: 150 });
    expect(await statusOf(host, 'IscsiSession')).toMatchObject({ status: 'True', message: `${target} at ${portal}` });
    expect(await statusOf(host, 'StorageSpace')).toMatchObject({
      status: 'False',
      reason: 'Low',
      message: "docker's storage is filling up: directory 85 % of docker-images used",
    });
  });

  test("is not logged in because of somebody else's session to the same target by another portal", async () => {
    const other = { portal: '10.34.102.55:3260', target };
    const open: FakeTarget<FakeDisk> = { target, portals: [portal, other.portal], luns: { 1: fakeDisk() } };
    const host = storageHost({ targets: [open] });
    await runVerb(host, ['boot']);
    await host.iscsi.addRecord(other);
    await host.iscsi.login(other);
    expect(await statusOf(host, 'IscsiSession')).toMatchObject({ status: 'False', reason: 'NoSession' });
  });

  test('is not called ready while the volume is active and its device is not there', async () => {
    const host = await running();
    stopAndUnmount(host);
    const { inspect } = host.disks;
    host.disks.inspect = async (path) => (path.startsWith('/dev/docker-images/') ? null : await inspect(path));
    const run = await attach(host);
    expect([run.code, errorOf(run).retryable]).toEqual([75, true]);
    expect(storageResult(host)).toMatchObject({ outcome: 'waiting' });
  });

  test('the second time there is nothing to do, and nothing is written, not even in /run', async () => {
    const host = await running();
    const before = host.files.snapshot();
    expect((await attach(host)).code).toBe(0);
    expect(host.effects).toEqual([]);
    expect(host.files.snapshot()).toEqual(before);
    expect(host.iscsi.logins).toHaveLength(1);
  });

  test('an ext4 on two LUNs is one group with one file system', async () => {
    const luns = { 1: fakeDisk(), 2: fakeDisk({ serial: 'beaf12', wwn: '0x2' }) };
    const cluster = clusterWith(
      onIscsi,
      '  docker: { volumeGroup: vg-docker, devices: [iscsi:1, iscsi:2], filesystem: ext4 }\n',
    );
    const host = storageHost({ cluster, targets: [blankTarget({ luns })] });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect(luns[1].physicalVolume?.group).toBe(luns[2].physicalVolume?.group ?? null);
    expect(onDisks(host).slice(-2)).toEqual([
      'volume vg-docker/docker-root 100%FREE',
      'mkfs.ext4 /dev/vg-docker/docker-root docker-root',
    ]);
  });

  test('a declared target alone is logged in to, and no disk is touched', async () => {
    const host = storageHost({ cluster: clusterWith(onIscsi) });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect(storageResult(host)).toMatchObject({ outcome: 'ready', message: `logged in to ${target}, at ${portal}` });
    expect(onDisks(host)).toEqual([`iscsi record ${target} ${portal}`, `iscsi login ${target} ${portal}`]);
    expect(diskOf(host)).toEqual(fakeDisk());
  });

  test('a local disk needs no initiator at all', async () => {
    const path = '/dev/disk/by-id/wwn-0x5000c500a1b2c3d4';
    const host = storageHost({
      cluster: clusterWith(`  docker: { volumeGroup: docker-images, devices: [${path}] }\n`),
      disks: { [path]: fakeDisk() },
      targets: [],
    });
    host.files.drop('/usr/sbin/iscsiadm');
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect((await attach(host)).error).toBeNull();
    expect(host.files.snapshot()[nameFile]).toBeUndefined();
    expect(storageResult(host)).toMatchObject({ outcome: 'ready', portal: null, disks: [{ path, name: 'sda' }] });
  });
});

describe('a target that is late', () => {
  test('is waited for with a visible reason, and attached as soon as it answers', async () => {
    const host = storageHost({ targets: [blankTarget({ answers: false })] });
    await runVerb(host, ['boot']);
    const reasons: string[] = [];
    let whileWaiting: Promise<unknown> = Promise.resolve();
    host.clock.after(300_000, () => {
      const text = host.files.snapshot()[`${waitsDirectory}/storage.json`];
      if (text !== undefined) reasons.push(String(JSON.parse(text).reason));
      host.units.change(storageUnit, { active: 'activating', sub: 'start' });
      whileWaiting = statusOf(host, 'StorageAttached');
    });
    host.clock.after(1_200_000, () => host.iscsi.setTarget(blankTarget()));
    const run = await attach(host);
    expect(run.error).toBeNull();
    expect(reasons).toEqual([
      `cannot ask ${portal} which iSCSI targets it offers: the portal gave no answer, or nobody listens there (iscsiadm exited with 11) and said: cannot make connection to 10.34.102.54: Connection refused; connection login retries (reopen_max) 5 exceeded; Could not perform SendTargets discovery: iSCSI PDU timed out`,
    ]);
    expect(await whileWaiting).toMatchObject({
      status: 'False',
      reason: 'Attaching',
      severity: 'waiting',
      message: expect.stringContaining(`cannot ask ${portal} which iSCSI targets it offers`),
    });
    expect(run.events.filter((e) => e.event === 'wait.over')).toHaveLength(1);
    expect(storageResult(host).outcome).toBe('ready');
    expect(host.files.snapshot()[`${waitsDirectory}/storage.json`]).toBeUndefined();
    // Nothing is logged in to, and no record made, before the target offers itself.
    expect(host.iscsi.logins).toHaveLength(1);
  });

  test('longer than the deadline is given up, and the report queues the unit again after a pause', async () => {
    const host = storageHost({ targets: [blankTarget({ answers: false })] });
    await runVerb(host, ['boot']);
    const began = host.clock.monotonicMs();
    const run = await attach(host, '--deadline', '10m');
    expect(run.code).toBe(75);
    expect(errorOf(run).message).toStartWith('gave up after 600 s: cannot ask');
    expect(host.clock.monotonicMs() - began).toBeLessThan(610_000);
    expect(storageResult(host)).toMatchObject({ outcome: 'waiting', reason: 'NotThereYet', disks: [] });
    expect(host.files.snapshot()[`${waitsDirectory}/storage.json`]).toBeUndefined();
    expect(placesOf(host, target)).not.toContain(recordFile);

    host.units.change(storageUnit, { active: 'failed', sub: 'failed', result: 'exit-code', jobQueued: false });
    host.units.change('docker.service', { active: 'inactive', sub: 'dead', result: 'dependency', jobQueued: false });
    const queued = (): number => host.effects.filter((line) => line === `start ${storageUnit}`).length;
    host.log.clear();
    await host.clock.advance(50_000);
    await runVerb(host, ['report']);
    expect(queued()).toBe(0);
    expect(reported(host, 'StorageAttached')).toMatchObject({
      status: 'False',
      reason: 'NotThereYet',
      severity: 'waiting',
      message: expect.stringContaining('docker is held: gave up after 600 s'),
      hint: expect.stringContaining(`; then systemctl start ${storageUnit}`),
    });
    expect(reported(host, 'DockerRunning')).toMatchObject({ status: 'False', reason: 'Held' });
    await host.clock.advance(10_000);
    await runVerb(host, ['report']);
    expect(queued()).toBe(1);
    // It is on its way now.
    await host.clock.advance(120_000);
    await runVerb(host, ['report']);
    expect(queued()).toBe(1);
  });

  test('is tried again soon after the clock was set back', async () => {
    const host = storageHost({ targets: [blankTarget({ answers: false })] });
    await runVerb(host, ['boot']);
    await attach(host, '--deadline', '1m');
    host.units.change(storageUnit, { active: 'failed', sub: 'failed', result: 'exit-code', jobQueued: false });
    // A hardware clock in local time: NTP takes two hours back.
    host.clock.setWallClock(host.clock.now() - 7_200_000);
    await host.clock.advance(61_000);
    host.log.clear();
    await runVerb(host, ['report']);
    expect(host.effects).toContain(`start ${storageUnit}`);
  });

  test('ends at once when the unit is stopped', async () => {
    const host = storageHost({ targets: [blankTarget({ answers: false })] });
    await runVerb(host, ['boot']);
    const stop = new AbortController();
    host.clock.after(60_500, () => stop.abort(new Error('ended by SIGTERM')));
    const began = host.clock.monotonicMs();
    const run = await runVerb(host, ['storage', 'attach'], { signal: stop.signal });
    expect(String(run.error)).toContain('ended by SIGTERM');
    expect(host.clock.monotonicMs() - began).toBeLessThan(62_000);
    expect(host.files.snapshot()[`${waitsDirectory}/storage.json`]).toBeUndefined();
  });

  test('whose attempt was killed is not said to have never been tried', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    host.units.change(storageUnit, { active: 'inactive', sub: 'dead', jobQueued: false });
    expect(await statusOf(host, 'StorageAttached')).toMatchObject({ status: 'False', reason: 'NotTried' });
    host.log.killAt(2, 'before');
    await attach(host);
    host.log.revive();
    host.units.change(storageUnit, { active: 'failed', sub: 'failed', result: 'signal' });
    expect(await statusOf(host, 'StorageAttached')).toMatchObject({
      status: 'False',
      reason: 'Failed',
      severity: 'failed',
      hint: `see journalctl -u ${storageUnit}; then systemctl start ${storageUnit}`,
    });
  });

  test('with a portal that is down and one that is up uses the second', async () => {
    const portals = [portal, '10.34.103.54:3260'];
    const iscsi = `  iscsi: { portals: [10.34.102.54, 10.34.103.54], target: ${target}, chap: ${chap} }\n`;
    const host = storageHost({ cluster: clusterWith(iscsi, onLun1), targets: [blankTarget({ portals })] });
    host.iscsi.setPortal(portal, 'down');
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect(await host.iscsi.sessions()).toMatchObject([{ portal: '10.34.103.54:3260' }]);
    expect(storageResult(host)).toMatchObject({
      portal: '10.34.103.54:3260',
      disks: [{ path: lun1.replace('102.54', '103.54') }],
    });
    // And one session it stays: a second path to the same disk would be a second disk.
    host.iscsi.setPortal(portal, 'up');
    await attach(host);
    expect(await host.iscsi.sessions()).toHaveLength(1);
  });

  test('does not offer the declared target: it is named, with what is offered instead', async () => {
    const other = 'iqn.2009-02.com.example:other';
    const host = storageHost({ targets: [blankTarget({ target: other })] });
    await runVerb(host, ['boot']);
    const run = await attach(host, '--deadline', '1m');
    expect(run.code).toBe(75);
    expect(errorOf(run).message).toEndWith(
      `${portal} does not offer ${target} to ${initiatorName}; it offers ${other}`,
    );
    expect(errorOf(run).hint).toBe(
      `let ${initiatorName} in at the target (its access list), or correct target in the cluster file`,
    );
    expect([host.iscsi.logins, onDisks(host)]).toEqual([[], []]);
  });

  test('with static discovery is logged in to without being asked first', async () => {
    const iscsi = `  iscsi: { portal: 10.34.102.54, target: ${target}, discovery: static, chap: ${chap} }\n`;
    const host = storageHost({ cluster: clusterWith(iscsi, onLun1), targets: [blankTarget({ answers: false })] });
    await runVerb(host, ['boot']);
    host.clock.after(120_000, () => host.iscsi.setTarget(blankTarget()));
    const run = await attach(host);
    expect(run.error).toBeNull();
    expect(host.iscsi.logins.length).toBeGreaterThan(1);
    expect(run.lines.join('\n')).not.toContain('which iSCSI targets it offers');
  });
});

describe('a target that refuses', () => {
  test('the secret: the end at once, after one login, and nobody tries it again', async () => {
    const wrong = blankTarget({ chap: { username: 'node', secret: 'AnotherSecret1' } });
    const host = storageHost({ targets: [wrong] });
    await runVerb(host, ['boot']);
    const began = host.clock.monotonicMs();
    const run = await attach(host);
    expect([run.code, host.clock.monotonicMs() - began]).toEqual([78, 0]);
    expect(errorOf(run).message).toContain(
      'the target refused the CHAP user "node", its secret, or the initiator\'s name (iscsiadm exited with 24)',
    );
    expect(errorOf(run).hint).toStartWith('compare the secret in the file that storage.iscsi.chap.passwordFile names');
    expect(host.iscsi.logins).toEqual([`${target} ${portal}`]);
    expect(storageResult(host)).toMatchObject({ outcome: 'refused', reason: 'Refused' });

    host.units.change(storageUnit, { active: 'failed', sub: 'failed', result: 'exit-code', jobQueued: false });
    await host.clock.advance(3_600_000);
    host.log.clear();
    await runVerb(host, ['report']);
    expect(host.effects.filter((line) => line.startsWith('start'))).toEqual([]);
    expect(reported(host, 'StorageAttached')).toMatchObject({ status: 'False', severity: 'failed' });
    // Corrected at the target, the operator starts it again.
    host.iscsi.setTarget(blankTarget());
    expect((await attach(host)).code).toBe(0);
    expect(host.iscsi.logins).toHaveLength(2);
  });

  test('a corrected secret replaces the one in the record', async () => {
    const host = storageHost({ files: { [secretFile]: { text: 'TypedWrong12x\n', mode: 0o600 } } });
    await runVerb(host, ['boot']);
    expect((await attach(host)).code).toBe(78);
    host.files.put({ [secretFile]: { text: `${secret}\n`, mode: 0o600 } });
    expect((await attach(host)).error).toBeNull();
    expect(placesOf(host, 'TypedWrong12x')).toEqual([]);
  });

  test('this node at its portals: its access list says so by not offering the target', async () => {
    const host = storageHost({ targets: [blankTarget({ acl: ['iqn.2009-02.com.example:diy-cluster:a2'] })] });
    await runVerb(host, ['boot']);
    const run = await attach(host, '--deadline', '1m');
    expect([run.code, errorOf(run).message]).toEqual([
      75,
      expect.stringContaining(`does not offer ${target} to ${initiatorName}; it offers nothing`),
    ]);
  });

  test('this node at the login: that is final', async () => {
    const iscsi = `  iscsi: { portal: 10.34.102.54, target: ${target}, discovery: static }\n`;
    const acl = ['iqn.2009-02.com.example:diy-cluster:a2'];
    const { chap: _, ...open } = blankTarget({ acl });
    const host = storageHost({ cluster: clusterWith(iscsi, onLun1), targets: [open] });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, host.iscsi.logins.length]).toEqual([78, 1]);
    expect(errorOf(run).message).toContain(
      "the target refused the initiator's name, or wants CHAP, and the record has no CHAP user",
    );
  });

  test('to prove itself: a target that is not the one is not believed', async () => {
    const mutual = `{ username: node, passwordFile: ${secretFile}, mutual: { username: target, passwordFile: /etc/diyc-agent/mutual } }`;
    const iscsi = `  iscsi: { portal: 10.34.102.54, target: ${target}, chap: ${mutual} }\n`;
    const host = storageHost({
      cluster: clusterWith(iscsi, onLun1),
      files: { '/etc/diyc-agent/mutual': { text: 'TargetsOwn77x\n', mode: 0o600 } },
      targets: [blankTarget({ mutualChap: { username: 'target', secret: 'SomebodyElse9' } })],
    });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, host.iscsi.logins.length, onDisks(host).length]).toEqual([78, 1, 1]);
    expect(errorOf(run).message).toContain('did not prove itself as the user "target"');
    host.iscsi.setTarget(blankTarget({ mutualChap: { username: 'target', secret: 'TargetsOwn77x' } }));
    expect((await attach(host)).error).toBeNull();
  });

  test.each([
    ['is not there', null, `storage.iscsi.chap.passwordFile names ${secretFile}, which is not there`],
    ['is empty', '', `storage.iscsi.chap.passwordFile names ${secretFile}: the file holds no secret`],
    [
      'is too short',
      'short\n',
      `storage.iscsi.chap.passwordFile names ${secretFile}: the secret has 5 bytes, and CHAP needs 12 at least (RFC 7143, 9.2.1)`,
    ],
  ])('no secret that %s is sent to it', async (_what, text, message) => {
    const host = storageHost();
    host.files.drop(secretFile);
    if (text !== null) host.files.put({ [secretFile]: { text, mode: 0o600 } });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message, host.iscsi.logins]).toEqual([78, message, []]);
  });
});

describe('a LUN', () => {
  test('that is mapped to this host after its login is found by asking again', async () => {
    const host = storageHost({ targets: [blankTarget({ luns: {} })] });
    await runVerb(host, ['boot']);
    const reasons: string[] = [];
    host.clock.after(60_000, () => {
      reasons.push(String(JSON.parse(host.files.snapshot()[`${waitsDirectory}/storage.json`] ?? '{}').reason));
    });
    host.clock.after(90_000, () => host.iscsi.setTarget(blankTarget()));
    const run = await attach(host);
    expect(run.error).toBeNull();
    expect(reasons).toEqual([`logged in to ${target}, and it does not show LUN 1 (${lun1})`]);
    expect(host.effects.filter((line) => line.startsWith('iscsi rescan')).length).toBeGreaterThan(0);
    expect(host.iscsi.logins).toHaveLength(1);
  });

  test('that is waited for outlasts a target that goes away meanwhile', async () => {
    const host = storageHost({ targets: [blankTarget({ luns: {} })] });
    await runVerb(host, ['boot']);
    host.clock.after(60_000, () => host.iscsi.setState(target, 'FAILED'));
    host.clock.after(300_000, () => {
      host.iscsi.setTarget(blankTarget());
      host.iscsi.setState(target, 'LOGGED_IN');
    });
    expect((await attach(host)).error).toBeNull();
    expect(storageResult(host).outcome).toBe('ready');
  });

  test('that never comes is named with its path and where to look', async () => {
    const host = storageHost({ targets: [blankTarget({ luns: { 2: fakeDisk() } })] });
    await runVerb(host, ['boot']);
    const run = await attach(host, '--deadline', '2m');
    expect([run.code, errorOf(run).hint]).toEqual([75, `see at the target which LUNs it maps to ${initiatorName}`]);
    expect(onDisks(host).filter((line) => !line.startsWith('iscsi'))).toEqual([]);
    expect(diskOf(host)).toEqual(fakeDisk());
  });

  test('of another host is refused, and not a byte of it changes', async () => {
    const shared = blankTarget();
    const first = storageHost({ targets: [shared] });
    await runVerb(first, ['boot']);
    await attach(first);
    const before = structuredClone(diskOf(first));
    const second = storageHost({ name: 'a2', targets: [shared] });
    await runVerb(second, ['boot']);
    const run = await attach(second);
    expect(run.code).toBe(78);
    expect(errorOf(run).message).toBe(
      `${lun1} (sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11) is not taken for docker: volume group docker-images on it belongs to node a1 of cluster diy-cluster`,
    );
    expect(onDisks(second)).toEqual([`iscsi record ${target} ${portal}`, `iscsi login ${target} ${portal}`]);
    expect(diskOf(second)).toEqual(before);
    expect(second.disks.active.size).toBe(0);
    // Nor does a word about its serial: somebody may be writing to it at this moment.
    second.files.put({ '/etc/diyc-agent/cluster.yaml': clusterWith(onIscsi, docker('wipe: [beaf11]')) });
    expect((await attach(second)).code).toBe(78);
    for (const verb of [['grow'], ['add', 'iscsi:1']]) {
      const more = await runVerb(second, ['storage', ...verb, '--yes']);
      expect([verb, more.code, errorOf(more).message]).toEqual([
        verb,
        78,
        'volume group docker-images belongs to node a1 of cluster diy-cluster',
      ]);
    }
    expect(diskOf(second)).toEqual(before);
  });
});

describe('a disk that is not blank', () => {
  const dirty = (): FakeDisk => fakeDisk({ signatures: [{ type: 'ext4', label: 'backup' }], partitions: [] });
  const at = (disk: FakeDisk, more = ''): FakeHost =>
    storageHost({
      cluster: clusterWith(onIscsi, more === '' ? onLun1 : docker(more)),
      targets: [blankTarget({ luns: { 1: disk } })],
    });

  test('is refused with what is on it and how to give it up', async () => {
    const disk = dirty();
    const host = at(disk);
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      `${lun1} (sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11) is not taken for docker: it carries the signature ext4 "backup"`,
    ]);
    expect(errorOf(run).hint).toContain('storage: { docker: { wipe: ["beaf11"] } }');
    expect(disk).toEqual(dirty());
  });

  test('is wiped when its very serial is listed, and journaled before', async () => {
    const disk = fakeDisk({ partitions: [[{ type: 'ntfs', label: null }], []] });
    const host = at(disk, 'wipe: [beaf11]');
    await runVerb(host, ['boot']);
    host.log.clear();
    expect((await attach(host)).error).toBeNull();
    expect(onDisks(host).slice(2)).toEqual([
      `wipe ${lun1} (beaf11)`,
      `vgcreate docker-images ${lun1} ${owner.join(' ')}`,
      'volume docker-images/docker-root 100%FREE',
      'mkfs.xfs /dev/docker-images/docker-root docker-root',
    ]);
    expect(host.effects.indexOf('append /var/lib/diyc-agent/journal.jsonl')).toBeLessThan(
      host.effects.indexOf(`wipe ${lun1} (beaf11)`),
    );
    // Listed as it still is, the serial of a disk in use means nothing.
    mountAndRun(host);
    host.log.clear();
    expect((await attach(host)).code).toBe(0);
    expect(host.effects).toEqual([]);
  });

  test('is left alone when something else is on it by the time of the wipe', async () => {
    const disk = fakeDisk({ signatures: [{ type: 'ntfs', label: null }] });
    const host = at(disk, 'wipe: [beaf11]');
    await runVerb(host, ['boot']);
    const { inspect } = host.disks;
    let looks = 0;
    // Another host that was given the same LUN, between this one's look and its wipe.
    host.disks.inspect = async (path) => {
      const seen = await inspect(path);
      if (path === lun1 && ++looks === 1) disk.signatures = [{ type: 'ext4', label: 'theirs' }];
      return seen;
    };
    const run = await attach(host);
    expect([run.code, errorOf(run).message, onDisks(host).slice(2)]).toEqual([
      75,
      expect.stringContaining('it carried the signature ntfs, and now the signature ext4 "theirs"'),
      [],
    ]);
    expect(disk.signatures).toEqual([{ type: 'ext4', label: 'theirs' }]);
  });

  test('is left alone when another serial is listed', async () => {
    const disk = dirty();
    const host = at(disk, 'wipe: [beaf12]');
    await runVerb(host, ['boot']);
    expect((await attach(host)).code).toBe(78);
    expect(disk).toEqual(dirty());
  });

  test('with the unmarked group of an earlier cluster is refused with the command that claims it', async () => {
    const disk = fakeDisk();
    const group = groupOn([disk], { volumes: [fakeVolume({ name: 'docker-pool', kind: 'thin pool' })] });
    const host = at(disk);
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect(run.code).toBe(78);
    expect(errorOf(run).message).toContain('volume group docker-images is on it, which does not say whose it is');
    expect(errorOf(run).hint).toContain(
      'vgchange --addtag diyc.cluster=diy-cluster --addtag diyc.node=a1 docker-images',
    );
    expect([group.volumes.length, host.disks.active.size]).toEqual([1, 0]);
  });

  test('with the unmarked group of an earlier cluster is wiped by its serial, and begun anew', async () => {
    const disk = fakeDisk();
    groupOn([disk], { volumes: [fakeVolume({ name: 'docker-root', signatures: [{ type: 'ext4', label: null }] })] });
    const host = at(disk, 'wipe: [beaf11]');
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect((await host.lvm.state()).volumeGroups).toMatchObject([{ name: 'docker-images', tags: owner }]);
    expect(disk.physicalVolume?.group?.volumes).toMatchObject([{ signatures: [{ type: 'xfs' }] }]);
  });

  test('with half of an unmarked group is wiped, and the other half is asked about', async () => {
    const [disk, other] = [fakeDisk(), fakeDisk({ serial: 'beaf12', wwn: '0x2' })];
    groupOn([disk, other], { volumes: [] });
    const host = at(disk, 'wipe: [beaf11]');
    host.disks.plug('/dev/disk/by-id/scsi-2', other);
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      expect.stringContaining('a volume group docker-images exists, on /dev/sda'),
    ]);
    expect(other.physicalVolume?.group?.name).toBe('docker-images');
  });

  test('but has partitions is refused, empty as they are', async () => {
    const path = '/dev/disk/by-id/ata-DISK';
    const host = storageHost({
      cluster: clusterWith(`  docker: { volumeGroup: docker-images, devices: [${path}] }\n`),
      disks: { [path]: fakeDisk({ partitions: [[], []] }) },
    });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      `${path} (sda, 2.0 GiB, VIRTUAL-DISK, serial beaf11) is not taken for docker: it carries the signature gpt and the devices sda1 (part), sda2 (part)`,
    ]);
  });

  test('or rather a partition of one is refused by its very name', async () => {
    const path = '/dev/disk/by-id/ata-DISK-part1';
    const host = storageHost({
      cluster: clusterWith(`  docker: { volumeGroup: docker-images, devices: [${path}] }\n`),
      disks: { '/dev/disk/by-id/ata-DISK': fakeDisk({ partitions: [[]] }) },
    });
    const run = await attach(host);
    expect([run.code, host.effects]).toEqual([78, []]);
    expect(String(run.error)).toContain('the cluster file is invalid');
  });

  test('but of this node, with its group full of other volumes, is refused for its size', async () => {
    const disk = fakeDisk();
    groupOn([disk], { tags: [...owner], volumes: [fakeVolume({ name: 'somebody', sizeBytes: 1900 * 1024 ** 2 })] });
    const host = at(disk);
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      'volume group docker-images has 144 MiB free, and docker with overlay2 needs at least 512 MiB',
    ]);
    expect(disk.physicalVolume?.group?.volumes).toHaveLength(1);
  });

  test('seen by two paths is refused: no group is made on one leg', async () => {
    const disk = fakeDisk();
    const host = at(disk);
    host.disks.plug('/dev/disk/by-id/other-path', disk);
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      expect.stringContaining('it is one of several paths to the same LUN'),
    ]);
  });
});

describe('the daemon of the initiator', () => {
  const started = (mainStartMs: number) => ({
    active: 'active',
    sub: 'running',
    activeEnterMs: mainStartMs,
    mainStartMs,
  });

  test('that is older than the name of this node is restarted before it logs in', async () => {
    const host = storageHost({
      files: { [nameFile]: 'InitiatorName=iqn.1994-05.com.redhat:image\n' },
      units: { 'iscsid.service': { state: started(20_000) } },
    });
    host.iscsi.setDaemonName('iqn.1994-05.com.redhat:image');
    host.units.script('iscsid.service', () => {
      host.iscsi.setDaemonName(null);
      return { active: 'active', sub: 'running' };
    });
    await runVerb(host, ['boot']);
    host.log.clear();
    const run = await attach(host);
    expect(run.error).toBeNull();
    expect(host.effects[0]).toBe('restart iscsid.service');
    expect(run.lines).toContainEqual(
      expect.stringContaining(`iscsid restarts, so that it uses this node's own name from ${nameFile}`),
    );
    expect(await host.iscsi.sessions()).toMatchObject([{ initiatorName }]);
  });

  test('is restarted once, even if the clock has been set back since the name was written', async () => {
    const host = storageHost({ units: { 'iscsid.service': { state: started(20_000) } } });
    await runVerb(host, ['boot']);
    host.clock.setWallClock(host.clock.now() - 7_200_000);
    host.log.clear();
    const run = await attach(host, '--deadline', '10m');
    expect(run.error).toBeNull();
    expect(host.effects.filter((line) => line.startsWith('restart'))).toEqual(['restart iscsid.service']);
  });

  test('is left alone when it is younger, and when it holds a session of somebody else', async () => {
    const fresh = storageHost();
    await runVerb(fresh, ['boot']);
    await fresh.clock.advance(1_000);
    fresh.units.script('iscsid.service', 'runs');
    fresh.units.change('iscsid.service', started(fresh.clock.monotonicMs()));
    expect((await attach(fresh)).error).toBeNull();

    const other = 'iqn.2009-02.com.example:home';
    const busy = storageHost({
      targets: [blankTarget(), { target: other, portals: ['10.34.102.55:3260'], luns: {} }],
      units: { 'iscsid.service': { state: started(20_000) } },
    });
    await busy.iscsi.addRecord({ target: other, portal: '10.34.102.55:3260' });
    await busy.iscsi.login({ target: other, portal: '10.34.102.55:3260' });
    await runVerb(busy, ['boot']);
    expect((await attach(busy)).error).toBeNull();
    for (const host of [fresh, busy]) expect(host.effects.filter((line) => line.startsWith('restart'))).toEqual([]);
    expect(await busy.iscsi.sessions()).toHaveLength(2);
  });

  test('that is logged in under the name of its image is told, and its session not used', async () => {
    const host = storageHost();
    await host.iscsi.addRecord({ target, portal });
    host.files.put({
      [recordFile]: (host.files.snapshot()[recordFile] ?? '').replace(
        'authmethod = None',
        `authmethod = CHAP\nnode.session.auth.username = node\nnode.session.auth.password = ${secret}`,
      ),
    });
    host.iscsi.setDaemonName('iqn.1994-05.com.redhat:image');
    await host.iscsi.login({ target, portal });
    await runVerb(host, ['boot']);
    const run = await attach(host, '--deadline', '1m');
    expect([run.code, errorOf(run).message]).toEqual([
      75,
      expect.stringContaining(
        `the session to ${target} is logged in as iqn.1994-05.com.redhat:image, which is not this node's name ${initiatorName}`,
      ),
    ]);
    expect(diskOf(host)).toEqual(fakeDisk());
  });
});

describe('docker means something else', () => {
  async function refusedBy(
    files: PackagedHostOptions['files'],
    cluster = clusterWith(onIscsi, onLun1),
  ): Promise<AgentError> {
    const host = storageHost({ cluster, ...(files === undefined ? {} : { files }) });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, host.iscsi.logins, storageResult(host).outcome]).toEqual([78, [], 'refused']);
    return errorOf(run);
  }

  test.each([
    [
      '2 containers',
      { '/var/lib/docker/containers/aa/config.json': '{}', '/var/lib/docker/containers/bb/config.json': '{}' },
    ],
    ['a loopback thin pool', { '/var/lib/docker/devicemapper/devicemapper/data': '' }],
    ['1 images of the driver overlay2', { '/var/lib/docker/image/overlay2/imagedb/content/sha256/aa': '{}' }],
    ['1 volumes', { '/var/lib/docker/volumes/db/_data/x': '', '/var/lib/docker/volumes/metadata.db': '' }],
  ])('its directory on the root disk holds %s: they are not hidden', async (what, files) => {
    const error = await refusedBy(files);
    expect(error.message).toBe(
      `docker has run on this host's root disk before: /var/lib/docker holds ${what}, which the declared storage would hide`,
    );
    expect(error.hint).toContain('mv /var/lib/docker /var/lib/docker.old');
  });

  test('an empty tree, as a first start leaves it, is nothing to lose', async () => {
    const empty = {
      '/var/lib/docker/containers': { directory: true },
      '/var/lib/docker/image/overlay2/imagedb/content/sha256': { directory: true },
      '/var/lib/docker/volumes/metadata.db': '',
    } as const;
    const host = storageHost({ files: empty });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
  });

  test('daemon.json has another directory or a driver', async () => {
    expect((await refusedBy({ '/etc/docker/daemon.json': '{"data-root": "/srv/docker"}' })).message).toBe(
      "/etc/docker/daemon.json puts docker's data into /srv/docker, and the declared storage is for /var/lib/docker",
    );
    expect(
      (await refusedBy({ '/etc/docker/daemon.json': '{"storage-driver": "btrfs", "storage-opts": []}' })).message,
    ).toBe(
      '/etc/docker/daemon.json sets storage-driver and storage-opts, which the declared storage decides (overlay2); dockerd refuses both',
    );
  });

  test.each(['null', '[]', '"x"', '{not json', '{"data-root": "/var/lib/docker/"}', '{"graph": "/var/lib/docker"}'])(
    'but a daemon.json of %s is none of the storage',
    async (text) => {
      const host = storageHost({ files: { '/etc/docker/daemon.json': text } });
      await runVerb(host, ['boot']);
      expect((await attach(host)).error).toBeNull();
    },
  );

  test('programs are missing: all of them are named, and nothing was begun', async () => {
    const host = storageHost();
    host.files.drop('/usr/sbin/lvm');
    host.files.drop('/usr/sbin/mkfs.xfs');
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message, errorOf(run).hint, host.iscsi.logins]).toEqual([
      71,
      "cannot prepare docker's storage: lvm, mkfs.xfs not installed",
      'install lvm2; xfsprogs, or set filesystem: ext4',
      [],
    ]);
  });

  test('no initiator is installed: boot says so, and attach does too', async () => {
    const host = storageHost();
    host.files.drop('/usr/sbin/iscsiadm');
    const boot = await runVerb(host, ['boot']);
    expect(boot.code).toBe(75);
    expect(boot.lines).toContainEqual(
      expect.stringContaining('storage is declared on an iSCSI target, and no initiator is installed'),
    );
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      71,
      'storage is declared on an iSCSI target, and no initiator is installed',
    ]);
  });
});

describe('devicemapper', () => {
  const cluster = clusterWith(onIscsi, docker('driver: devicemapper'));

  test('is refused with docker 26, before anything is logged in to', async () => {
    const host = storageHost({ cluster });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message, host.iscsi.logins]).toEqual([
      78,
      'the cluster file asks for the driver devicemapper, and docker 26.1.5 has none: it was removed in 25.0',
      [],
    ]);
  });

  test('with docker 20.10 gets a pool and a directory', async () => {
    const host = storageHost({ cluster, versions: old });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect(onDisks(host).slice(2)).toEqual([
      `vgcreate docker-images ${lun1} ${owner.join(' ')}`,
      'volume docker-images/docker-root 536870912',
      'mkfs.xfs /dev/docker-images/docker-root docker-root',
      'thin pool docker-images/docker-pool 90%FREE',
    ]);
    expect(storageResult(host)).toMatchObject({ outcome: 'ready', driver: 'devicemapper' });
    host.log.clear();
    await attach(host);
    expect(onDisks(host)).toEqual([]);
  });

  test.each([
    ['Fail', 'has failed'],
    ['1 10/1000 10/1000 - ro discard_passdown queue_if_no_space - 256', 'is read-only'],
    ['1 10/1000 10/1000 - rw discard_passdown queue_if_no_space needs_check 256', 'has damaged metadata (needs_check)'],
    ['1 10/1000 1000/1000 - out_of_data_space discard_passdown queue_if_no_space - 256', 'is full'],
    [null, 'is not active'],
  ])('whose pool says %p is not well', async (words, what) => {
    const host = storageHost({ cluster, versions: old });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    mountAndRun(host);
    const name = 'docker--images-docker--pool';
    host.live.setDevices(words === null ? [] : parseDmStatus(`${name}: 0 4194304 thin-pool ${words}\n`));
    expect(await statusOf(host, 'StorageSpace')).toMatchObject({
      status: 'False',
      reason: 'PoolBroken',
      message: expect.stringContaining(`docker-images/docker-pool ${what}`),
    });
  });

  test('needs the checker of thin pools, unless docker-storage-setup makes the pool', async () => {
    const host = storageHost({ cluster, versions: old });
    host.files.drop('/usr/sbin/thin_check');
    await runVerb(host, ['boot']);
    expect(errorOf(await attach(host)).message).toBe("cannot prepare docker's storage: thin_check not installed");
  });
});

describe('docker-storage-setup', () => {
  const cluster = clusterWith(onIscsi, docker('driver: devicemapper'));
  const program = {
    '/usr/bin/docker-storage-setup': '#!/bin/bash\n',
    '/etc/sysconfig/docker-storage': 'DOCKER_STORAGE_OPTIONS=\n',
  };
  const pool = 'dm.thinpooldev=/dev/mapper/docker--images-docker--pool';

  /** It does what its settings say, as version 0.5 of 2015 did. */
  async function obedient(host: FakeHost): Promise<string> {
    const settings = host.files.snapshot()['/etc/sysconfig/docker-storage-setup'] ?? '';
    const driver = /^STORAGE_DRIVER='(\w+)'$/m.exec(settings)?.[1];
    const volumeGroup = /^VG='(\S+)'$/m.exec(settings)?.[1] ?? '';
    if (driver === 'devicemapper') {
      const { logicalVolumes } = await host.lvm.state();
      if (!logicalVolumes.some((v) => v.name === 'docker-pool'))
        await host.lvm.makeThinPool({ volumeGroup, name: 'docker-pool', percentOfFree: 90 });
    }
    const options =
      driver === 'devicemapper' ? `--storage-driver devicemapper --storage-opt ${pool}` : `--storage-driver ${driver}`;
    host.files.put({ '/etc/sysconfig/docker-storage': `DOCKER_STORAGE_OPTIONS="${options} "\n` });
    return '';
  }

  test('is told its group by boot, makes the pool, and what it did is read back', async () => {
    const host = storageHost({ cluster, versions: old, files: program, storageSetup: obedient });
    await runVerb(host, ['boot']);
    expect(host.files.snapshot()['/etc/sysconfig/docker-storage-setup']).toBe(
      [
        "# Written by diyc-agent: docker-storage-setup works in the volume group of docker's disks.",
        '# Change the cluster file instead; edits made here are kept aside and replaced by the next run.',
        '# DEVS stays unset: diyc-agent looks at the disks and makes the group. docker-storage-setup would partition a disk',
        '# without knowing whose it is, and its versions differ in what they do to a disk that is a physical volume as a whole.',
        "VG='docker-images'",
        "STORAGE_DRIVER='devicemapper'",
        "SETUP_LVM_THIN_POOL='yes'",
        "DATA_SIZE='90%FREE'",
        "MIN_DATA_SIZE='256'",
        "CHUNK_SIZE='512K'",
        "AUTO_EXTEND_POOL='yes'",
        "POOL_AUTOEXTEND_THRESHOLD='60'",
        "POOL_AUTOEXTEND_PERCENT='20'",
        "DEVICE_WAIT_TIMEOUT='60'",
        "WIPE_SIGNATURES='false'",
        "GROWPART='false'",
        '',
      ].join('\n'),
    );
    const run = await attach(host);
    expect(run.error).toBeNull();
    expect((await host.lvm.state()).logicalVolumes.map((v) => v.name)).toEqual(['docker-root', 'docker-pool']);
    host.log.clear();
    expect((await attach(host)).code).toBe(0);
    expect(onDisks(host)).toEqual([]);
  });

  test('is run for overlay2 too, because docker reads its file', async () => {
    const host = storageHost({ files: program, storageSetup: obedient });
    await runVerb(host, ['boot']);
    expect((await attach(host)).error).toBeNull();
    expect(host.files.snapshot()['/etc/sysconfig/docker-storage']).toContain('--storage-driver overlay2');
  });

  test('that has set docker up with another driver is not run, and the difference is named', async () => {
    const other = {
      ...program,
      '/etc/sysconfig/docker-storage': `DOCKER_STORAGE_OPTIONS=--storage-driver devicemapper --storage-opt ${pool}\n`,
    };
    const host = storageHost({ files: other });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      'docker-storage-setup has set docker up with devicemapper on /dev/mapper/docker--images-docker--pool, and the cluster file asks for overlay2; it does not change a driver by itself',
    ]);
    expect(diskOf(host)).toEqual(fakeDisk());
  });

  test('that ignores the driver and ends with 0 is found out', async () => {
    const ignores = async (host: FakeHost): Promise<string> => {
      host.files.put({ '/etc/sysconfig/docker-storage': 'DOCKER_STORAGE_OPTIONS="--storage-driver overlay"\n' });
      return 'INFO: Volume group backing root filesystem could not be determined\n';
    };
    const host = storageHost({ files: program, storageSetup: ignores });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      'docker-storage-setup has set docker up with overlay, and the cluster file asks for overlay2; it does not change a driver by itself',
    ]);
    expect(storageResult(host).outcome).toBe('refused');
  });

  test('that does nothing at all and ends with 0 is found out as well', async () => {
    let runs = 0;
    const idle = async (): Promise<string> => `${runs++}`;
    const host = storageHost({ cluster, versions: old, files: program, storageSetup: idle });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message, runs]).toEqual([
      71,
      '"run /usr/bin/docker-storage-setup" ended well and changed nothing',
      1,
    ]);
  });
});

describe('the file of a secret', () => {
  test('that others may read is told, and used', async () => {
    const host = storageHost({ files: { [secretFile]: { text: `${secret}\n`, mode: 0o644 } } });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.error, run.lines.filter((line) => line.includes('others than its owner may read'))]).toEqual([
      null,
      [expect.stringContaining(`(mode 0644); chmod 600 ${secretFile}`)],
    ]);
  });
});

describe('LVM', () => {
  test('that fails is not taken for an empty one: nothing is done', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    host.lvm.fail(
      new AgentError('oserr', 'cannot read the volume groups: lvm exited with 5', { hint: 'see lvm vgs -v' }),
    );
    const run = await attach(host);
    expect([run.code, storageResult(host)]).toEqual([
      71,
      expect.objectContaining({ outcome: 'failed', message: 'cannot read the volume groups: lvm exited with 5' }),
    ]);
    expect(diskOf(host)).toEqual(fakeDisk());
    expect(host.effects.filter((line) => line.startsWith('append'))).toHaveLength(2);
    // Tried again after a longer pause than a target that does not answer.
    host.units.change(storageUnit, { active: 'failed', sub: 'failed', result: 'exit-code', jobQueued: false });
    host.log.clear();
    await host.clock.advance(120_000);
    await runVerb(host, ['report']);
    expect(host.effects).not.toContain(`start ${storageUnit}`);
    await host.clock.advance(180_000);
    await runVerb(host, ['report']);
    expect(host.effects).toContain(`start ${storageUnit}`);
    host.lvm.fail(null);
    expect((await attach(host)).error).toBeNull();
  });

  test('that does not answer in time leaves it to the next try', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    host.lvm.fail(new AgentError('tempfail', 'lvm did not end within 60 s', { hint: 'see journalctl -k' }));
    const run = await attach(host);
    expect([run.code, storageResult(host).outcome, diskOf(host)]).toEqual([75, 'waiting', fakeDisk()]);
  });

  test('whose disk cannot be looked at is not given it', async () => {
    const host = storageHost();
    await runVerb(host, ['boot']);
    const disk = fakeDisk();
    host.iscsi.setTarget(blankTarget({ luns: { 1: disk } }));
    host.disks.plug(lun1, disk);
    host.disks.fail(lun1, new AgentError('oserr', 'cannot look at /dev/sda: lsblk exited with 1', { hint: 'dmesg' }));
    expect((await attach(host)).code).toBe(71);
    expect(disk).toEqual(fakeDisk());
  });

  test('that fails half-way is gone on with by the next attempt', async () => {
    for (const line of ['vgcreate', 'volume docker-images', 'mkfs.xfs']) {
      const host = storageHost();
      await runVerb(host, ['boot']);
      host.log.failOn(line, new AgentError('oserr', 'no space left on device (ENOSPC)', { hint: 'make room' }));
      expect([line, (await attach(host)).code]).toEqual([line, 71]);
      expect([line, (await attach(host)).error]).toEqual([line, null]);
      expect(storageResult(host).outcome).toBe('ready');
    }
  });
});

describe('after a reboot', () => {
  test('an installed host logs in and activates its group; nothing is made', async () => {
    for (const text of ['driver: overlay2', 'driver: devicemapper']) {
      const host = await running({ cluster: clusterWith(onIscsi, docker(text)), versions: old });
      const before = structuredClone(diskOf(host));
      reboot(host);
      expect(host.disks.plugged).toEqual([]);
      host.log.clear();
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      expect((await attach(host)).error).toBeNull();
      expect(onDisks(host)).toEqual([`iscsi login ${target} ${portal}`, 'vgchange --activate y docker-images']);
      expect(diskOf(host)).toEqual(before);
      expect(storageResult(host).outcome).toBe('ready');
    }
  });

  test('a live host, with nothing left but its disk, knows it by its mark', async () => {
    const shared = blankTarget();
    const first = storageHost({ targets: [shared] });
    await runVerb(first, ['boot']);
    await attach(first);
    const before = structuredClone(shared.luns[1]);
    const again = storageHost({ targets: [shared] });
    await runVerb(again, ['boot']);
    again.log.clear();
    expect((await attach(again)).error).toBeNull();
    expect(onDisks(again)).toEqual([
      `iscsi record ${target} ${portal}`,
      `iscsi login ${target} ${portal}`,
      'vgchange --activate y docker-images',
    ]);
    expect(shared.luns[1]).toEqual(before as FakeDisk);
    expect([...again.disks.active].map((v) => v.volume.name)).toEqual(['docker-root']);
  });

  test('a group that lacks one of its disks is not activated', async () => {
    const luns = { 1: fakeDisk(), 2: fakeDisk({ serial: 'beaf12', wwn: '0x2' }) };
    groupOn([luns[1], luns[2]], { tags: [...owner], volumes: [fakeVolume({ name: 'docker-root' })] });
    const host = storageHost({ targets: [blankTarget({ luns: { 1: luns[1] } })] });
    await runVerb(host, ['boot']);
    const run = await attach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      78,
      'volume group docker-images of node a1 lacks one of its disks (it has /dev/sda, [unknown])',
    ]);
    expect(host.disks.active.size).toBe(0);
  });
});

describe('giving it back', () => {
  test('what was attached is given back, also when the cluster file says nothing of it any more, or is broken', async () => {
    for (const text of [clusterFile, 'version: 1\ncluster: [']) {
      const host = await running();
      stopAndUnmount(host);
      host.files.put({ '/etc/diyc-agent/cluster.yaml': text });
      const run = await runVerb(host, ['storage', 'detach']);
      expect([run.code, run.error, await host.iscsi.sessions()]).toEqual([0, null, []]);
    }
  });

  const detach = (host: FakeHost): Promise<VerbRun> => runVerb(host, ['storage', 'detach']);

  test('is refused while docker runs on it, or its directory is mounted', async () => {
    const host = await running();
    const first = await detach(host);
    expect([first.code, errorOf(first).message, errorOf(first).hint]).toEqual([
      75,
      'the storage stays attached: docker is running on it',
      'systemctl stop docker.socket docker var-lib-docker.mount, then diyc-agent storage detach',
    ]);
    host.units.change('docker.service', { active: 'inactive', sub: 'dead' });
    expect(errorOf(await detach(host)).message).toBe('the storage stays attached: /var/lib/docker is still mounted');
    host.units.change('docker.service', { active: 'deactivating', sub: 'stop' });
    expect((await detach(host)).code).toBe(75);
    expect(host.effects).toEqual([]);
    expect([host.disks.active.size, (await host.iscsi.sessions()).length]).toEqual([1, 1]);
  });

  test('deactivates the group, then logs out; the second time there is nothing left to do', async () => {
    const host = await running();
    stopAndUnmount(host);
    expect((await detach(host)).error).toBeNull();
    expect(onDisks(host)).toEqual(['vgchange --activate n docker-images', `iscsi logout ${target} ${portal}`]);
    expect(host.disks.plugged).toEqual([]);
    // Nobody is told that it is there when it is not.
    expect(host.files.snapshot()[storageFile]).toBeUndefined();
    host.units.change(storageUnit, { active: 'inactive', sub: 'dead' });
    expect(await statusOf(host, 'StorageAttached')).toMatchObject({ status: 'False' });
    host.log.clear();
    expect((await detach(host)).code).toBe(0);
    expect(host.effects).toEqual([]);
    // And it comes back whole.
    expect((await attach(host)).error).toBeNull();
    expect(onDisks(host)).toEqual([`iscsi login ${target} ${portal}`, 'vgchange --activate y docker-images']);
  });

  test('is refused where it cannot be known what is mounted', async () => {
    const host = await running();
    stopAndUnmount(host);
    host.files.drop('/proc/self/mountinfo');
    const run = await detach(host);
    expect([run.code, errorOf(run).message, host.effects]).toEqual([
      71,
      'the storage stays attached: whether docker still uses it could not be found out',
      [],
    ]);
  });

  test('does not take a LUN from under a group or a mount of somebody else', async () => {
    const disk = fakeDisk();
    groupOn([disk], { volumes: [fakeVolume({ name: 'data', signatures: [{ type: 'xfs', label: null }] })] });
    const host = storageHost({ targets: [blankTarget({ luns: { 1: disk } })] });
    await runVerb(host, ['boot']);
    expect((await attach(host)).code).toBe(78);
    host.units.change('docker.service', { active: 'inactive', sub: 'dead', jobQueued: false });
    await host.lvm.activate('docker-images');
    host.disks.mount('/dev/docker-images/data', '/srv');
    host.log.clear();
    const run = await detach(host);
    expect([run.code, errorOf(run).message]).toEqual([
      75,
      `the session to ${target} stays: ${lun1} is in use (dm-0 at /srv)`,
    ]);
    expect(onDisks(host)).toEqual([]);
    expect(await host.iscsi.sessions()).toHaveLength(1);
  });

  test("leaves others' sessions and another node's group alone", async () => {
    const other = { target: 'iqn.2009-02.com.example:home', portal: '10.34.102.55:3260' };
    const host = storageHost({
      targets: [blankTarget(), { target: other.target, portals: [other.portal], luns: {} }],
    });
    await host.iscsi.addRecord(other);
    await host.iscsi.login(other);
    await runVerb(host, ['boot']);
    await attach(host);
    stopAndUnmount(host);
    expect((await detach(host)).error).toBeNull();
    expect(await host.iscsi.sessions()).toMatchObject([other]);
  });
});

describe('the secret', () => {
  test('is in its own file and in the record, and nowhere else', async () => {
    const host = storageHost();
    const runs: VerbRun[] = [];
    const verb = async (...argv: readonly string[]): Promise<void> => void runs.push(await runVerb(host, argv));
    await verb('--verbose', 'boot');
    host.iscsi.setTarget(blankTarget({ chap: { username: 'node', secret: 'AnotherSecret1' } }));
    await verb('--verbose', 'storage', 'attach');
    expect(runs.at(-1)?.code).toBe(78);
    host.iscsi.setTarget(blankTarget());
    await verb('--verbose', 'storage', 'attach');
    expect(runs.at(-1)?.code).toBe(0);
    mountAndRun(host);
    for (const argv of [['plan'], ['plan', '--json'], ['status'], ['status', '--json'], ['report'], ['config', 'show']])
      await verb(...argv);
    for (const argv of [
      ['storage', 'show'],
      ['storage', 'show', '--json'],
      ['storage', 'grow', '--json'],
    ])
      await verb(...argv);
    stopAndUnmount(host);
    await verb('storage', 'detach');
    expect(placesOf(host, secret)).toEqual([secretFile, recordFile].sort());
    expect(everything(host, runs)).not.toContain(secret);
    expect(host.files.snapshot()[statusFile]).toBeDefined();
    expect((await host.files.stat(recordFile))?.mode).toBe(0o600);
  });
});
