// Bad input, each kind of it: one error that says what was attempted, why it failed and what to do, and not a byte written.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  expectUntouched,
  type GoldenCase,
  layOut,
  layOutTrees,
  listing,
  snapshot,
  touched,
} from '../support/golden.ts';
import { findEtcd, startEtcd } from '../support/real-etcd.ts';
import { type BinaryRun, builtBinary, runBinary } from '../support/run-binary.ts';
import { withTempDir } from '../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;
/** Some containers forbid even root to mount; what needs it is skipped there, and shown as skipped. */
const canMount = isRoot && spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/run']).status === 0;
const etcd = await findEtcd();
const metaData = 'var/cloud-init/meta-data';
const clusterFile = 'var/cloud-init/cluster.yaml';
/** Everything outside this directory is somebody else's. */
const ownDirectory = /^\/var(\/lib(\/diyc-agent(\/.*)?)?)?$/;

/** A host of the 2015 post with what is wrong with it; the run's root is gone afterwards. */
async function onHost<T>(spoil: (root: string) => Promise<void>, look: (root: string) => Promise<T>): Promise<T> {
  return await withTempDir(async (root) => {
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    await spoil(root);
    return await look(root);
  });
}

/** Every verb that reads the input refuses it in the same words, with this exit code, and nothing at all is touched. */
async function refused(root: string, code: number, args: readonly string[] = []): Promise<string> {
  const before = await snapshot(root);
  const runs: BinaryRun[] = [];
  for (const verb of ['boot', 'apply', 'plan']) runs.push(await runBinary([verb, '--root', root, ...args]));
  expectUntouched(before, await snapshot(root));
  expect(runs.map((run) => [run.code, run.stdout])).toEqual([0, 1, 2].map(() => [code, '']));
  const [stderr = '', ...others] = runs.map((run) => run.stderr);
  for (const other of others) expect(other).toBe(stderr);
  expect(stderr).toMatch(/error: .+\n/);
  expect(stderr).toMatch(/\n {2}hint: .+\n$/);
  // The same as one JSON document, for programs.
  const json = await runBinary(['boot', '--root', root, '--json', ...args]);
  expect(json.code).toBe(code);
  expect(JSON.parse(json.stdout)).toMatchObject({ schema: 1, error: { exitCode: code } });
  return stderr;
}

const meta = (content: string | Uint8Array) => (root: string) => writeFile(`${root}/${metaData}`, content);
const cluster = (change: (text: string) => string | Uint8Array) => async (root: string) => {
  await writeFile(`${root}/${clusterFile}`, change(await readFile(`${root}/${clusterFile}`, 'utf8')));
};
const swap = (from: string, to: string) => cluster((text) => text.replace(from, to));

interface BadInput {
  readonly what: string;
  readonly spoil: (root: string) => Promise<void>;
  /** All of these stand in what is said. */
  readonly says: readonly (string | RegExp)[];
}

const badMetaData: readonly BadInput[] = [
  {
    what: 'a name that no node has: the known names are listed',
    spoil: meta('local-hostname: b7\n'),
    says: ['"b7"', 'its nodes are a1, a2, a3', 'correct local-hostname'],
  },
  {
    what: 'a name that is nearly one: the nearest is suggested',
    spoil: meta('local-hostname: a33\n'),
    says: ['"a33"', 'did you mean "a3"?'],
  },
  {
    what: 'no meta-data at all: every place that was looked at is listed',
    spoil: (root) => rm(`${root}/${metaData}`),
    says: ['/var/cloud-init/meta-data', '/run/cloud-init/instance-data.json', 'local-hostname: a1'],
  },
  { what: 'empty meta-data', spoil: meta(''), says: ['/var/cloud-init/meta-data is empty'] },
  {
    what: 'meta-data without a name',
    spoil: meta('instance-id: iid-local01\n'),
    says: ['without local-hostname', 'it has no local-hostname'],
  },
  {
    what: 'meta-data whose name is under a key that NoCloud ignores',
    spoil: meta('hostname: a1\n'),
    says: ['it has hostname, which NoCloud ignores'],
  },
  {
    what: 'garbled meta-data',
    spoil: meta('local-hostname: [a1\ninstance-id: x\n'),
    says: ['cannot read the meta-data in /var/cloud-init/meta-data:2', 'anew with two lines'],
  },
  {
    what: 'binary meta-data',
    spoil: meta(Uint8Array.from({ length: 512 }, (_, i) => (i * 37 + 128) % 256)),
    says: ['var/cloud-init/meta-data', 'not UTF-8'],
  },
  {
    what: 'meta-data with a NUL in it',
    spoil: meta('local-hostname: a1\0\n'),
    says: ['meta-data:1', '\\u0000'],
  },
  {
    what: 'meta-data of half a megabyte',
    spoil: meta(`# ${'x'.repeat(512 * 1024)}\nlocal-hostname: a1\n`),
    says: ['larger than 256 KiB'],
  },
  {
    what: 'meta-data of five megabytes',
    spoil: meta(`local-hostname: a1\nx: ${'x'.repeat(5 * 1024 * 1024)}\n`),
    says: ['larger than 1 MiB'],
  },
  ...(
    [
      ['on', 'True'],
      ['yes', 'True'],
      ['No', 'False'],
      ['0123', '83'],
      ['1:30', '90'],
      ['1_000', '1000'],
      ['12', null],
      ['1.5', null],
      ['2024-01-01', null],
    ] as const
  ).map(([name, readAs]) => ({
    what: `the unquoted name ${name}, which YAML 1.1 does not read as text`,
    spoil: meta(`local-hostname: ${name}\n`),
    says: [
      `${metaData}:1`,
      readAs === null ? name : `is written "${name}" and read as ${readAs}`,
      `local-hostname: "${name}"`,
    ],
  })),
  {
    what: 'a name with a character that no host name has',
    spoil: meta('local-hostname: a_1\n'),
    says: ['"_" may not be in a host name'],
  },
  {
    what: 'a name that would move the cursor of a terminal',
    spoil: meta('local-hostname: "a1\\e[2Jb"\n'),
    says: [/\\x1b|\\u001b/],
  },
  {
    what: 'instance data of cloud-init that was cut off',
    spoil: async (root) => {
      await mkdir(`${root}/run/cloud-init`, { recursive: true });
      await writeFile(`${root}/run/cloud-init/instance-data.json`, '{"ds": {"meta_data": {"local-ho');
    },
    says: ['/run/cloud-init/instance-data.json', 'reboot'],
  },
];

const badClusterFiles: readonly BadInput[] = [
  {
    what: 'two nodes with one address',
    spoil: swap('192.168.99.52', '192.168.99.51'),
    says: [`${clusterFile}:6:18: error: node a2 has the address of node a1 (line 5) [duplicate-address]`],
  },
  {
    what: 'a key that is there twice',
    spoil: swap('flannel:', 'cluster: other\nflannel:'),
    says: [`${clusterFile}:8:1: error:`, 'line 3 already', '[duplicate-key]'],
  },
  {
    what: 'a node that is there twice',
    spoil: swap('  a2:', '  a1:'),
    says: [`${clusterFile}:6:3: error:`, '[duplicate-key]'],
  },
  {
    what: 'a key that does not exist: the nearest is suggested',
    spoil: swap('flannel:', 'flanel:'),
    says: ['no key "flanel" [unknown-key]', 'did you mean "flannel"?'],
  },
  {
    what: 'another version',
    spoil: swap('version: 1', 'version: 2'),
    says: [`${clusterFile}:2:10: error:`, 'write 1'],
  },
  { what: 'no YAML', spoil: cluster(() => 'nodes: [\n'), says: ['[yaml-syntax]', 'remedy:'] },
  { what: 'an empty file', spoil: cluster(() => ''), says: ['"nodes", which is required', '4 errors'] },
  { what: 'a file that is no text', spoil: cluster(() => Uint8Array.of(0xff, 0, 1, 2)), says: ['not UTF-8'] },
  {
    what: 'no cluster file anywhere: every place is listed',
    spoil: (root) => rm(`${root}/${clusterFile}`),
    says: ['there is no cluster file', '/etc/diyc-agent/cluster.yaml', 'cluster.yaml beside the meta-data'],
  },
  {
    what: 'names that YAML reads as numbers',
    spoil: swap('  a2:', '  02:'),
    says: ['reads the key 02 as 2', 'quote it: "02":'],
  },
  {
    what: 'a flannel network that is too small',
    spoil: swap('172.18.0.0/16', '172.18.0.0/29'),
    says: ['[network-too-small]', 'choose a larger network'],
  },
  {
    what: 'a flannel network that is not aligned',
    spoil: swap('172.18.0.0/16', '172.18.0.5/16'),
    says: ['[network-host-bits]', 'write 172.18.0.0/16'],
  },
  {
    what: 'a first subnet that is not aligned',
    spoil: swap('172.18.0.0/16', '172.18.0.0/16\n  subnetMin: 172.18.1.7'),
    says: ['[subnet-range]', 'write 172.18.1.0'],
  },
  {
    what: 'a flannel network that the nodes are in, all three findings at once',
    spoil: swap('172.18.0.0/16', '192.168.0.0/16'),
    says: ['[address-in-overlay]', 'node a1', 'node a2', 'node a3', '3 errors'],
  },
  {
    what: 'a member that is no node',
    spoil: swap('flannel:', 'etcd: { members: [a1, a2, a9] }\nflannel:'),
    says: ['etcd.members names "a9"', 'name one of a1, a2, a3'],
  },
  {
    what: 'several faults: all of them at once, in the order of the file',
    spoil: cluster((text) =>
      text.replace('.52 }', '.51 }').replace('172.18.0.0/16', '172.18.0.5/16').replace('version: 1', 'version: 3'),
    ),
    says: [/\[version\][\s\S]+\[duplicate-address\][\s\S]+\[network-host-bits\]/, '3 errors'],
  },
];

describe('meta-data that does not tell which node this is ends with 65', () => {
  for (const { what, spoil, says } of badMetaData) {
    test(what, async () => {
      const stderr = await onHost(spoil, (root) => refused(root, 65));
      for (const part of says) expect(stderr).toMatch(typeof part === 'string' ? literal(part) : part);
      expect(stderr).not.toContain('\u001b');
    });
  }
});

describe('a cluster file that is not valid ends with 78', () => {
  for (const { what, spoil, says } of badClusterFiles) {
    test(what, async () => {
      const stderr = await onHost(spoil, (root) => refused(root, 78));
      for (const part of says) expect(stderr).toMatch(typeof part === 'string' ? literal(part) : part);
    });
  }
});

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

describe('a link that leads out of --root is refused, and what it leads to is left alone', () => {
  /** The tree is `inside`; the link climbs to `outside` beside it. */
  async function withOutside(
    link: (root: string, outside: string) => Promise<void>,
    look: (root: string) => Promise<void>,
  ): Promise<void> {
    await withTempDir(async (directory) => {
      const [root, outside] = [`${directory}/inside`, `${directory}/outside`];
      await mkdir(root);
      await mkdir(`${outside}/etcd.service.d`, { recursive: true });
      await writeFile(`${outside}/etcd.conf`, 'SOMEBODY=else\n');
      await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
      await link(root, outside);
      const before = await snapshot(outside);
      await look(root);
      expectUntouched(before, await snapshot(outside));
    });
  }
  const replaced = async (root: string, path: string, target: string): Promise<void> => {
    await rm(`${root}/${path}`, { recursive: true, force: true });
    await mkdir(`${root}/${path.slice(0, path.lastIndexOf('/'))}`, { recursive: true });
    await symlink(target, `${root}/${path}`);
  };

  test('the last part of a path, climbing', async () => {
    await withOutside(
      (root) => replaced(root, 'etc/etcd/etcd.conf', '../../../outside/etcd.conf'),
      async (root) => {
        expect(await refused(root, 65)).toMatch(/etc\/etcd\/etcd\.conf is a symbolic link that leads out of/);
      },
    );
  });

  test('a directory on the way, climbing', async () => {
    await withOutside(
      (root) => replaced(root, 'etc/systemd/system', '../../../outside'),
      async (root) => {
        expect(await refused(root, 65)).toMatch(/etc\/systemd\/system is a symbolic link that leads out of/);
      },
    );
  });

  test('a directory that would be made, climbing far beyond the root', async () => {
    await withOutside(
      (root) => replaced(root, 'var/lib/diyc-agent', '../../../../../../../../../tmp/diyc-agent-of-nobody'),
      async (root) => {
        expect(await refused(root, 65)).toMatch(/var\/lib\/diyc-agent is a symbolic link that leads out of/);
      },
    );
  });

  test('the meta-data itself', async () => {
    await withOutside(
      (root) => replaced(root, metaData, '../../../outside/etcd.conf'),
      async (root) => {
        expect(await refused(root, 65)).toMatch(/meta-data is a symbolic link that leads out of/);
      },
    );
  });

  test.skipIf(!isRoot)(
    'an absolute link stays inside: it is looked up below the root, whatever stands outside',
    async () => {
      await withOutside(
        async (root, outside) => {
          await replaced(root, 'etc/etcd/etcd.conf', `${outside}/etcd.conf`);
          await mkdir(`${root}${outside}`, { recursive: true });
          await writeFile(`${root}${outside}/etcd.conf`, '# of the tree\n');
        },
        async (root) => {
          expect((await runBinary(['boot', '--root', root])).code).toBe(0);
          const link = `${root}${root.replace(/inside$/, 'outside')}/etcd.conf`;
          expect(await readFile(link, 'utf8')).toContain('ETCD_NAME="a1"');
        },
      );
    },
  );

  test.skipIf(!isRoot)(
    'an absolute link to what does not exist below the root is not followed to the host',
    async () => {
      await withOutside(
        (root, outside) => replaced(root, 'etc/etcd/etcd.conf', `${outside}/etcd.conf`),
        async (root) => {
          const before = await snapshot(root);
          const run = await runBinary(['boot', '--root', root]);
          expect(run.code).toBe(65);
          expect(run.stderr).toContain('does not exist below');
          // Steps before it may have been done; the link and its neighbours are as they were.
          expect(touched(before, await snapshot(root)).filter((path) => path.startsWith('/etc/etcd'))).toEqual([]);
        },
      );
    },
  );
});

describe.skipIf(!canMount)('a target that cannot be written', () => {
  const mounted: string[] = [];
  afterAll(async () => {
    for (const directory of mounted) {
      spawnSync('umount', ['-l', directory]);
      await rm(directory, { recursive: true, force: true });
    }
  });

  function mount(args: readonly string[], directory: string): boolean {
    const { status } = spawnSync('mount', [...args, directory], { encoding: 'utf8' });
    if (status === 0 && !mounted.includes(directory)) mounted.push(directory);
    return status === 0;
  }

  test('a read-only file system: 71, it says so, and nothing is written', async () => {
    const root = await mkdtemp(`${tmpdir()}/diyc-agent-ro-`);
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    expect([mount(['--bind', root], root), mount(['-o', 'remount,bind,ro'], root)]).toEqual([true, true]);
    const before = await snapshot(root);
    const run = await runBinary(['boot', '--root', root]);
    expect([run.code, run.stderr]).toEqual([71, expect.stringContaining('the file system is read-only')]);
    expect(run.stderr).toMatch(/\n {2}hint: make the file system .+ writable/);
    expectUntouched(before, await snapshot(root));
    // To look is still allowed.
    expect((await runBinary(['plan', '--root', root])).code).toBe(2);
  });

  test('a full file system: 71, it says so, and no file is replaced by half of another', async () => {
    const root = await mkdtemp(`${tmpdir()}/diyc-agent-full-`);
    expect(mount(['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs'], root)).toBe(true);
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    spawnSync('sh', ['-c', `cat /dev/zero > ${root}/ballast`]);
    const before = await snapshot(root);
    const run = await runBinary(['boot', '--root', root]);
    expect([run.code, run.stderr]).toEqual([71, expect.stringContaining('no space left on the file system')]);
    expect(run.stderr).toMatch(/\n {2}hint: free space on the file system/);
    const after = await snapshot(root);
    expect(touched(before, after).filter((path) => !ownDirectory.test(path))).toEqual([]);
    // With room again the same command does it all.
    await rm(`${root}/ballast`);
    expect((await runBinary(['boot', '--root', root])).code).toBe(0);
    expect((await runBinary(['plan', '--root', root])).code).toBe(0);
  });

  test('a file system that fills up half-way: what is written is whole, and the next run does the rest', async () => {
    const root = await mkdtemp(`${tmpdir()}/diyc-agent-half-`);
    expect(mount(['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs'], root)).toBe(true);
    const original = await onHost(
      () => Promise.resolve(),
      async (undisturbed) => {
        const before = await snapshot(undisturbed);
        await runBinary(['boot', '--root', undisturbed]);
        return { before, after: await snapshot(undisturbed) };
      },
    );
    for (const room of [2, 4, 6, 8]) {
      spawnSync('sh', ['-c', `rm -rf ${root}/*`]);
      await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
      spawnSync('sh', ['-c', `cat /dev/zero > ${root}/ballast; truncate -s -${room * 4096} ${root}/ballast`]);
      const run = await runBinary(['boot', '--root', root]);
      expect([room, run.code]).toEqual([room, 71]);
      for (const [path, state] of await snapshot(root)) {
        if (path === '/ballast' || ownDirectory.test(path) || state.kind !== 'file') continue;
        const whole = [original.before.get(path)?.content, original.after.get(path)?.content];
        expect([path, whole.includes(state.content)]).toEqual([path, true]);
      }
      await rm(`${root}/ballast`);
      expect((await runBinary(['boot', '--root', root])).code).toBe(0);
      expect(listing(original.before, await snapshot(root))).toBe(listing(original.before, original.after));
    }
  });
});

describe('storage', () => {
  /** Debian with docker-ce and a LUN declared, as it is before its first boot. */
  const declared = async (look: (root: string) => Promise<void>): Promise<void> => {
    const place = fileURLToPath(new URL('../golden/storage-declared', import.meta.url));
    const golden = JSON.parse(await readFile(`${place}/case.json`, 'utf8')) as GoldenCase;
    await withTempDir(async (root) => {
      await layOut(root, place, golden);
      await look(root);
    });
  };

  for (const verb of ['attach', 'detach', 'show', 'grow --yes', 'add iscsi:1 --yes']) {
    test.skipIf(!isRoot)(`${verb} below --root is refused: that needs the running host`, async () => {
      await declared(async (root) => {
        const before = await snapshot(root);
        const run = await runBinary(['storage', ...verb.split(' '), '--root', root]);
        expect([run.code, run.stdout]).toEqual([64, '']);
        expect(run.stderr).toMatch(/^error: cannot .+ below the root .+: that needs the running host$/m);
        expect(run.stderr).toContain('  hint: run the same command on the host itself, without --root\n');
        // Not even the file that says how the last attempt ended.
        expect(listing(before, await snapshot(root))).not.toContain('storage.json');
        expect(listing(before, await snapshot(root)).match(/ \/(?!run\b)\S+/g)).toBeNull();
      });
    });

    test(`${verb} where the cluster file declares none: that is said, and nothing is touched`, async () => {
      await onHost(
        () => Promise.resolve(),
        async (root) => {
          const before = await snapshot(root);
          const run = await runBinary(['storage', ...verb.split(' '), '--root', root]);
          if (verb === 'show') {
            expect([run.code, run.stderr]).toEqual([0, '']);
            expect(run.stdout).toStartWith('no storage is declared for a1: ');
          } else if (verb === 'attach' || verb === 'detach') {
            // What the unit runs: a distribution may have enabled it by itself.
            expect([run.code, run.stdout]).toEqual([0, '']);
            expect(run.stderr).toContain('nothing to do: the cluster file declares no storage for a1');
          } else {
            expect([run.code, run.stdout]).toEqual([78, '']);
            expect(run.stderr).toBe(
              'error: the cluster file declares no storage for a1\n  hint: docker uses the root disk; to give it a disk of its own, add storage: to the cluster file\n',
            );
          }
          expectUntouched(before, await snapshot(root));
        },
      );
    });
  }

  for (const name of ['sdb', '/dev/sdb', 'iscsi:x', '/dev/disk/by-uuid/1', '']) {
    test.skipIf(!isRoot)(`add ${JSON.stringify(name)}: no name that stays with one disk`, async () => {
      const run = await runBinary(['storage', 'add', name, '--yes']);
      expect([run.code, run.stdout]).toEqual([64, '']);
      expect(run.stderr).toStartWith(`error: cannot add "${name}": `);
      expect(run.stderr).toContain('\n  hint: ');
    });
  }

  for (const size of ['12X', '-1', '0', 'M', '', '1e9', '99999999999999G']) {
    test(`estimate ${JSON.stringify(size)}: no size`, async () => {
      const run = await runBinary(['storage', 'estimate', '--', size]);
      expect([run.code, run.stdout, run.stderr]).toEqual([
        64,
        '',
        `error: SIZE is "${size}", which is no size\n  hint: write a number above zero and a unit: 80M, 1.5G, 300MiB\n`,
      ]);
    });
  }

  test.skipIf(!isRoot)('a missing argument, a verb that does not exist, a deadline that is none', async () => {
    for (const args of [['add'], ['estimate'], ['attatch'], ['grow', '--deadline', 'soon']]) {
      const run = await runBinary(['storage', ...args]);
      expect([args, run.code, run.stdout]).toEqual([args, 64, '']);
    }
  });
});

describe.skipIf(!isRoot)('without root', () => {
  let directory = '';
  let program = '';
  beforeAll(async () => {
    directory = await mkdtemp(`${tmpdir()}/diyc-agent-nobody-`);
    await chmod(directory, 0o755);
    // The checkout may be in a place where nobody may look.
    program = `${directory}/diyc-agent`;
    await copyFile(builtBinary, program);
    await chmod(program, 0o755);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  function asNobody(...args: string[]) {
    const drop = ['--reuid=65534', '--regid=65534', '--clear-groups', program, ...args];
    return spawnSync('setpriv', drop, { encoding: 'utf8', cwd: '/', env: { PATH: '/usr/bin:/bin' } });
  }

  const storage = ['attach', 'detach', 'show', 'grow', 'gauge'].map((verb) => `storage ${verb}`);
  for (const verb of [
    'boot',
    'apply',
    'report',
    'join seed',
    'join lease',
    'join bridge',
    'join forward',
    ...storage,
  ]) {
    test(`${verb} ends with 77 before it looks at anything`, () => {
      const run = asNobody(...verb.split(' '));
      expect([run.status, run.stdout]).toEqual([77, '']);
      const why =
        verb === 'storage show'
          ? 'only root may look at disks, LVM and device-mapper'
          : 'it changes the host, and you are not root';
      expect(run.stderr).toBe(`error: cannot run ${verb}: ${why}\n  hint: run it as root: sudo diyc-agent ${verb}\n`);
    });
  }

  test('a tree that belongs to somebody else: 77, and nothing is written', async () => {
    const root = `${directory}/tree`;
    await mkdir(root);
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    await chmod(`${root}/etc/gshadow`, 0o644);
    const before = await snapshot(root);
    const run = asNobody('boot', '--root', root);
    expect([run.status, run.stderr]).toEqual([77, expect.stringContaining('permission denied')]);
    expect(run.stderr).toContain('  hint: run as root');
    expectUntouched(before, await snapshot(root));
    expect(asNobody('plan', '--root', root).status).toBe(2);
  });
});

describe.skipIf(!isRoot)('a file that was edited by hand since the last run', () => {
  const path = 'etc/sysconfig/flanneld';

  test('it is shown as drift, kept, told and put right; edited again, both edits are kept', async () => {
    await onHost(
      () => Promise.resolve(),
      async (root) => {
        const original = await readFile(`${root}/${path}`, 'utf8');
        expect((await runBinary(['boot', '--root', root])).code).toBe(0);
        const ours = await readFile(`${root}/${path}`, 'utf8');
        const edits = ['FLANNEL_ETCD="http://10.0.0.1:2379"\n', `${ours}# tuned by hand\n`];
        const kept: string[] = [];
        for (const edit of edits) {
          await writeFile(`${root}/${path}`, edit);
          const before = await snapshot(root);
          const plan = await runBinary(['plan', '--root', root]);
          expect([plan.code, plan.stdout]).toEqual([2, expect.stringContaining('drift: the file was changed')]);
          const copy = /the present file is kept as (\S+)/.exec(plan.stdout)?.[1] ?? '';
          expect(plan.stdout).toContain(`-${edit.split('\n').at(-2)}`);
          expectUntouched(before, await snapshot(root));
          const boot = await runBinary(['boot', '--root', root]);
          expect([boot.code, boot.stderr]).toEqual([0, expect.stringContaining(`kept as ${copy}`)]);
          expect(await readFile(`${root}/${path}`, 'utf8')).toBe(ours);
          expect(await readFile(`${root}${copy}`, 'utf8')).toBe(edit);
          kept.push(copy);
        }
        expect(new Set(kept).size).toBe(2);
        // Neither the first edit nor the original of the package is lost by the second.
        expect(await readFile(`${root}${kept[0]}`, 'utf8')).toBe(edits[0] ?? '');
        expect(await readFile(`${root}/${path}.save`, 'utf8')).toBe(original);
        // The same edit once more is kept already: no further copy.
        await writeFile(`${root}/${path}`, edits[0] ?? '');
        const before = await snapshot(root);
        expect((await runBinary(['boot', '--root', root])).code).toBe(0);
        expect(listing(before, await snapshot(root)).match(/save/g)).toBeNull();
      },
    );
  });

  test('a new wish of the cluster file is no drift: nothing is kept of what was ours', async () => {
    await onHost(
      () => Promise.resolve(),
      async (root) => {
        await runBinary(['boot', '--root', root]);
        await swap('prefix: /admin/flannel', 'prefix: /other')(root);
        const before = await snapshot(root);
        const plan = await runBinary(['plan', '--root', root]);
        expect(plan.stdout).not.toContain('drift');
        expect((await runBinary(['boot', '--root', root])).code).toBe(0);
        expect(listing(before, await snapshot(root))).not.toContain('save');
      },
    );
  });
});

describe.skipIf(!canMount)('an etcd that accepts connections and never answers', () => {
  const address = '192.168.99.51';
  const text = `version: 1\ncluster: silent\nnodes:\n  a1: { address: ${address} }\nflannel: { network: 172.18.0.0/16 }\n`;

  /** In a network of its own, where only the silent server is: nothing of this reaches another machine. */
  async function beside(verb: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return await withTempDir(async (directory) => {
      const file = `${directory}/cluster.yaml`;
      await writeFile(file, text);
      return await asNode(file, verb, [
        `ip link set lo up && ip address add ${address}/32 dev lo`,
        `"${process.execPath}" -e "require('net').createServer(() => undefined).listen(2379, '0.0.0.0')" & server=$!`,
        // The connection itself has to work: it is the answer that never comes.
        'until (: </dev/tcp/127.0.0.1/2379) 2>/dev/null; do sleep 0.02; done',
      ]);
    });
  }

  test('nodes ends with 69 and says which endpoint is silent', async () => {
    const run = await beside('nodes');
    expect([run.code, run.stdout]).toEqual([69, '']);
    expect(run.stderr).toMatch(/127\.0\.0\.1:2379|192\.168\.99\.51:2379/);
    expect(run.stderr).toMatch(/hint: .+/);
  }, 40_000);

  test('wait ends with 75 at its own timeout, with the last reason', async () => {
    const run = await beside('wait --for ready --timeout 2s');
    expect([run.code, run.stdout]).toEqual([75, '']);
    expect(run.stderr).toMatch(/error: gave up after \d+ s: .+/);
  }, 40_000);

  test('status ends, and shows etcd as what it is', async () => {
    const run = await beside('status');
    expect([1, 2, 3]).toContain(run.code ?? -1);
    expect(run.stdout).toMatch(/EtcdHealthy .+(does not answer|no answer|silent)/);
    expect(run.stdout).toContain('->');
  }, 40_000);

  test('join seed ends with 75 at its deadline and leaves no wait behind', async () => {
    const run = await beside('join seed --deadline 2s');
    expect([run.code, run.stdout]).toEqual([75, '']);
    expect(run.stderr).toMatch(/gave up after \d+ s: waiting for etcd/);
    expect(run.stderr).toMatch(/hint: .+/);
  }, 40_000);
});

describe("flannel's configuration is in etcd already, with other content", () => {
  const other = '{"Network":"10.77.0.0/16","Backend":{"Type":"host-gw"}}';
  const key = '/admin/flannel/config';

  test.skipIf(!canMount || 'missing' in etcd)(
    'join seed leaves it alone, says both values, and does not fail',
    async () => {
      if ('missing' in etcd) throw new Error(etcd.missing);
      await withTempDir(async (directory) => {
        const server = await startEtcd(etcd.path, directory);
        try {
          const base64 = (text: string): string => Buffer.from(text).toString('base64');
          const ask = async (verb: 'put' | 'range', body: Readonly<Record<string, string>>): Promise<string> =>
            await (
              await fetch(`${server.endpoint}/v3/kv/${verb}`, { method: 'POST', body: JSON.stringify(body) })
            ).text();
          await ask('put', { key: base64(key), value: base64(other) });
          const before = await ask('range', { key: base64(key) });
          await writeFile(
            `${directory}/cluster.yaml`,
            'version: 1\ncluster: drift\nnodes:\n  a1: { address: 192.168.99.51 }\n' +
              `etcd: { clientPort: ${new URL(server.endpoint).port} }\nflannel: { network: 172.18.0.0/16 }\n`,
          );
          const run = await asNode(`${directory}/cluster.yaml`, 'join seed --deadline 20s');
          expect([run.code, run.stdout]).toEqual([0, '']);
          expect(run.stderr).toMatch(/warning: .*10\.77\.0\.0\/16.*172\.18\.0\.0\/16.*left as it is/);
          // The value and every revision of it.
          const kvs = (text: string): unknown => (JSON.parse(text) as { kvs?: unknown }).kvs;
          expect(kvs(await ask('range', { key: base64(key) }))).toEqual(kvs(before));
        } finally {
          await server.stop();
        }
      });
    },
    60_000,
  );
});

/** The running host, with a /run of its own in which it is node a1. */
async function asNode(
  file: string,
  verb: string,
  network: readonly string[] = [],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const facts = '{"ds":{"meta_data":{"instance-id":"i","local-hostname":"a1"}},"v1":{"platform":"nocloud"}}';
  const script = [
    // Opened before /run, where it may lie, is another one.
    'exec 3< "$1"',
    'server=',
    ...network,
    'mount -t tmpfs tmpfs /run || exit 120',
    `mkdir /run/cloud-init && echo '${facts}' > /run/cloud-init/instance-data.json`,
    `cat <&3 > /run/cluster.yaml; ${builtBinary} ${verb} --config /run/cluster.yaml`,
    'code=$?; ls /run/diyc-agent/waits 2>/dev/null; [ -z "$server" ] || kill "$server"; exit $code',
  ].join('\n');
  const namespaces = network.length === 0 ? ['--mount'] : ['--mount', '--net'];
  const child = Bun.spawn(['unshare', ...namespaces, 'bash', '-c', script, 'bash', file], {
    stdout: 'pipe',
    stderr: 'pipe',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const code = await child.exited;
  clearTimeout(timer);
  return { code, stdout, stderr };
}
