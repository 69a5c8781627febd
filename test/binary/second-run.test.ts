// The second run is a no-op, proven by every inode and every time in the tree, and it stays one whatever is done in between.

import { describe, expect, test } from 'bun:test';
import { chmod, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { expectUntouched, journalPath, layOutTrees, listing, snapshot, touched } from '../support/golden.ts';
import { runBinary } from '../support/run-binary.ts';
import { withTempDir } from '../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;
const boot = (root: string) => runBinary(['boot', '--root', root]);

async function booted(work: (root: string) => Promise<void>): Promise<void> {
  await withTempDir(async (root) => {
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    expect((await boot(root)).code).toBe(0);
    await work(root);
  });
}

describe.skipIf(!isRoot)('the second run', () => {
  test('it writes nothing: no inode, no mode, no time differs, that of the journal included', async () => {
    await booted(async (root) => {
      const before = await snapshot(root);
      for (const verb of ['boot', 'apply', 'boot']) {
        const run = await runBinary([verb, '--root', root]);
        expect([run.code, run.stdout]).toEqual([0, '']);
        expect(run.stderr).not.toMatch(/create|replace|set mode|done/);
      }
      expectUntouched(before, await snapshot(root));
      expect(before.get(journalPath)?.kind).toBe('file');
    });
  });

  test('plan exits 0 and says that there is nothing to do', async () => {
    await booted(async (root) => {
      const plan = await runBinary(['plan', '--root', root]);
      expect([plan.code, plan.stderr]).toEqual([0, '']);
      expect(plan.stdout).toContain('nothing to do');
      const json = await runBinary(['plan', '--root', root, '--json']);
      const answer = JSON.parse(json.stdout) as { pending: boolean; steps: { deferred: boolean }[] };
      expect(answer).toMatchObject({ schema: 1, pending: false });
      // What needs the running host is not pending here.
      expect(answer.steps.filter((step) => !step.deferred)).toEqual([]);
    });
  });

  test('times that somebody else touched are no reason to write', async () => {
    await booted(async (root) => {
      for (const path of ['/etc/etcd/etcd.conf', '/etc/group', journalPath]) await utimes(`${root}${path}`, 1, 1);
      const before = await snapshot(root);
      expect((await boot(root)).code).toBe(0);
      expectUntouched(before, await snapshot(root));
    });
  });

  test('a mode that was changed is put right, and nothing is written for it', async () => {
    await booted(async (root) => {
      const path = '/etc/systemd/system/etcd.service.d/restart.conf';
      const before = await snapshot(root);
      await chmod(`${root}${path}`, 0o600);
      expect((await boot(root)).code).toBe(0);
      const after = await snapshot(root);
      expect(touched(before, after)).toEqual([path, journalPath]);
      expect(after.get(path)).toMatchObject({ mode: '0644', inode: before.get(path)?.inode });
    });
  });

  test('a file that was removed comes back, alone', async () => {
    await booted(async (root) => {
      const path = '/etc/systemd/system/flanneld.service.d/init.conf';
      const before = await snapshot(root);
      await rm(`${root}${path}`);
      expect((await boot(root)).code).toBe(0);
      const after = await snapshot(root);
      expect(
        listing(before, after)
          .split('\n')
          .filter((line) => !line.includes(journalPath)),
      ).toEqual(['']);
      expect(after.get(path)?.content).toBe(before.get(path)?.content ?? 'missing');
    });
  });

  test('comments, order and spaces of the cluster file are no change', async () => {
    await booted(async (root) => {
      const file = `${root}/var/cloud-init/cluster.yaml`;
      await writeFile(
        file,
        `# a remark\n${(await readFile(file, 'utf8')).replace('prefix: /admin', 'prefix:   /admin')}`,
      );
      const before = await snapshot(root);
      expect((await boot(root)).code).toBe(0);
      expectUntouched(before, await snapshot(root));
    });
  });

  test('a node that was added changes what depends on it, and nothing else', async () => {
    await booted(async (root) => {
      const file = `${root}/var/cloud-init/cluster.yaml`;
      const text = await readFile(file, 'utf8');
      const more = text.replace(
        'flannel:',
        '  a4: { address: 192.168.99.54 }\netcd: { members: [a1, a2, a3] }\nflannel:',
      );
      await writeFile(file, more);
      const before = await snapshot(root);
      expect((await boot(root)).code).toBe(0);
      // A client changes nothing on the members.
      expectUntouched(before, await snapshot(root));
      await writeFile(file, more.replace('members: [a1, a2, a3]', 'members: [a1, a2, a4]'));
      const second = await snapshot(root);
      expect((await boot(root)).code).toBe(0);
      const changed = listing(second, await snapshot(root)).match(/\/\S+/g);
      expect(changed).toEqual(['/etc/etcd/etcd.conf', '/etc/sysconfig/flanneld', journalPath]);
    });
  });
});
