// The contract of the OsTree port, held against rpm-ostree's stand-in program and against the fake; and bootc by a stub.

import { afterEach, describe, expect, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hostOsTree } from '../../agent/host/os-tree.ts';
import { osTreeError, unknownOption } from '../../agent/host/rpm-ostree-errors.ts';
import { bootedOf, rollbackOf, stagedOf } from '../../agent/model/deployment.ts';
import { AgentError } from '../../agent/model/errors.ts';
import type { OsTree } from '../../agent/ports/os-tree.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeRelease, fakeOsTree } from '../support/fake-os-tree.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { plainDeployment } from '../support/upgrade-builders.ts';

const run = promisify(execFile);
const stub = fileURLToPath(new URL('../stubs/rpm-ostree', import.meta.url));

function release(version: string, letter: string, etcd: string): FakeRelease {
  return { version, checksum: letter.repeat(64), packages: { etcd: `etcd-${etcd}-1.fc41.x86_64` } };
}
const [old, middle, latest] = [
  release('41.1', 'a', '3.5.15'),
  release('41.2', 'b', '3.5.16'),
  release('41.3', 'c', '3.6.0'),
];
const cowsay = 'cowsay-3.04-1.noarch';

interface Subject {
  readonly tree: OsTree;
  publish(...releases: FakeRelease[]): Promise<void>;
  boot(how: 'orderly' | 'power-cut', choice?: 'default' | 'fallback'): Promise<void>;
  hold(title: string): Promise<void>;
  cutOff(): Promise<void>;
  layerCowsay(): Promise<void>;
  isRebooting(): Promise<boolean>;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function tempDir(): Promise<string> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-os-tree-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

interface RealSubject extends Subject, StubPrograms {
  readonly directory: string;
  /** The stand-in, as an operator calls it. */
  rpmOstree(...args: string[]): Promise<string>;
}

async function stubbed(): Promise<RealSubject> {
  const directory = await tempDir();
  const home = `${directory}/home`;
  const environment = `PATH="${directory}:$PATH" DIYC_STUB_OSTREE=${home} DIYC_STUB_OSTREE_RUN=${directory}/run`;
  const programs = await stubPrograms(directory, {
    'rpm-ostree': `${environment} exec python3 -I -S ${stub} "$@"`,
    systemctl: ':',
  });
  await mkdir(`${home}/origin`, { recursive: true });
  await writeFile(`${directory}/ostree-booted`, '');
  const releases: FakeRelease[] = [];
  const publish = async (...more: FakeRelease[]): Promise<void> => {
    releases.push(...more);
    const listed = releases.map((r) => ({ ...r, packages: Object.values(r.packages) }));
    await writeFile(
      `${home}/origin/releases.json`,
      JSON.stringify({ refspec: 'stub:stable', releases: listed, repo: { cowsay } }),
    );
  };
  const rpmOstree = async (...args: string[]): Promise<string> =>
    (await run(`${directory}/rpm-ostree`, args, { env: { PATH: process.env['PATH'] ?? '' } })).stdout;
  const boot: Subject['boot'] = async (how, choice = 'default') => {
    if (how === 'orderly') await rpmOstree('stub-finalize');
    await rm(`${directory}/run`, { recursive: true, force: true });
    await rm(`${directory}/systemctl.calls`, { force: true });
    await rpmOstree('stub-boot', ...(choice === 'fallback' ? ['--index', '1'] : []));
  };
  await publish(old);
  await boot('power-cut');
  return {
    ...programs,
    directory,
    publish,
    boot,
    rpmOstree,
    tree: hostOsTree({
      exec: programs.exec,
      directories: [directory],
      bootedMarker: `${directory}/ostree-booted`,
      daemonConfig: `${directory}/rpm-ostreed.conf`,
      deployDirectory: `${directory}/deploy`,
    }),
    hold: async (title) => void (await rpmOstree('stub-hold', title)),
    cutOff: async () => writeFile(`${home}/origin/unreachable`, ''),
    async layerCowsay() {
      await rpmOstree('install', 'cowsay');
      await boot('orderly');
      await rpmOstree('cleanup', '-r');
    },
    isRebooting: async () => (await programs.calls('systemctl')).some((call) => /\breboot$/.test(call)),
  };
}

async function fake(): Promise<Subject> {
  const tree = fakeOsTree({ log: effectLog(), releases: [old] });
  return {
    tree,
    publish: async (...releases) => releases.forEach(tree.publish),
    boot: async (how, choice) => void tree.boot(how, choice),
    hold: async (title) => tree.hold(`${title} (from :1.42)`),
    cutOff: async () => tree.cutOff(new AgentError('unavailable', 'the origin does not answer', { hint: 'wait' })),
    layerCowsay: async () => tree.layer('cowsay', cowsay),
    isRebooting: async () => tree.isRebooting,
  };
}

async function stateOf({ tree }: Subject) {
  const state = await tree.state();
  if (state === null) throw new Error('no state');
  return state;
}

async function versionsOf(subject: Subject): Promise<string[]> {
  return (await stateOf(subject)).deployments.map(
    (d) => `${d.version}${d.booted ? ' booted' : ''}${d.staged ? ' staged' : ''}${d.locked ? ' locked' : ''}`,
  );
}

/** Staged, finalised and booted. */
async function upgradeTo(subject: Subject, { version }: FakeRelease): Promise<void> {
  await subject.tree.stage(version);
  await subject.tree.finalize(stagedOf(await stateOf(subject))?.checksum ?? '');
  await subject.boot('orderly');
}

for (const [name, make] of [
  ['rpm-ostree', stubbed],
  ['the fake tree', fake],
] as const) {
  describe(name, () => {
    test('tells what is booted, and that there is nothing else', async () => {
      const subject = await make();
      expect(await stateOf(subject)).toEqual({
        driver: 'rpm-ostree',
        deployments: [
          {
            ...plainDeployment,
            checksum: old.checksum,
            base: old.checksum,
            version: '41.1',
            origin: 'stub:stable',
            booted: true,
          },
        ],
        transaction: null,
        cachedUpdate: null,
        updateDriver: null,
        conflicts: [],
      });
      expect(await subject.tree.check()).toBeNull();
      expect(await subject.tree.stage(null)).toBe(false);
    });

    test('finds what is newer, and stages it once, locked', async () => {
      const subject = await make();
      await subject.publish(middle, latest);
      const candidate = { version: '41.3', base: latest.checksum };
      expect(await subject.tree.check()).toEqual(candidate);
      expect((await stateOf(subject)).cachedUpdate).toEqual(candidate);
      expect(await versionsOf(subject)).toEqual(['41.1 booted']);
      expect(await subject.tree.stage(null)).toBe(true);
      expect(await versionsOf(subject)).toEqual(['41.3 staged locked', '41.1 booted']);
      expect(await subject.tree.stage(null)).toBe(false);
      expect(await subject.tree.stage('41.3')).toBe(false);
      expect(await subject.tree.check()).toBeNull();
    });

    test('an odd reboot and a power cut lose what is staged and locked', async () => {
      for (const how of ['orderly', 'power-cut'] as const) {
        const subject = await make();
        await subject.publish(middle);
        await subject.tree.stage(null);
        await subject.boot(how);
        expect(await versionsOf(subject)).toEqual(['41.1 booted']);
      }
    });

    test('finalises and reboots into what is staged, and keeps the way back', async () => {
      const subject = await make();
      await subject.publish(middle, latest);
      await subject.tree.stage('41.2');
      expect(await subject.isRebooting()).toBe(false);
      await subject.tree.finalize(middle.checksum);
      expect(await subject.isRebooting()).toBe(true);
      await subject.boot('orderly');
      expect(await versionsOf(subject)).toEqual(['41.2 booted', '41.1']);
      expect(rollbackOf(await stateOf(subject))?.version).toBe('41.1');
    });

    test('power that fails during the shutdown leaves the host where it was', async () => {
      const subject = await make();
      await subject.publish(middle);
      await subject.tree.stage(null);
      await subject.tree.finalize(middle.checksum);
      await subject.boot('power-cut');
      expect(await versionsOf(subject)).toEqual(['41.1 booted']);
    });

    test('reboots into nothing else than what was asked for', async () => {
      const subject = await make();
      await subject.publish(middle, latest);
      await subject.tree.stage(null);
      const error = await refusal(() => subject.tree.finalize(middle.checksum));
      expect([error.kind, error.isConflict]).toEqual(['tempfail', true]);
      expect(await subject.isRebooting()).toBe(false);
      expect(await versionsOf(subject)).toEqual(['41.3 staged locked', '41.1 booted']);
    });

    test('nothing is started once the reboot is on its way', async () => {
      const subject = await make();
      await subject.publish(middle, latest);
      await subject.tree.stage('41.2');
      await subject.tree.finalize(middle.checksum);
      expect((await refusal(() => subject.tree.stage(null))).message).toContain('Reboot initiated');
    });

    test('stages the release that was asked for, by version, commit or id, an older one too', async () => {
      const subject = await make();
      await subject.publish(middle, latest);
      expect(await subject.tree.stage('41.2')).toBe(true);
      expect(await subject.tree.stage(`${latest.checksum}+cowsay-1`)).toBe(true);
      expect(await versionsOf(subject)).toEqual(['41.3 staged locked', '41.1 booted']);
      await upgradeTo(subject, latest);
      expect(await subject.tree.stage(latest.checksum)).toBe(false);
      expect(await subject.tree.stage(old.checksum)).toBe(true);
      expect(stagedOf(await stateOf(subject))?.version).toBe('41.1');
    });

    test('a release that the origin does not have is said to be none, and nothing is staged', async () => {
      const subject = await make();
      for (const word of ['40.9', 'f'.repeat(64)]) {
        const error = await refusal(() => subject.tree.stage(word));
        expect([error.kind, error.retryable]).toEqual(['data', false]);
        expect(error.message).toContain(`${word} not found in stub:stable`);
      }
      expect(await versionsOf(subject)).toEqual(['41.1 booted']);
    });

    test('an origin that does not answer may do so later', async () => {
      const subject = await make();
      await subject.publish(middle);
      await subject.cutOff();
      for (const call of [
        () => subject.tree.check(),
        () => subject.tree.stage(null),
        () => subject.tree.stage('41.2'),
      ]) {
        const error = await refusal(call);
        expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
      }
    });

    test('what is staged is dropped, as often as one likes', async () => {
      const subject = await make();
      await subject.publish(middle);
      await subject.tree.stage(null);
      for (let round = 0; round < 2; round++) await subject.tree.discardStaged();
      expect(await versionsOf(subject)).toEqual(['41.1 booted']);
    });

    test('rolls back once, however often it is asked to, and drops what is staged', async () => {
      const subject = await make();
      await subject.publish(middle);
      await upgradeTo(subject, middle);
      await subject.publish(latest);
      await subject.tree.stage(null);
      for (let round = 0; round < 2; round++) await subject.tree.rollBack(old.checksum);
      expect(await versionsOf(subject)).toEqual(['41.1', '41.2 booted']);
      expect(rollbackOf(await stateOf(subject))?.version).toBe('41.1');
      expect(await subject.isRebooting()).toBe(false);
      await subject.boot('orderly');
      expect(await versionsOf(subject)).toEqual(['41.1 booted', '41.2']);
    });

    test('a host that was set back is rebooted into its default without anything staged', async () => {
      const subject = await make();
      await subject.publish(middle);
      await upgradeTo(subject, middle);
      await subject.tree.rollBack(old.checksum);
      await subject.tree.finalize(old.checksum);
      expect(await subject.isRebooting()).toBe(true);
      await subject.boot('orderly');
      expect(bootedOf(await stateOf(subject))?.version).toBe('41.1');
    });

    test('the boot loader may have taken the other entry', async () => {
      const subject = await make();
      await subject.publish(middle);
      await upgradeTo(subject, middle);
      await subject.boot('power-cut', 'fallback');
      expect(await versionsOf(subject)).toEqual(['41.2', '41.1 booted']);
      // What it fell back to becomes the default: the next boot must not try the other one again.
      for (let round = 0; round < 2; round++) await subject.tree.rollBack(old.checksum);
      expect(await versionsOf(subject)).toEqual(['41.1 booted', '41.2']);
    });

    test('without an earlier deployment there is no way back', async () => {
      const subject = await make();
      const error = await refusal(() => subject.tree.rollBack(middle.checksum));
      expect(error.kind).toBe('data');
      expect(error.message).toContain('there is no such deployment');
    });

    test("another client's transaction is waited for, and named", async () => {
      const subject = await make();
      await subject.publish(middle);
      await subject.tree.stage(null);
      await subject.hold('refresh-md');
      expect((await stateOf(subject)).transaction).toBe('refresh-md (from :1.42)');
      const calls = [
        () => subject.tree.check(),
        () => subject.tree.stage(null),
        () => subject.tree.discardStaged(),
        () => subject.tree.finalize(middle.checksum),
        () => subject.tree.rollBack(old.checksum),
      ];
      for (const call of calls) {
        const error = await refusal(call);
        expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
        expect(error.message).toContain('Transaction in progress: refresh-md');
      }
      expect(await versionsOf(subject)).toEqual(['41.2 staged locked', '41.1 booted']);
    });

    test('knows the packages of what is booted and of what is staged', async () => {
      const subject = await make();
      await subject.publish(middle);
      await subject.tree.stage(null);
      const names = ['etcd', 'flannel'];
      expect([...(await subject.tree.packages(old.checksum, names))]).toEqual([['etcd', 'etcd-3.5.15-1.fc41.x86_64']]);
      expect([...(await subject.tree.packages(middle.checksum, names))]).toEqual([
        ['etcd', 'etcd-3.5.16-1.fc41.x86_64'],
      ]);
      expect([...(await subject.tree.packages(old.checksum, ['flannel']))]).toEqual([]);
      expect((await refusal(() => subject.tree.packages('f'.repeat(64), names))).kind).toBe('oserr');
    });

    test('layered packages make a commit of this host alone, and go along with each upgrade', async () => {
      const subject = await make();
      await subject.layerCowsay();
      const before = bootedOf(await stateOf(subject));
      expect(before).toMatchObject({ base: old.checksum, requestedPackages: ['cowsay'], version: '41.1' });
      expect(before?.checksum).not.toBe(old.checksum);
      expect((await subject.tree.packages(before?.checksum ?? '', ['cowsay'])).get('cowsay')).toBe(cowsay);
      await subject.publish(middle);
      await upgradeTo(subject, middle);
      expect(bootedOf(await stateOf(subject))).toMatchObject({ base: middle.checksum, requestedPackages: ['cowsay'] });
    });
  });
}

describe('rpm-ostree alone', () => {
  test('is told not to finalise by itself, and old versions are upgraded all the same', async () => {
    const subject = await stubbed();
    await subject.publish(middle, latest);
    await subject.tree.stage('41.2');
    expect(await subject.calls('rpm-ostree')).toContain('deploy version=41.2 --unchanged-exit-77 --lock-finalization');
    await writeFile(`${subject.directory}/home/unknown-options`, '--lock-finalization\n--unchanged-exit-77\n');
    expect(await subject.tree.stage(null)).toBe(true);
    expect(await versionsOf(subject)).toEqual(['41.3 staged', '41.1 booted']);
    await subject.tree.finalize(latest.checksum);
    expect((await subject.calls('rpm-ostree')).filter((c) => c.startsWith('finalize'))).toEqual([]);
    expect(await subject.calls('systemctl')).toEqual(['--no-ask-password reboot']);
    await subject.boot('orderly');
    expect(await versionsOf(subject)).toEqual(['41.3 booted', '41.1']);
  });

  test('is never forced, and never made to pass over another driver', async () => {
    const subject = await stubbed();
    await subject.publish(middle);
    await writeFile(
      `${subject.directory}/home/update-driver.json`,
      JSON.stringify({ 'driver-name': 'Zincati', 'driver-sd-unit': 'zincati.service' }),
    );
    await subject.does('systemctl', 'echo active');
    const error = await refusal(() => subject.tree.stage(null));
    expect([error.kind, error.retryable]).toEqual(['oserr', false]);
    expect(error.message).toContain('driven by Zincati (zincati.service)');
    const state = await stateOf(subject);
    expect(state.updateDriver).toBe('Zincati');
    expect(state.conflicts).toMatchObject([{ reason: 'OtherUpdateDriver', blocks: true }]);
    expect(state.conflicts[0]?.hint).toBe('systemctl disable --now zincati.service');
    await subject.does('systemctl', 'echo inactive; exit 3');
    expect(await stateOf(subject)).toMatchObject({ updateDriver: null, conflicts: [] });
    const calls = [...(await subject.calls('rpm-ostree')), ...(await subject.calls('systemctl'))].join('\n');
    expect(calls).not.toMatch(/--bypass-driver|--force/);
  });

  test('goes on when its client is ended, and is joined by the next one', async () => {
    const subject = await stubbed();
    await subject.publish({ ...middle, ...{ 'stage-until': `${subject.directory}/go-on` } });
    const controller = new AbortController();
    const staging = subject.tree.stage(null, controller.signal);
    // Until the transaction shows, the client may not have got as far.
    while ((await stateOf(subject)).transaction === null) await Promise.resolve();
    controller.abort(new Error('the agent is ended'));
    expect(await staging.catch((error: unknown) => String(error))).toContain('the agent is ended');
    expect((await stateOf(subject)).transaction).toBe('upgrade (from :1.42)');
    const joined = subject.tree.stage(null);
    await writeFile(`${subject.directory}/go-on`, '');
    await joined;
    expect(await versionsOf(subject)).toEqual(['41.2 staged locked', '41.1 booted']);
  });

  test('a container image is upgraded, and what it does not offer now is dropped again', async () => {
    const subject = await stubbed();
    await subject.publish(middle, latest);
    const path = `${subject.directory}/home/deployments.json`;
    const written = JSON.parse(await readFile(path, 'utf8')) as object[];
    const image = 'ostree-image-signed:docker://origin.invalid/os:1';
    const extra = {
      'container-image-reference': image,
      'container-image-reference-digest': `sha256:${'d'.repeat(64)}`,
    };
    await writeFile(path, JSON.stringify(written.map((d) => ({ ...d, extra }))));
    expect(bootedOf(await stateOf(subject))).toMatchObject({ base: `sha256:${'d'.repeat(64)}`, origin: image });
    expect(await subject.tree.stage(`sha256:${'d'.repeat(64)}`)).toBe(false);
    const error = await refusal(() => subject.tree.stage('41.2'));
    expect(error.kind).toBe('data');
    expect(error.message).toContain('offers 41.3 now');
    expect(await versionsOf(subject)).toEqual(['41.1 booted']);
    expect(await subject.tree.stage('41.3')).toBe(true);
  });

  test('what was unlocked in between is rebooted into', async () => {
    const subject = await stubbed();
    await subject.publish(middle);
    await subject.tree.stage(null);
    const real = await readFile(`${subject.directory}/rpm-ostree.does`, 'utf8');
    await subject.does(
      'rpm-ostree',
      `[ "$1" = finalize-deployment ] && { echo 'error: Staged deployment already unlocked' >&2; exit 1; }; ${real}`,
    );
    await subject.tree.finalize(middle.checksum);
    expect(await subject.isRebooting()).toBe(true);
  });

  test('status that fails or cannot be read is no state', async () => {
    const subject = await stubbed();
    for (const [does, kind] of [
      ['echo "{"', 'oserr'],
      ['echo "error: rpmostreed Sysroot operation Reload not allowed for user" >&2; exit 1', 'noperm'],
      ['echo "error: Bus owner changed, aborting." >&2; exit 1', 'tempfail'],
      ['echo "error: anything else" >&2; exit 1', 'oserr'],
    ] as const) {
      await subject.does('rpm-ostree', does);
      expect((await refusal(() => subject.tree.state())).kind).toBe(kind);
    }
  });

  test('a host that ostree did not boot has none of it', async () => {
    const subject = await stubbed();
    await rm(`${subject.directory}/ostree-booted`);
    expect(await subject.tree.state()).toBeNull();
    expect((await refusal(() => subject.tree.stage(null))).message).toContain('not image-based');
    await writeFile(`${subject.directory}/ostree-booted`, '');
    await rm(`${subject.directory}/rpm-ostree`);
    expect(await subject.tree.state()).toBeNull();
  });

  test('LockLayering with layered packages is told', async () => {
    const subject = await stubbed();
    await subject.layerCowsay();
    await writeFile(`${subject.directory}/rpm-ostreed.conf`, '#LockLayering=true\n[Daemon]\nLockLayering=true\n');
    expect((await stateOf(subject)).conflicts.map((c) => c.reason)).toEqual(['LayeringLocked']);
  });
});

describe('bootc', () => {
  const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
  const entry = (version: string, letter: string, more: object = {}): object => ({
    image: { image: { image: 'origin.invalid/os:1', transport: 'registry' }, version, imageDigest: digest(letter) },
    incompatible: false,
    pinned: false,
    ostree: { checksum: letter.repeat(64), deploySerial: 0 },
    ...more,
  });
  const status = (fields: object): string =>
    JSON.stringify({
      apiVersion: 'org.containers.bootc/v1',
      kind: 'BootcHost',
      status: {
        staged: null,
        booted: entry('1', 'a'),
        rollback: null,
        rollbackQueued: false,
        type: 'bootcHost',
        ...fields,
      },
    });

  async function host(
    fields: object,
    does = '',
  ): Promise<StubPrograms & { readonly tree: OsTree; readonly directory: string }> {
    const directory = await tempDir();
    const programs = await stubPrograms(directory, {
      bootc: `here=\${0%/*}; ${does}\n[ "$1" != status ] || cat "$here/status.json"`,
      systemctl: ':',
      rpm: 'printf "etcd\\tetcd-3.5.16-1.x86_64\\npackage flannel is not installed\\n"; exit 1',
    });
    await writeFile(`${directory}/status.json`, status(fields));
    await mkdir(`${directory}/deploy/default/deploy/${'a'.repeat(64)}.0`, { recursive: true });
    await writeFile(`${directory}/ostree-booted`, '');
    const tree = hostOsTree({
      exec: programs.exec,
      directories: [directory],
      bootedMarker: `${directory}/ostree-booted`,
      daemonConfig: `${directory}/none`,
      deployDirectory: `${directory}/deploy`,
    });
    return { ...programs, tree, directory };
  }

  test('drives a host without rpm-ostree', async () => {
    const { tree } = await host({ staged: entry('2', 'b'), rollback: entry('0', 'c') });
    const state = await tree.state();
    expect(state?.driver).toBe('bootc');
    expect(state?.deployments.map((d) => [d.version, d.base.slice(0, 8), d.booted, d.staged])).toEqual([
      ['2', 'sha256:b', false, true],
      ['1', 'sha256:a', true, false],
      ['0', 'sha256:c', false, false],
    ]);
    expect([...(await tree.packages('a'.repeat(64), ['etcd', 'flannel']))]).toEqual([['etcd', 'etcd-3.5.16-1.x86_64']]);
    expect((await refusal(() => tree.packages('b'.repeat(64), ['etcd']))).message).toContain('is not there');
  });

  test('a host that bootc did not install has no state', async () => {
    const { tree } = await host({ type: null, booted: null });
    expect(await tree.state()).toBeNull();
  });

  test('stages with a lock where it can, and lets it go before the reboot', async () => {
    const staged = entry('2', 'b', { downloadOnly: true });
    const { tree, calls, directory } = await host(
      {},
      '[ "$1" != upgrade ] || [ ! -f "$here/after.json" ] || mv "$here/after.json" "$here/status.json"',
    );
    await writeFile(`${directory}/after.json`, status({ staged }));
    expect(await tree.stage(null)).toBe(true);
    expect(await calls('bootc')).toContain('upgrade --download-only');
    await tree.finalize('b'.repeat(64));
    expect((await calls('bootc')).at(-1)).toBe('upgrade --from-downloaded');
    expect(await calls('systemctl')).toEqual(['--no-ask-password reboot']);
  });

  test('a rollback that is queued is not taken back', async () => {
    const { tree, calls } = await host({ rollback: entry('0', 'c'), rollbackQueued: true });
    expect((await tree.state())?.deployments.map((d) => d.version)).toEqual(['0', '1']);
    await tree.rollBack('c'.repeat(64));
    expect((await calls('bootc')).some((c) => c.startsWith('rollback'))).toBe(false);
  });

  test('only what the image offers can be asked for, and nothing staged can be dropped', async () => {
    const offer = { image: { image: 'i', transport: 'registry' }, version: '2', imageDigest: digest('b') };
    const { tree, calls } = await host({ booted: entry('1', 'a', { cachedUpdate: offer }) });
    expect(await tree.check()).toEqual({ version: '2', base: digest('b') });
    const error = await refusal(() => tree.stage('3'));
    expect(error.kind).toBe('data');
    expect(error.message).toContain('offers 2 now');
    expect((await calls('bootc')).includes('upgrade --download-only')).toBe(false);
    const other = await host({ staged: entry('2', 'b') });
    expect((await refusal(() => other.tree.discardStaged())).message).toContain('no command for it');
  });

  test('beside rpm-ostree it is asked too, and its silence is told', async () => {
    const subject = await stubbed();
    await stubPrograms(subject.directory, { bootc: 'echo "error: Querying" >&2; exit 1' });
    expect((await stateOf(subject)).conflicts).toMatchObject([{ reason: 'BootcUnknown', blocks: false }]);
    await subject.does('bootc', `echo '${status({ booted: entry('1', 'a', { incompatible: true, image: null }) })}'`);
    expect((await stateOf(subject)).conflicts).toMatchObject([{ reason: 'BootcIncompatible', blocks: false }]);
    await subject.does('bootc', `echo '${status({})}'`);
    expect((await stateOf(subject)).conflicts).toEqual([]);
  });
});

describe('what the tools say', () => {
  const said = (stderr: string) =>
    osTreeError(
      { argv: ['rpm-ostree', 'upgrade'], exitCode: 1, signal: null, stdout: '', stderr, timedOut: false },
      'upgrade',
    );

  test.each([
    [
      'error: Transaction in progress: upgrade (download only)\n You can cancel the current transaction with `rpm-ostree cancel`',
      'tempfail',
      true,
    ],
    ['error: System transaction in progress', 'tempfail', true],
    ['error: Reboot initiated, cannot start new transaction', 'tempfail', true],
    [
      'error: Bus owner changed, aborting. This likely means the daemon crashed; check logs with `journalctl -xe`.',
      'tempfail',
      true,
    ],
    ['error: This system was not booted via libostree; cannot operate', 'oserr', false],
    ['error: Updates and deployments are driven by Zincati (zincati.service)', 'oserr', false],
    ['error: rpmostreed OS operation Upgrade not allowed for user', 'noperm', false],
    [
      'error: Authorization error: GDBus.Error:org.freedesktop.DBus.Error.ServiceUnknown: The name is not activatable',
      'noperm',
      false,
    ],
    [
      'error: Rejected send message, 2 matched rules; type="method_call", sender=":1.19" (uid=1000 pid=1994)',
      'noperm',
      false,
    ],
    ['error: Version 40.9 not found in fedora:fedora/x86_64/coreos/stable', 'data', false],
    ['error: Checksum ffff not found in fedora:fedora/x86_64/coreos/stable', 'data', false],
    ['error: Cannot look up version while tracking a container image reference', 'data', false],
    ['error: No rollback deployment found', 'data', false],
    [
      `error: While pulling cad8: Writing content object: min-free-space-percent '3%' would be exceeded, at least 16.4 kB requested`,
      'oserr',
      false,
    ],
    ['error: Installing kernel: regfile copy: No space left on device', 'oserr', false],
    [`error: While fetching https://origin.invalid/summary: [6] Couldn't resolve host name`, 'unavailable', true],
    [
      'error: Creating importer: Failed to invoke skopeo proxy method OpenImage: remote error: pinging container registry origin.invalid: Get "https://origin.invalid/v2/": dial tcp: lookup origin.invalid: Temporary failure in name resolution',
      'unavailable',
      true,
    ],
    ['error: Expected staged base checksum aaaa, but found bbbb', 'tempfail', true],
    ['error: Could not depsolve transaction; 1 problem detected:', 'oserr', false],
    [
      'error: Upgrading: Booted deployment contains local rpm-ostree modifications; cannot upgrade via bootc. You can run `rpm-ostree reset` to undo the modifications.',
      'oserr',
      false,
    ],
    ['error: something nobody has seen', 'oserr', false],
  ] as const)('%s', (stderr, kind, retryable) => {
    const error = said(stderr);
    expect([error.kind, error.retryable]).toEqual([kind, retryable]);
    expect(error.message).toContain(stderr.split('\n')[0]?.replace('error: ', '').slice(0, 60) ?? '');
  });

  test('the figures of a full disk stay in the sentence', () => {
    const error = said(
      `error: Writing content object: min-free-space-size 500MB would be exceeded, at least 2.0 kB requested`,
    );
    expect(error.message).toContain('500MB would be exceeded, at least 2.0 kB requested');
    expect(error.hint).toContain('rpm-ostree cleanup');
  });

  test('an option that is not known is told by its name, in the words of both', () => {
    const outcome = { argv: ['x'], exitCode: 1, signal: null, stdout: '', timedOut: false };
    expect(unknownOption({ ...outcome, stderr: 'error: Unknown option --lock-finalization\n' })).toBe(
      '--lock-finalization',
    );
    expect(unknownOption({ ...outcome, stderr: "error: unexpected argument '--download-only' found\n" })).toBe(
      '--download-only',
    );
    expect(unknownOption({ ...outcome, stderr: 'error: anything' })).toBeNull();
  });

  test('what does not end in time may have been done', () => {
    const error = osTreeError(
      { argv: ['rpm-ostree', 'upgrade'], exitCode: null, signal: 'SIGTERM', stdout: '', stderr: '', timedOut: true },
      'stage an upgrade',
    );
    expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
    expect(error.hint).toContain('rpm-ostree cancel');
  });
});
