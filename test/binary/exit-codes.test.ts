// Exit codes are a contract: units and scripts name them. Each one once, with the words that go with it.

import { describe, expect, test } from 'bun:test';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { layOutTrees } from '../support/golden.ts';
import { runBinary } from '../support/run-binary.ts';
import { withTempDir } from '../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;

async function onTree<T>(work: (root: string) => Promise<T>): Promise<T> {
  return await withTempDir(async (root) => {
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    return await work(root);
  });
}

describe('64, the command line', () => {
  const wrong: readonly (readonly [string, string])[] = [
    ['--no-such-option', 'unknown option'],
    ['bot', 'did you mean boot'],
    ['boot --deadline soon', '--deadline is "soon", which is no duration'],
    ['boot --root relative/tree', '--root is "relative/tree", which is not an absolute path'],
    ['boot --root /no/such/directory', 'the root /no/such/directory is no directory'],
    ['boot --config relative.yaml', '--config is "relative.yaml", which is not an absolute path'],
    ['boot surplus', 'too many arguments'],
    ['wait --for lunch', 'the only state to wait for is ready'],
    ['wait --nodes none', '--nodes is "none", which is no count'],
    ['wait --timeout -1s', '--timeout'],
    ['completion tcsh', 'bash'],
    ['config', 'validate'],
    ['join', 'seed'],
    ['', 'Usage: diyc-agent'],
  ];
  for (const [line, says] of wrong) {
    test(`diyc-agent ${line}`.trimEnd(), async () => {
      const run = await runBinary(line.split(' ').filter((word) => word !== ''));
      expect([run.code, run.stdout]).toEqual([64, '']);
      expect(run.stderr.toLowerCase()).toContain(says.toLowerCase());
      expect(run.stderr).not.toMatch(/\n\s+at /);
    });
  }

  test('--config that names no file', async () => {
    const run = await onTree((root) => runBinary(['plan', '--root', root, '--config', '/etc/none.yaml']));
    expect([run.code, run.stdout]).toEqual([64, '']);
    expect(run.stderr).toContain('--config names /etc/none.yaml, and there is no such file');
  });
});

describe('0, and only then', () => {
  for (const line of ['--version', '--help', 'boot --help', 'version', 'config schema', 'completion bash']) {
    test(`diyc-agent ${line}`, async () => {
      const run = await runBinary(line.split(' '));
      expect([run.code, run.stderr]).toEqual([0, '']);
      expect(run.stdout.length).toBeGreaterThan(4);
    });
  }

  test('config validate of a valid file', async () => {
    const run = await onTree((root) => runBinary(['config', 'validate', '--root', root]));
    expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('the cluster file is valid')]);
  });
});

describe('what the host and its files come to', () => {
  test('2: plan has something to show; 0: it has not', async () => {
    await onTree(async (root) => {
      expect((await runBinary(['plan', '--root', root])).code).toBe(2);
      if (!isRoot) return;
      expect((await runBinary(['apply', '--root', root])).code).toBe(0);
      expect((await runBinary(['plan', '--root', root])).code).toBe(0);
    });
  });

  test('65: the meta-data has no name', async () => {
    await onTree(async (root) => {
      await rm(`${root}/var/cloud-init/meta-data`);
      expect((await runBinary(['boot', '--root', root])).code).toBe(65);
    });
  });

  test('65: a directory stands where a file of ours is to be', async () => {
    await onTree(async (root) => {
      await mkdir(`${root}/etc/modules-load.d/diyc-agent.conf`, { recursive: true });
      const run = await runBinary(['boot', '--root', root]);
      expect([run.code, run.stderr]).toEqual([65, expect.stringContaining('/etc/modules-load.d/diyc-agent.conf')]);
      expect(run.stderr).toMatch(/hint: .*(move|see)/);
      // Found out before the first write.
      expect(await readFile(`${root}/etc/etcd/etcd.conf`, 'utf8')).toContain('ETCD_NAME=default');
    });
  });

  test('78: the cluster file is invalid, by every verb that reads it', async () => {
    await onTree(async (root) => {
      await writeFile(`${root}/var/cloud-init/cluster.yaml`, 'version: 1\n');
      for (const verb of ['boot', 'apply', 'plan', 'config validate', 'config show', 'nodes', 'join seed']) {
        const run = await runBinary([...verb.split(' '), '--root', root]);
        expect([verb, run.code]).toEqual([verb, 78]);
      }
    });
  });

  test('1: status of a host that does not know who it is', async () => {
    await onTree(async (root) => {
      await writeFile(`${root}/var/cloud-init/meta-data`, 'local-hostname: nobody\n');
      const run = await runBinary(['status', '--root', root]);
      expect([run.code, run.stdout]).toEqual([1, expect.stringContaining('FAILED')]);
      expect(run.stdout).toContain('"nobody"');
    });
  });
});

describe('standard output and standard error', () => {
  test('with --json the answer is one document on standard output, an error too', async () => {
    await onTree(async (root) => {
      await writeFile(`${root}/var/cloud-init/meta-data`, 'local-hostname: a9\n');
      const run = await runBinary(['plan', '--json', '--root', root]);
      expect([run.code, run.stderr]).toEqual([65, '']);
      expect(JSON.parse(run.stdout)).toEqual({
        schema: 1,
        error: { kind: 'data', exitCode: 65, message: expect.any(String), hint: expect.any(String) },
      });
    });
  });

  test('NO_COLOR, --no-color and a pipe: no escape sequence', async () => {
    await onTree(async (root) => {
      for (const verb of ['plan', 'status', '--help']) {
        const run = await runBinary([verb, '--root', root], { env: { NO_COLOR: '1' } });
        expect(run.stdout + run.stderr).not.toContain('\u001b');
        const flag = await runBinary([verb, '--no-color', '--root', root]);
        expect(flag.stdout + flag.stderr).not.toContain('\u001b');
      }
    });
  });

  test('--quiet: nothing but warnings and errors', async () => {
    if (!isRoot) return;
    await onTree(async (root) => {
      const run = await runBinary(['boot', '--quiet', '--root', root]);
      expect([run.code, run.stdout, run.stderr]).toEqual([0, '', '']);
    });
  });
});
