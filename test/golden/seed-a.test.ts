// The values of the 2015 script, taken from the script itself by running its here-document, against the agent's.

import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { layOutTrees } from '../support/golden.ts';
import { inProcess } from '../support/in-process.ts';
import { withTempDir } from '../support/temp-dir.ts';
import { loadUnit, readEnvironmentFile } from './systemd-readers.ts';

const isRoot = process.getuid?.() === 0;
const addresses = { a1: '192.168.99.51', a2: '192.168.99.52', a3: '192.168.99.53' } as const;

/** etcd.conf as the script would write it: its lookup and its here-document, run by bash with the post's line breaks joined. */
function scriptsEtcdConf(script: string, host: string): string {
  const joined = script.replace(/,\\\n\s*/g, ',');
  const lookup = /^cluster=.*$/m.exec(joined)?.[0] ?? '';
  const cutting = joined.split('\n').filter((line) => /^(host=\$\{host|ip=)/.test(line));
  const document = /cat <<EOF >\/etc\/etcd\/etcd\.conf\n[\s\S]*?\nEOF\n/.exec(joined)?.[0] ?? '';
  const program = [lookup, `host=${host}`, ...cutting, document.replace('>/etc/etcd/etcd.conf', '')].join('\n');
  return spawnSync('bash', ['-eu', '-c', program], { encoding: 'utf8' }).stdout;
}

async function bootedAs(host: string, look: (root: string, script: string) => Promise<void>): Promise<void> {
  await withTempDir(async (root) => {
    await layOutTrees(root, ['fedora-22-atomic', 'seed-a']);
    await writeFile(`${root}/var/cloud-init/meta-data`, `instance-id: iid-local01\nlocal-hostname: ${host}\n`);
    const boot = await inProcess(['boot', '--root', root, '--quiet']);
    expect(boot.code).toBe(0);
    await look(root, await readFile(`${root}/var/cloud-init/bootcmd`, 'utf8'));
  });
}

describe.skipIf(!isRoot)('the 2015 script and the agent agree on', () => {
  for (const [host, address] of Object.entries(addresses)) {
    test(`every variable of etcd on ${host}`, async () => {
      await bootedAs(host, async (root, script) => {
        const theirs = readEnvironmentFile(scriptsEtcdConf(script, host));
        const ours = readEnvironmentFile(await readFile(`${root}/etc/etcd/etcd.conf`, 'utf8'));
        expect(Object.keys(theirs).sort()).toEqual([
          'ETCD_ADVERTISE_CLIENT_URLS',
          'ETCD_DATA_DIR',
          'ETCD_INITIAL_ADVERTISE_PEER_URLS',
          'ETCD_INITIAL_CLUSTER',
          'ETCD_INITIAL_CLUSTER_STATE',
          'ETCD_INITIAL_CLUSTER_TOKEN',
          'ETCD_LISTEN_CLIENT_URLS',
          'ETCD_LISTEN_PEER_URLS',
          'ETCD_NAME',
        ]);
        expect(ours).toMatchObject(theirs);
        // And the script was read for what it says: its own address is in it.
        expect(theirs['ETCD_LISTEN_PEER_URLS']).toBe(`http://${address}:2380`);
      });
    });

    test(`flannel's key and where etcd is first looked for on ${host}`, async () => {
      await bootedAs(host, async (root, script) => {
        const theirs = /cat <<EOF >\/etc\/sysconfig\/flanneld\n([\s\S]*?)EOF/.exec(script)?.[1] ?? '';
        const [wanted, ours] = [
          readEnvironmentFile(theirs),
          readEnvironmentFile(await readFile(`${root}/etc/sysconfig/flanneld`, 'utf8')),
        ];
        expect(ours['FLANNEL_ETCD_KEY']).toBe(wanted['FLANNEL_ETCD_KEY'] ?? 'missing');
        expect(ours['FLANNEL_ETCD']?.split(',')[0]).toBe(wanted['FLANNEL_ETCD'] ?? 'missing');
      });
    });
  }

  test('the drop-ins, the saved originals, and what starts at boot', async () => {
    await bootedAs('a1', async (root, script) => {
      for (const path of script.match(/\/etc\/systemd\/system\/\S+\.conf/g) ?? []) {
        expect([path, await readFile(`${root}${path}`, 'utf8').catch(() => 'missing')]).not.toEqual([path, 'missing']);
      }
      for (const [, path] of script.matchAll(/^mv (\S+) \S+\.save$/gm)) {
        const original = await readFile(new URL(`../fixtures/trees/fedora-22-atomic${path}`, import.meta.url), 'utf8');
        expect(await readFile(`${root}${path}.save`, 'utf8')).toBe(original);
      }
      const etcd = await loadUnit(root, 'etcd.service');
      expect(etcd.get('Service.Restart')).toEqual(['on-failure']);
      for (const [, unit] of script.matchAll(/^systemctl enable (\S+)$/gm)) {
        const link = `${root}/etc/systemd/system/multi-user.target.wants/${unit}`;
        expect(await readlink(link)).toBe(`/usr/lib/systemd/system/${unit}`);
      }
    });
  });
});
