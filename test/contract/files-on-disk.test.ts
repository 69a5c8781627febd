// What only a real disk can show of the Files port: kills, full and read-only file systems, owners, devices, fsync.

import { afterEach, describe, expect, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { realHost } from '../../agent/host/real-host.ts';
import { rootedFiles } from '../../agent/host/rooted-files.ts';
import { refusal } from '../support/refusal.ts';
import { silentServer } from '../support/silent-server.ts';

const plain = { mode: 0o644, owner: null };
const isRoot = process.getuid?.() === 0;
const writer = fileURLToPath(new URL('../stubs/endless-writer.ts', import.meta.url));

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function temporaryRoot(): Promise<string> {
  const root = await mkdtemp(`${tmpdir()}/diyc-agent-disk-`);
  cleanUps.push(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** Mount something at a directory; false where this machine does not let us. */
function mount(args: readonly string[], directory: string): boolean {
  mkdirSync(directory, { recursive: true });
  if (spawnSync('mount', [...args, directory]).status !== 0) return false;
  cleanUps.push(() => void spawnSync('umount', [directory]));
  return true;
}

function canMount(): boolean {
  return isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;
}

const unlessMount = canMount() ? '' : ' (skipped: mounting needs root)';
const unlessRoot = isRoot ? '' : ' (skipped: needs root)';
const hasStrace = spawnSync('strace', ['-V']).status === 0;

describe('a kill at any instant', () => {
  test('leaves the old or the new content, whole, and a next run that cleans up', async () => {
    const root = await temporaryRoot();
    for (let round = 0; round < 25; round++) {
      const child = spawn(process.execPath, [writer, root], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const text = readFileSync(`${root}/etc/sub/file.conf`, 'utf8');
      expect(text).toMatch(/^([a-z])\1{199999}\n$/);
      expect(statSync(`${root}/etc/sub/file.conf`).mode & 0o777).toBe(0o640);
    }
    await rootedFiles({ root }).replace('/etc/sub/file.conf', 'end', plain);
    expect(await readdir(`${root}/etc/sub`)).toEqual(['file.conf']);
  }, 60_000);
});

describe('somebody else at work', () => {
  test('the temporary file of a living process is left alone, unless it is hours old', async () => {
    const root = await temporaryRoot();
    const other = `${root}/.a.diyc-${process.ppid}-0123456789ab`;
    writeFileSync(other, 'work in progress');
    const files = rootedFiles({ root });
    await files.replace('/a', 'x', plain);
    expect(existsSync(other)).toBe(true);
    utimesSync(other, 0, 0);
    await files.replace('/a', 'y', plain);
    expect(existsSync(other)).toBe(false);
  });

  test('of many writers at once each write is whole, and the last one stays', async () => {
    const root = await temporaryRoot();
    const files = rootedFiles({ root });
    const texts = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(10_000));
    await Promise.all(texts.map((text) => files.replace('/etc/deep/a', text, plain)));
    expect(texts).toContain(readFileSync(`${root}/etc/deep/a`, 'utf8'));
    expect(await readdir(`${root}/etc/deep`)).toEqual(['a']);
  });
});

describe('a disk that refuses', () => {
  test.skipIf(!canMount())(
    `a full one is named, with the remedy, and the old file stays whole${unlessMount}`,
    async () => {
      const root = await temporaryRoot();
      expect(mount(['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs'], `${root}/etc`)).toBe(true);
      const files = rootedFiles({ root });
      await files.replace('/etc/a', 'old', plain);
      const error = await refusal(() => files.replace('/etc/a', 'x'.repeat(200_000), plain, 'old'));
      expect(error.kind).toBe('oserr');
      expect(error.message).toContain('no space left');
      expect(error.hint).toContain('free space');
      expect(await files.readText('/etc/a')).toBe('old');
      expect(await files.list('/etc')).toEqual(['a']);
      expect((await refusal(() => files.append('/etc/b', 'x'.repeat(200_000)))).message).toContain('no space left');
    },
  );

  test.skipIf(!canMount())(`one without free inodes is full, too${unlessMount}`, async () => {
    const root = await temporaryRoot();
    expect(mount(['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=3', 'tmpfs'], `${root}/etc`)).toBe(true);
    const files = rootedFiles({ root });
    await files.replace('/etc/a', 'old', plain);
    await files.makeLink('/etc/b', '/x');
    const error = await refusal(() => files.replace('/etc/a', 'new', plain));
    expect(error.hint).toContain('df -i');
    expect(await files.readText('/etc/a')).toBe('old');
  });

  test.skipIf(!canMount())(`a read-only one is named, whatever is to be done on it${unlessMount}`, async () => {
    const root = await temporaryRoot();
    mkdirSync(`${root}/etc`);
    writeFileSync(`${root}/etc/a`, 'old');
    expect(mount(['--bind', `${root}/etc`], `${root}/etc`)).toBe(true);
    expect(spawnSync('mount', ['-o', 'remount,bind,ro', `${root}/etc`]).status).toBe(0);
    const files = rootedFiles({ root });
    for (const attempt of [
      () => files.replace('/etc/a', 'new', plain),
      () => files.append('/etc/b', 'x'),
      () => files.makeDirectory('/etc/d/e', plain),
      () => files.makeLink('/etc/l', '/x'),
      () => files.keepCopy('/etc/a', '/etc/a.save'),
      () => files.remove('/etc/a'),
      () => files.setAttributes('/etc/a', { mode: 0o600, owner: null }),
    ]) {
      const error = await refusal(attempt);
      expect([error.kind, error.message.includes('read-only')]).toEqual(['oserr', true]);
      expect(error.hint).not.toBe('');
    }
    expect(await files.readText('/etc/a')).toBe('old');
  });

  test('a root that is no directory is a mistake on the command line', async () => {
    const files = rootedFiles({ root: '/nowhere/at/all' });
    expect((await refusal(() => files.readText('/etc/a'))).kind).toBe('usage');
    expect((await refusal(() => files.replace('/etc/a', '', plain))).kind).toBe('usage');
  });
});

describe('owners and modes', () => {
  test.skipIf(!isRoot)(`a file gets its owner, a copy keeps it${unlessRoot}`, async () => {
    const root = await temporaryRoot();
    const files = rootedFiles({ root });
    const etcd = { name: 'etcd', uid: 4711, gid: 4712 };
    await files.replace('/etc/a', 'x', { mode: 0o640, owner: etcd });
    expect(await files.stat('/etc/a')).toMatchObject({ uid: 4711, gid: 4712, mode: 0o640 });
    await files.keepCopy('/etc/a', '/etc/a.save');
    expect(await files.stat('/etc/a.save')).toMatchObject({ uid: 4711, gid: 4712, mode: 0o640 });
    await files.replace('/etc/a', 'y', plain);
    expect(await files.stat('/etc/a')).toMatchObject({ uid: 0, gid: 0, mode: 0o644 });
    await files.makeDirectory('/var/lib/etcd', { mode: 0o700, owner: etcd });
    expect(await files.stat('/var/lib/etcd')).toMatchObject({ uid: 4711, gid: 4712, mode: 0o700 });
    expect(await files.stat('/var/lib')).toMatchObject({ uid: 0, mode: 0o755 });
    await files.setAttributes('/etc/a', { mode: 0o4755, owner: etcd });
    expect(await files.stat('/etc/a')).toMatchObject({ uid: 4711, mode: 0o4755 });
  });

  test('modes are absolute: the umask of a unit changes nothing', async () => {
    const root = await temporaryRoot();
    const before = process.umask(0o077);
    try {
      const { files } = realHost({ root });
      await files.replace('/etc/new/a', 'x', plain);
      await files.makeDirectory('/srv/new/d', { mode: 0o775, owner: null });
      expect((await files.stat('/etc/new'))?.mode).toBe(0o755);
      expect((await files.stat('/etc/new/a'))?.mode).toBe(0o644);
      expect((await files.stat('/srv/new'))?.mode).toBe(0o755);
      expect((await files.stat('/srv/new/d'))?.mode).toBe(0o775);
    } finally {
      process.umask(before);
    }
  });

  test.skipIf(!isRoot)(`what may not be written is a matter of permission${unlessRoot}`, async () => {
    const root = await temporaryRoot();
    await chmod(root, 0o755);
    mkdirSync(`${root}/etc`);
    writeFileSync(`${root}/etc/a`, 'old', { mode: 0o600 });
    await chown(`${root}/etc`, 0, 0);
    const script = `
      import { rootedFiles } from '${fileURLToPath(new URL('../../agent/host/rooted-files.ts', import.meta.url))}';
      process.setgid(65534); process.setuid(65534);
      const files = rootedFiles({ root: ${JSON.stringify(root)} });
      for (const attempt of [() => files.readText('/etc/a'), () => files.replace('/etc/a', 'x', { mode: 0o644, owner: null }), () => files.append('/etc/b', 'x'), () => files.remove('/etc/a')])
        await attempt().then(() => console.log('done'), (error) => console.log(error.kind, error.hint !== ''));
    `;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env: { PATH: '/usr/bin' } });
    expect(stdout).toBe('noperm true\n'.repeat(4));
  });
});

describe('security labels', () => {
  test('are given to every new file, directory and link under its final name', async () => {
    const root = await temporaryRoot();
    const labelled: string[] = [];
    const relabel = async (path: string): Promise<void> => {
      expect(existsSync(path) || path.endsWith('link')).toBe(true);
      labelled.push(path.slice(root.length));
    };
    const files = rootedFiles({ root, relabel });
    await files.replace('/etc/sysconfig/x', 'x', plain);
    await files.makeDirectory('/var/d', plain);
    await files.makeLink('/etc/link', '/nowhere');
    await files.keepCopy('/etc/sysconfig/x', '/etc/sysconfig/x.save');
    await files.append('/var/d/log', 'x');
    await files.append('/var/d/log', 'y');
    expect(labelled).toEqual([
      '/etc',
      '/etc/sysconfig',
      '/etc/sysconfig/x',
      '/var',
      '/var/d',
      '/etc/link',
      '/etc/sysconfig/x.save',
      '/var/d/log',
    ]);
  });
});

describe('what is no regular file', () => {
  test('a pipe is not waited for, and not replaced', async () => {
    const root = await temporaryRoot();
    expect(spawnSync('mkfifo', [`${root}/pipe`]).status).toBe(0);
    const files = rootedFiles({ root });
    expect((await refusal(() => files.readText('/pipe'))).kind).toBe('data');
    expect((await refusal(() => files.replace('/pipe', 'x', plain))).kind).toBe('data');
    expect((await refusal(() => files.append('/pipe', 'x'))).kind).toBe('data');
    expect((await files.stat('/pipe'))?.kind).toBe('other');
  });

  test('a socket is no file to read', async () => {
    const root = await temporaryRoot();
    const server = await silentServer(`${root}/socket`);
    cleanUps.push(server.close);
    expect((await refusal(() => rootedFiles({ root }).readText('/socket'))).kind).toBe('data');
  });

  test('a drop-in masked by a link to /dev/null stays masked, and the device stays a device', async () => {
    const root = await temporaryRoot();
    symlinkSync('/dev/null', `${root}/10-diyc.conf`);
    // On the running host, where absolute links lead to the real device.
    const files = rootedFiles({ root: '/' });
    const error = await refusal(() => files.replace(`/${`${root}/10-diyc.conf`.slice(1)}`, 'x', plain));
    expect(error.kind).toBe('data');
    expect(error.message).toContain('/dev/null');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
});

describe('the running host', () => {
  test('files of the kernel, which have no size, are read to their end', async () => {
    const { files } = realHost({ root: '/' });
    expect(await files.readText('/proc/self/status')).toContain('Pid:');
    expect(await files.readText('/proc/no/such/file')).toBeNull();
  });

  test('links at the end of a path are resolved, and climbing above / is nothing special there', async () => {
    const root = await temporaryRoot();
    writeFileSync(`${root}/target`, 'old');
    symlinkSync(`../../../../../../../..${root}/target`, `${root}/link`);
    const files = rootedFiles({ root: '/' });
    await files.replace(`/${root.slice(1)}/link`, 'new', plain, 'old');
    expect(readFileSync(`${root}/target`, 'utf8')).toBe('new');
  });
});

describe('durability', () => {
  test.skipIf(!hasStrace)(
    `the new content is on the disk before its name is, and then the directory${hasStrace ? '' : ' (skipped: no strace)'}`,
    async () => {
      const root = await temporaryRoot();
      const trace = `${root}/trace`;
      const script = `
        import { rootedFiles } from '${fileURLToPath(new URL('../../agent/host/rooted-files.ts', import.meta.url))}';
        await rootedFiles({ root: ${JSON.stringify(root)} }).replace('/a.conf', 'x', { mode: 0o600, owner: null });
      `;
      const calls = 'trace=openat,open,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,close';
      spawnSync('strace', ['-f', '-y', '-o', trace, '-e', calls, process.execPath, '-e', script], {
        env: { PATH: '/usr/bin:/bin' },
      });
      const steps = readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => line.includes(root))
        .flatMap((line) => {
          if (/ p?write(64)?\(.*\.a\.conf\.diyc-/.test(line)) return ['write'];
          if (/ f(data)?sync\(.*\.a\.conf\.diyc-/.test(line)) return ['sync file'];
          if (/ rename(at2?)?\(/.test(line)) return ['rename'];
          if (/ fsync\(/.test(line) && line.includes(`<${root}>`)) return ['sync directory'];
          return [];
        });
      expect(steps).toEqual(['write', 'sync file', 'rename', 'sync directory']);
    },
    30_000,
  );
});
