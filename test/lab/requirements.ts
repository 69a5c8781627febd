/** What the machine must have before a lab can stand on it, each with the remedy; nothing is found out half way. */

import { readFile } from 'node:fs/promises';
import { BUSYBOX } from './images.ts';
import { hasProgram, run } from './run.ts';

export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** Why it is not, as seen. */
  readonly seen: string;
  readonly remedy: string;
}

/** program → the Debian package that has it. */
const PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['systemd-nspawn', 'systemd-container'],
  ['systemctl', 'systemd'],
  ['mmdebstrap', 'mmdebstrap'],
  ['ip', 'iproute2'],
  ['etcdctl', 'etcd-client'],
  ['busybox', 'busybox-static'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['tar', 'tar'],
]);

/** What the lab of virtual machines (vm/) needs besides. */
const MACHINE_PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['qemu-img', 'qemu-utils'],
  ['tgtd', 'tgt'],
  ['dnsmasq', 'dnsmasq-base'],
  ['mke2fs', 'e2fsprogs'],
  ['depmod', 'kmod'],
  ['cpio', 'cpio'],
  ['lz4', 'lz4'],
  ['xz', 'xz-utils'],
  ['zstd', 'zstd'],
  ['curl', 'curl'],
]);

/** `hosts`: containers with systemd; `machines`: those with a kernel of their own. */
type LabKind = 'hosts' | 'machines';

function programs(kind: LabKind): ReadonlyMap<string, string> {
  return kind === 'hosts' ? PROGRAMS : new Map([...PROGRAMS, ...MACHINE_PROGRAMS]);
}

/** flanneld is built from its module, its udp backend with a C compiler; not needed when FLANNELD names a binary. */
const GO_PACKAGE = 'golang-go';
const C_PACKAGES = ['gcc', 'libc6-dev'] as const;

function finding(what: string, ok: boolean, seen: string, remedy: string): Finding {
  return { what, ok, seen: ok ? '' : seen, remedy: ok ? '' : remedy };
}

async function succeeds(argv: readonly string[]): Promise<{ ok: boolean; seen: string }> {
  const outcome = await run(argv, { tolerant: true, timeoutMs: 15_000 }).catch((error: unknown) => ({
    code: 1,
    stderr: String(error),
  }));
  return { ok: outcome.code === 0, seen: outcome.stderr.trim() };
}

async function kernelFindings(kind: LabKind): Promise<Finding[]> {
  const kernel = 'a kernel with this built in or its module loaded; containers without privileges do not have it';
  const found: Finding[] = [];
  const trials: readonly (readonly [string, string])[] = [
    ['a cgroup v2 hierarchy', 'mount -t cgroup2 none /sys/fs/cgroup'],
    [
      'overlayfs',
      'mount -t tmpfs none /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay none -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m',
    ],
    [
      'network namespaces with veth, bridge and vxlan',
      'ip link add v0 type veth peer name v1 && ip link add b0 type bridge && ip link add x0 type vxlan id 1 dstport 8472 dev v0',
    ],
    [
      'bridge netfilter (flanneld from 0.26 refuses to start without it)',
      'ip link set lo up; test -e /proc/sys/net/bridge/bridge-nf-call-iptables',
    ],
    ...(kind === 'machines' ? ([['tap devices', 'ip tuntap add t0 mode tap']] as const) : []),
  ];
  for (const [what, script] of trials) {
    // a shell, because the trial has to run after unshare and leave nothing behind
    const trial = await succeeds([
      'unshare',
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
    ]);
    found.push(finding(what, trial.ok, trial.seen || 'the trial failed', kernel));
  }
  return found;
}

export async function check(kind: LabKind = 'hosts'): Promise<Finding[]> {
  const found: Finding[] = [];
  found.push(finding('Linux', process.platform === 'linux', process.platform, 'run the lab on Linux'));
  const root = process.getuid?.() === 0;
  found.push(finding('root', root, `user id ${process.getuid?.() ?? '?'}`, 'run it as root (sudo)'));
  const os = await readFile('/etc/os-release', 'utf8').catch(() => '');
  found.push(
    finding(
      'Debian or a relative of it (the hosts are built from its packages)',
      /^ID(_LIKE)?=.*debian/m.test(os),
      /^PRETTY_NAME=(.*)$/m.exec(os)?.[1] ?? 'no /etc/os-release',
      'run the lab on Debian, or in a privileged Debian container',
    ),
  );
  for (const [program, pkg] of programs(kind)) {
    found.push(finding(`the program ${program}`, await hasProgram(program), 'not on PATH', `apt-get install ${pkg}`));
  }
  if (process.env['FLANNELD'] === undefined) {
    found.push(
      finding(
        'the program go',
        await hasProgram('go'),
        'not on PATH',
        `apt-get install ${GO_PACKAGE}, or set FLANNELD to a flanneld binary`,
      ),
      finding('the program gcc', await hasProgram('gcc'), 'not on PATH', `apt-get install ${C_PACKAGES.join(' ')}`),
    );
  }
  // the dynamic busybox has the same program name, but cannot run in an empty container
  const linked = await run(['ldd', BUSYBOX], { tolerant: true }).catch(() => undefined);
  const isStatic = linked !== undefined && /not a dynamic|statically/.test(linked.stdout + linked.stderr);
  found.push(finding('a static busybox', isStatic, `${BUSYBOX} needs libraries`, 'apt-get install busybox-static'));
  if (root && (await hasProgram('unshare')) && (await hasProgram('ip'))) found.push(...(await kernelFindings(kind)));
  return found;
}

/** Installs the packages that are missing; what is not a package stays to be found by `check`. */
export async function install(kind: LabKind = 'hosts'): Promise<readonly string[]> {
  const missing = new Set<string>();
  for (const [program, pkg] of programs(kind)) if (!(await hasProgram(program))) missing.add(pkg);
  if (process.env['FLANNELD'] === undefined && !(await hasProgram('go'))) missing.add(GO_PACKAGE);
  const libraries = process.env['FLANNELD'] === undefined ? C_PACKAGES : [];
  for (const pkg of ['busybox-static', 'debian-archive-keyring', ...libraries]) {
    if (!(await succeeds(['dpkg', '-s', pkg])).ok) missing.add(pkg);
  }
  if (missing.size > 0) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run(['apt-get', 'update'], { timeoutMs: 300_000, env });
    await run(['apt-get', 'install', '-y', '--no-install-recommends', ...missing], { timeoutMs: 600_000, env });
  }
  return [...missing];
}
