// The shipped units load, start nothing in a circle beside the units of a real host, and agree with the agent.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exitCodes } from '../../agent/model/errors.ts';
import { agentBinary, runDirectory } from '../../agent/model/paths.ts';
import { renderDockerDropIn } from '../../agent/render/docker.ts';
import {
  dockerMountUnit,
  renderDockerMount,
  renderIscsiDropIn,
  storageUnit,
} from '../../agent/render/storage-mount.ts';
import { layout } from '../support/builders.ts';
import { declared } from '../support/storage-builders.ts';

const units = join(import.meta.dirname, '../../units');
const packaging = join(import.meta.dirname, '../../packaging');
const own = readdirSync(units).filter((file) => /\.(service|timer)$/.test(file));
const text = (file: string): string => readFileSync(join(units, file), 'utf8');

/** The ordering of the units that a host has beside ours, as their packages ship it; only what orders. */
const host: Readonly<Record<string, string>> = {
  'cloud-init-local.service':
    '[Unit]\nDefaultDependencies=no\nWants=network-pre.target\nAfter=systemd-remount-fs.service\nBefore=network-pre.target sysinit.target shutdown.target\nConflicts=shutdown.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=cloud-init.target\n',
  'cloud-init.service':
    '[Unit]\nDefaultDependencies=no\nWants=cloud-init-local.service\nAfter=cloud-init-local.service systemd-networkd-wait-online.service networking.service\nBefore=network-online.target sysinit.target systemd-user-sessions.service shutdown.target\nConflicts=shutdown.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=cloud-init.target\n',
  'cloud-config.target': '[Unit]\nAfter=cloud-init-local.service cloud-init.service\n',
  'cloud-final.service':
    '[Unit]\nAfter=network-online.target multi-user.target cloud-config.target\nWants=network-online.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=cloud-init.target\n',
  'cloud-init.target': '[Unit]\nAfter=multi-user.target\n[Install]\nWantedBy=multi-user.target\n',
  'docker.socket': '[Socket]\nListenStream=/run/docker.sock\n[Install]\nWantedBy=sockets.target\n',
  'docker.service':
    '[Unit]\nAfter=network-online.target docker.socket firewalld.service containerd.service\nWants=network-online.target containerd.service\nRequires=docker.socket\n[Service]\nType=notify\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
  'containerd.service':
    '[Unit]\nAfter=network.target local-fs.target\n[Service]\nType=notify\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
  'docker-storage-setup.service':
    '[Unit]\nAfter=cloud-init.service network.target\nBefore=docker.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
};

/** The initiator of both families: neither has default dependencies, both want to be done before remote file systems. */
const early = 'DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target remote-fs-pre.target\n';
const oneshot = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n';
const socket = '[Socket]\nListenStream=@ISCSIADM_ABSTRACT_NAMESPACE\n[Install]\nWantedBy=sockets.target\n';
const initiators: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Debian: {
    'iscsid.socket': socket,
    'iscsid.service': `[Unit]\nWants=network-online.target remote-fs-pre.target\nAfter=network.target network-online.target\n${early}${oneshot}[Install]\nWantedBy=sysinit.target\n`,
    'open-iscsi.service': `[Unit]\nWants=network-online.target remote-fs-pre.target iscsid.service\nAfter=network-online.target iscsid.service\n${early}${oneshot}[Install]\nWantedBy=sysinit.target\n`,
  },
  Fedora: {
    'iscsid.socket': socket,
    'iscsid.service': `[Unit]\nAfter=network.target iscsiuio.service\n${early}[Service]\nType=notify\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n`,
    'iscsi.service': `[Unit]\nAfter=network.target network-online.target iscsid.service\n${early}${oneshot}[Install]\nWantedBy=sysinit.target\n`,
    'multipathd.service': `[Unit]\nBefore=iscsi.service iscsid.service lvm2-activation-early.service\nAfter=systemd-udev-trigger.service\n${early}${oneshot}[Install]\nWantedBy=sysinit.target\n`,
  },
};

/** What `boot` adds where docker's storage is a LUN. */
const onStorage: Readonly<Record<string, string>> = {
  [dockerMountUnit]: renderDockerMount(declared()),
  [`${storageUnit}.d/iscsi.conf`]: renderIscsiDropIn('iscsid.socket'),
  'docker.service.d/zz-diyc-agent.conf': renderDockerDropIn(layout().docker, agentBinary, true),
};

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** What `systemd-analyze verify` says of starting multi-user.target with these units enabled. */
function verify(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'units-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      // programs are not what is looked at, and their absence is an error
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content.replaceAll(/^(Exec\w+=)\S+.*$/gm, '$1/bin/true'));
      for (const [, target] of content.matchAll(/^WantedBy=(\S+)$/gm)) {
        mkdirSync(join(folder, `${target}.wants`), { recursive: true });
        symlinkSync(`../${name}`, join(folder, `${target}.wants`, name));
      }
    }
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', 'multi-user.target'], {
      // the colon at the end: the units of systemd itself come from their usual place
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
      encoding: 'utf8',
    });
    const ours = new RegExp(`cycle|deleted|${folder}|${Object.keys(files).join('|')}`);
    return `${stdout}${stderr}`
      .split('\n')
      .filter((line) => ours.test(line))
      .join('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function filled(file: string): string {
  return text(file).replaceAll('@USER@', 'root').replaceAll('@ENV@', '/dev/null').replaceAll(/@\w+@/g, '/bin/true');
}

const ours = Object.fromEntries(own.map((file) => [file, filled(file)]));

describe('units', () => {
  test.skipIf(!hasSystemd)('load without a warning and without a circle beside cloud-init, docker and etcd', () => {
    expect(verify({ ...host, ...ours })).toBe('');
  });

  test.skipIf(!hasSystemd)('a circle would be seen: ordered before docker.socket, there is one', () => {
    const planted = text('diyc-agent.service').replace('Before=etcd.service', 'Before=docker.socket etcd.service');
    expect(verify({ ...host, ...ours, 'diyc-agent.service': planted })).toContain('ordering cycle');
  });

  for (const [family, initiator] of Object.entries(initiators)) {
    const files = { ...host, ...initiator, ...ours, ...onStorage };
    test.skipIf(!hasSystemd)(
      `with docker on a LUN they load, and there is no circle beside ${family}'s initiator`,
      () => {
        expect(verify(files)).toBe('');
      },
    );

    test.skipIf(!hasSystemd)(`a circle through docker's mount would be seen beside ${family}'s initiator`, () => {
      // As any local mount it would be before local-fs.target, and that is before everything its volume needs.
      const local = renderDockerMount(declared()).replace('DefaultDependencies=no\n', '');
      expect(local).not.toBe(renderDockerMount(declared()));
      expect(verify({ ...files, [dockerMountUnit]: local })).toContain('ordering cycle');
    });
  }

  test.skipIf(!hasSystemd)("docker's mount has the name that systemd gives its place", () => {
    const { stdout } = spawnSync('systemd-escape', ['--path', '--suffix=mount', '/var/lib/docker'], {
      encoding: 'utf8',
    });
    expect(stdout.trim()).toBe(dockerMountUnit);
  });

  test('leave Bun no way to run anything else', () => {
    const agents = own.filter((file) => /^ExecStart=\/usr\/bin\/diyc-agent/m.test(text(file)));
    expect(agents.length).toBeGreaterThan(0);
    for (const file of agents) expect(text(file)).toMatch(/^UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN$/m);
  });

  test('do not forbid what every JavaScript engine needs', () => {
    for (const file of own) expect(text(file)).not.toMatch(/^MemoryDenyWriteExecute=(yes|true|1)/m);
  });

  test('name only exit codes that the agent has, for what is news and not failure', () => {
    const codes = own
      .flatMap((file) => [...text(file).matchAll(/^(?:Success|RestartPrevent|RestartForce)ExitStatus=(.*)$/gm)])
      .flatMap(([, list]) => (list ?? '').split(' ').map(Number));
    const known: readonly number[] = Object.values(exitCodes);
    expect(codes.filter((code) => !known.includes(code))).toEqual([]);
    expect(text('diyc-agent-report.service')).toContain(
      `SuccessExitStatus=${exitCodes.unavailable} ${exitCodes.tempfail}\n`,
    );
  });

  test('are enabled by the preset file, but for those that the agent enables where they are needed', () => {
    const byAgent = [storageUnit, 'diyc-agent-gauge.timer', 'diyc-agent-upgrade.timer', 'diyc-agent-fleetlock.service'];
    const installable = own.filter(
      (file) => file.startsWith('diyc-agent') && text(file).includes('[Install]') && !byAgent.includes(file),
    );
    for (const file of byAgent) expect(text(file)).toContain('[Install]\n');
    const preset = text('80-diyc-agent.preset');
    expect([...preset.matchAll(/^enable (\S+)$/gm)].map(([, unit]) => unit).sort()).toEqual(installable.sort());
    // Without a word about them Debian's own presets would enable them on every host.
    expect([...preset.matchAll(/^disable (\S+)$/gm)].map(([, unit]) => unit)).toEqual(byAgent);
  });
});

describe('tmpfiles.d and sysusers.d', () => {
  let root = '';
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'root-'));
    mkdirSync(join(root, 'etc'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test('have the folders that the agent writes to', () => {
    const folders = [
      ...readFileSync(join(packaging, 'tmpfiles.conf'), 'utf8').matchAll(/^d (\S+) (\d+) root root -$/gm),
    ];
    expect(folders.map(([, path, mode]) => [path, mode])).toEqual([
      [runDirectory, '0755'],
      ['/var/lib/diyc-agent', '0700'],
    ]);
  });

  test.skipIf(!hasSystemd)('are read by systemd without complaint', () => {
    const sysusers = spawnSync('systemd-sysusers', [`--root=${root}`, join(packaging, 'sysusers.conf')], {
      encoding: 'utf8',
    });
    expect([sysusers.status, readFileSync(join(root, 'etc/passwd'), 'utf8')]).toEqual([
      0,
      expect.stringMatching(/^etcd:/),
    ]);
    const tmpfiles = spawnSync('systemd-tmpfiles', ['--create', `--root=${root}`, join(packaging, 'tmpfiles.conf')], {
      encoding: 'utf8',
    });
    expect([tmpfiles.status, readdirSync(join(root, 'var/lib'))]).toEqual([0, ['diyc-agent']]);
  });
});
