// The contract of the Files port, held against the real adapter below a directory and against the fake in memory.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { rootedFiles } from '../../agent/host/rooted-files.ts';
import type { Files } from '../../agent/ports/files.ts';
import { effectLog } from '../support/effect-log.ts';
import { type FakeEntry, fakeFiles } from '../support/fake-files.ts';
import { refusal } from '../support/refusal.ts';
import { readTree, type Tree, writeTree } from '../support/tree.ts';
import { virtualClock } from '../support/virtual-clock.ts';

interface Subject {
  readonly files: Files;
  /** What is there, without looking through the port. */
  snapshot(): Promise<Record<string, string>>;
  putBytes(path: string, bytes: Uint8Array): Promise<void>;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function real(tree: Tree): Promise<Subject> {
  const root = await mkdtemp(`${tmpdir()}/diyc-agent-files-`);
  cleanUps.push(() => rm(root, { recursive: true, force: true }));
  await writeTree(root, tree);
  const snapshot = async (): Promise<Record<string, string>> =>
    Object.fromEntries(Object.entries(await readTree(root)).filter(([path]) => !path.endsWith('/')));
  return { files: rootedFiles({ root }), snapshot, putBytes: (path, bytes) => writeFile(`${root}${path}`, bytes) };
}

async function fake(tree: Tree): Promise<Subject> {
  const entries = Object.entries(tree).map(([path, content]): [string, FakeEntry] => {
    if (path.endsWith('/')) return [path, { directory: true }];
    return [path, content.startsWith('-> ') ? { link: content.slice(3) } : content];
  });
  const files = fakeFiles({ tree: Object.fromEntries(entries), clock: virtualClock(), log: effectLog() });
  return {
    files,
    snapshot: async () => files.snapshot(),
    putBytes: async (path, bytes) => files.put({ [path]: { bytes } }),
  };
}

const plain = { mode: 0o644, owner: null };

for (const [name, make] of [
  ['the real files', real],
  ['the fake files', fake],
] as const) {
  describe(name, () => {
    test('a file is read whole, with a byte order mark if it has one', async () => {
      const { files } = await make({ '/etc/a': 'one\ntwo', '/etc/bom': '\ufeffx' });
      expect(await files.readText('/etc/a')).toBe('one\ntwo');
      expect(await files.readText('/etc/bom')).toBe('\ufeffx');
    });

    test('what is not there is null, also below a file', async () => {
      const { files } = await make({ '/etc/a': '' });
      expect(await files.readText('/etc/b')).toBeNull();
      expect(await files.readText('/etc/a/b')).toBeNull();
      expect(await files.readHead('/nowhere/b', 4)).toBeNull();
      expect(await files.stat('/etc/a/b')).toBeNull();
      expect(await files.readLink('/etc/b')).toBeNull();
      expect(await files.exists('/etc/b')).toBe(false);
      expect(await files.list('/etc/b')).toEqual([]);
    });

    test('what is no text, or too much of it, or no file, is refused as data', async () => {
      const { files, putBytes } = await make({ '/etc/': '' });
      await putBytes('/etc/binary', new Uint8Array([0xff, 0xfe, 0x41]));
      await putBytes('/etc/large', new Uint8Array(1024 * 1024 + 1).fill(0x41));
      await putBytes('/etc/just', new Uint8Array(1024 * 1024).fill(0x41));
      expect((await refusal(() => files.readText('/etc/binary'))).kind).toBe('data');
      expect((await refusal(() => files.readText('/etc/large'))).kind).toBe('data');
      expect((await refusal(() => files.readText('/etc'))).kind).toBe('data');
      expect((await files.readText('/etc/just'))?.length).toBe(1024 * 1024);
      expect(await files.readHead('/etc/binary', 2)).toEqual(Buffer.from([0xff, 0xfe]));
    });

    test('links are followed below the root: absolute ones from there, relative ones from their place', async () => {
      const { files } = await make({
        '/usr/lib/os-release': 'ID=x',
        '/etc/os-release': '-> ../usr/lib/os-release',
        '/etc/absolute': '-> /usr/lib/os-release',
        '/lib': '-> usr/lib',
        '/etc/chain': '-> /lib/os-release',
      });
      for (const path of ['/etc/os-release', '/etc/absolute', '/lib/os-release', '/etc/chain'] as const) {
        expect(await files.readText(path)).toBe('ID=x');
        expect(await files.exists(path)).toBe(true);
      }
      expect(await files.list('/lib')).toEqual(['os-release']);
      expect(await files.readLink('/etc/chain')).toBe('/lib/os-release');
      expect(await files.readLink('/lib/os-release')).toBeNull();
    });

    test('a link that leads out of the root is refused for reading and writing, and named', async () => {
      const { files, snapshot } = await make({
        '/etc/etcd': '-> ../../outside',
        '/etc/a': '-> ../../../../etc/hostname',
      });
      const before = await snapshot();
      const reading = await refusal(() => files.readText('/etc/etcd/etcd.conf'));
      expect(reading.kind).toBe('data');
      expect(reading.message).toContain('/etc/etcd is a symbolic link that leads out');
      expect((await refusal(() => files.exists('/etc/a'))).kind).toBe('data');
      expect((await refusal(() => files.list('/etc/etcd'))).kind).toBe('data');
      expect((await refusal(() => files.replace('/etc/etcd/etcd.conf', 'x', plain))).kind).toBe('data');
      expect((await refusal(() => files.replace('/etc/a', 'x', plain))).kind).toBe('data');
      expect((await refusal(() => files.append('/etc/a', 'x'))).kind).toBe('data');
      expect((await refusal(() => files.makeDirectory('/etc/etcd/x', plain))).kind).toBe('data');
      expect((await refusal(() => files.makeLink('/etc/etcd/x', '/y'))).kind).toBe('data');
      expect(await snapshot()).toEqual(before);
    });

    test('a link to something that does not exist reads as nothing and is never written through', async () => {
      const { files, snapshot } = await make({ '/etc/a': '-> /nowhere/a', '/etc/dir': '-> nothing' });
      const before = await snapshot();
      expect(await files.readText('/etc/a')).toBeNull();
      expect(await files.exists('/etc/a')).toBe(false);
      expect((await files.stat('/etc/a'))?.kind).toBe('link');
      expect((await refusal(() => files.replace('/etc/a', 'x', plain))).kind).toBe('data');
      expect((await refusal(() => files.replace('/etc/dir/x', 'x', plain))).kind).toBe('data');
      expect((await refusal(() => files.append('/etc/a', 'x'))).kind).toBe('data');
      expect((await refusal(() => files.makeDirectory('/etc/dir', plain))).kind).toBe('data');
      expect(await snapshot()).toEqual(before);
    });

    test('links in a circle are refused as data, and forty of them in a row are not', async () => {
      const chain: Record<string, string> = { '/c/0': 'end' };
      for (let i = 1; i <= 41; i++) chain[`/c/${i}`] = `-> ${i - 1}`;
      const { files } = await make({ '/a': '-> /b', '/b': '-> a', ...chain });
      expect((await refusal(() => files.readText('/a'))).kind).toBe('data');
      expect((await refusal(() => files.replace('/a', 'x', plain))).kind).toBe('data');
      expect(await files.readText('/c/40')).toBe('end');
      expect((await refusal(() => files.readText('/c/41'))).kind).toBe('data');
    });

    test('stat tells about the path itself', async () => {
      const { files } = await make({ '/d/f': 'four', '/d/l': '-> f' });
      expect(await files.stat('/d/f')).toMatchObject({ kind: 'file', mode: 0o644, sizeBytes: 4 });
      expect((await files.stat('/d/l'))?.kind).toBe('link');
      expect((await files.stat('/d'))?.kind).toBe('directory');
      expect((await files.stat('/'))?.kind).toBe('directory');
    });

    test('a directory is listed in order', async () => {
      const { files } = await make({ '/d/b': '', '/d/a': '', '/d/c/': '' });
      expect(await files.list('/d')).toEqual(['a', 'b', 'c']);
      expect(await files.list('/')).toEqual(['d']);
    });

    test('replace makes the file with its mode, and the missing directories on the way', async () => {
      const { files, snapshot } = await make({ '/etc/': '' });
      await files.replace('/etc/etcd/sub/etcd.conf', 'ETCD_NAME="a1"\n', { mode: 0o600, owner: null }, null);
      expect(await snapshot()).toEqual({ '/etc/etcd/sub/etcd.conf': 'ETCD_NAME="a1"\n' });
      expect((await files.stat('/etc/etcd/sub/etcd.conf'))?.mode).toBe(0o600);
      expect((await files.stat('/etc/etcd'))?.mode).toBe(0o755);
      expect((await files.stat('/etc/etcd/sub'))?.mode).toBe(0o755);
    });

    test('replace is refused when the file is not as expected, and leaves nothing behind', async () => {
      const { files, snapshot } = await make({ '/etc/a': 'theirs' });
      const before = await snapshot();
      for (const [path, expected] of [
        ['/etc/a', null],
        ['/etc/a', 'mine'],
        ['/etc/b', 'mine'],
      ] as const) {
        const error = await refusal(() => files.replace(path, 'new', plain, expected));
        expect([error.kind, error.retryable, error.isConflict]).toEqual(['tempfail', true, true]);
      }
      expect(await snapshot()).toEqual(before);
      await files.replace('/etc/a', 'new', plain, 'theirs');
      await files.replace('/etc/a', '', plain);
      expect(await snapshot()).toEqual({ '/etc/a': '' });
    });

    test('what is no text any more is not as expected', async () => {
      const { files, putBytes } = await make({ '/etc/': '' });
      await putBytes('/etc/a', new Uint8Array([0xff]));
      expect((await refusal(() => files.replace('/etc/a', 'new', plain, 'old'))).isConflict).toBe(true);
      await files.replace('/etc/a', 'new', plain);
      expect(await files.readText('/etc/a')).toBe('new');
    });

    test('replace through a link replaces its target and leaves the link', async () => {
      const { files, snapshot } = await make({ '/etc/default/x': 'old', '/etc/sysconfig/x': '-> ../default/x' });
      await files.replace('/etc/sysconfig/x', 'new', plain, 'old');
      expect(await snapshot()).toEqual({ '/etc/default/x': 'new', '/etc/sysconfig/x': '-> ../default/x' });
    });

    test('a directory is no file to write, nor is a link to one', async () => {
      const { files } = await make({ '/etc/d/x': '', '/etc/l': '-> d' });
      for (const path of ['/etc/d', '/etc/l'] as const) {
        expect((await refusal(() => files.replace(path, 'x', plain))).kind).toBe('data');
        expect((await refusal(() => files.append(path, 'x'))).kind).toBe('data');
      }
    });

    test('a file in the place of a directory is refused as data', async () => {
      const { files, snapshot } = await make({ '/etc/a': 'x' });
      expect((await refusal(() => files.replace('/etc/a/b', 'x', plain))).kind).toBe('data');
      expect((await refusal(() => files.makeDirectory('/etc/a', plain))).kind).toBe('data');
      expect((await refusal(() => files.makeDirectory('/etc/a/b', plain))).kind).toBe('data');
      expect((await refusal(() => files.makeLink('/etc/a/b', '/x'))).kind).toBe('data');
      expect(await snapshot()).toEqual({ '/etc/a': 'x' });
    });

    test('what a killed run left for the same name is removed by the next replace, and nothing else', async () => {
      const { files, snapshot } = await make({
        '/etc/a': 'old',
        '/etc/.a.diyc-4194305-0123456789ab': 'half',
        '/etc/.b.diyc-4194305-0123456789ab': 'of another file',
        '/etc/.a.swp': 'of an editor',
      });
      await files.replace('/etc/a', 'new', plain);
      expect(Object.keys(await snapshot())).toEqual(['/etc/.a.swp', '/etc/.b.diyc-4194305-0123456789ab', '/etc/a']);
    });

    test('attributes are set without touching the content', async () => {
      const { files } = await make({ '/etc/a': 'x', '/etc/l': '-> a' });
      await files.setAttributes('/etc/a', { mode: 0o640, owner: null });
      expect(await files.stat('/etc/a')).toMatchObject({ kind: 'file', mode: 0o640 });
      await files.setAttributes('/etc/l', { mode: 0o600, owner: null });
      expect((await files.stat('/etc/a'))?.mode).toBe(0o600);
      expect(await files.readText('/etc/a')).toBe('x');
      const error = await refusal(() => files.setAttributes('/etc/b', plain));
      expect([error.kind, error.isConflict]).toEqual(['tempfail', true]);
    });

    test('a directory is made with its parents, again and again', async () => {
      const { files } = await make({ '/var/': '' });
      for (let i = 0; i < 2; i++) await files.makeDirectory('/var/lib/etcd/diyc', { mode: 0o700, owner: null });
      expect((await files.stat('/var/lib'))?.mode).toBe(0o755);
      expect((await files.stat('/var/lib/etcd'))?.mode).toBe(0o755);
      expect((await files.stat('/var/lib/etcd/diyc'))?.mode).toBe(0o700);
      await files.makeDirectory('/var/lib/etcd/diyc', { mode: 0o750, owner: null });
      expect((await files.stat('/var/lib/etcd/diyc'))?.mode).toBe(0o750);
    });

    test('a link is made, corrected, and left when it is right; its target need not exist', async () => {
      const { files, snapshot } = await make({ '/etc/': '' });
      await files.makeLink('/etc/wants/a.service', '/usr/lib/a.service');
      expect(await snapshot()).toEqual({ '/etc/wants/a.service': '-> /usr/lib/a.service' });
      await files.makeLink('/etc/wants/a.service', '/usr/lib/b.service');
      await files.makeLink('/etc/wants/a.service', '/usr/lib/b.service');
      expect(await snapshot()).toEqual({ '/etc/wants/a.service': '-> /usr/lib/b.service' });
    });

    test('a link does not replace a file or a directory', async () => {
      const { files, snapshot } = await make({ '/etc/a': 'x', '/etc/d/x': '' });
      const before = await snapshot();
      for (const path of ['/etc/a', '/etc/d'] as const) {
        const error = await refusal(() => files.makeLink(path, '/y'));
        expect([error.kind, error.retryable, error.isConflict]).toEqual(['tempfail', false, false]);
      }
      expect(await snapshot()).toEqual(before);
    });

    test('a copy is kept once, with content and mode', async () => {
      const { files, snapshot, putBytes } = await make({ '/etc/a': 'first' });
      await files.setAttributes('/etc/a', { mode: 0o640, owner: null });
      await files.keepCopy('/etc/a', '/var/kept/a.save');
      await files.replace('/etc/a', 'second', plain);
      await files.keepCopy('/etc/a', '/var/kept/a.save');
      expect(await snapshot()).toEqual({ '/etc/a': 'second', '/var/kept/a.save': 'first' });
      expect((await files.stat('/var/kept/a.save'))?.mode).toBe(0o640);
      const error = await refusal(() => files.keepCopy('/etc/b', '/etc/b.save'));
      expect([error.kind, error.isConflict]).toEqual(['tempfail', true]);
      await putBytes('/etc/binary', new Uint8Array([0, 0xff, 1]));
      await files.keepCopy('/etc/binary', '/etc/binary.save');
      expect(await files.readHead('/etc/binary.save', 9)).toEqual(Buffer.from([0, 0xff, 1]));
    });

    test('append makes the file for its owner alone, and adds to it', async () => {
      const { files } = await make({ '/var/': '' });
      await files.append('/var/lib/journal', 'one\n');
      await files.append('/var/lib/journal', 'two\n');
      expect(await files.readText('/var/lib/journal')).toBe('one\ntwo\n');
      expect((await files.stat('/var/lib/journal'))?.mode).toBe(0o600);
    });

    test('remove takes a file or a link itself, does not mind that there is none, and no directory', async () => {
      const { files, snapshot } = await make({
        '/etc/a': 'x',
        '/etc/l': '-> a',
        '/etc/dangling': '-> /no',
        '/etc/d/x': 'y',
      });
      await files.remove('/etc/l');
      await files.remove('/etc/dangling');
      await files.remove('/etc/none');
      await files.remove('/none/none');
      expect((await refusal(() => files.remove('/etc/d'))).kind).toBe('data');
      expect(await snapshot()).toEqual({ '/etc/a': 'x', '/etc/d/x': 'y' });
      await files.remove('/etc/a');
      expect(await snapshot()).toEqual({ '/etc/d/x': 'y' });
    });
  });
}
