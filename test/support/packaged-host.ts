// A fake host as its image was built: packages, meta-data and a cluster file, but never configured; and verbs run on it.

import type { CommandContext, GlobalOptions } from '../../agent/cli/command.ts';
import { runProgram } from '../../agent/cli/program.ts';
import { isAgentError } from '../../agent/model/errors.ts';
import type { AgentEvent } from '../../agent/model/event.ts';
import type { Reporter } from '../../agent/ports/reporter.ts';
import { lineOf } from '../../agent/report/lines.ts';
import { layout } from './builders.ts';
import type { FakeTree } from './fake-files.ts';
import { type FakeHost, type FakeHostOptions, fakeHost } from './fake-host.ts';

export const clusterFile = `version: 1
cluster: diy-cluster
nodes:
  a1: { address: 192.168.99.51, metadata: { region: eu-central-1 } }
  a2: { address: 192.168.99.52 }
  a3: { address: 192.168.99.53 }
flannel: { prefix: /admin/flannel, network: 172.18.0.0/16, backend: { type: vxlan } }
docker: { group: { members: [fedora] } }
firstBoot: { reboot: never }
`;

/** What the packages left in the files that the agent is going to write. */
export const originals = {
  '/etc/etcd/etcd.conf': '# etcd as packaged\nETCD_NAME=default\n',
  '/etc/sysconfig/flanneld': '# flanneld as packaged\nFLANNEL_ETCD_ENDPOINTS="http://127.0.0.1:2379"\n',
} as const;

/** Files that are nobody's business: whatever the agent does, they stay as they are. */
export const foreign = {
  '/etc/hostname': 'whatever\n',
  '/etc/docker/key.json': '{"kty":"EC"}\n',
  '/etc/systemd/system/docker.service.d/operator.conf': '[Service]\nLimitNOFILE=4096\n',
  '/var/lib/etcd/default/member/wal/0.wal': 'wal of the distribution',
} as const;

export interface PackagedHostOptions extends FakeHostOptions {
  /** a1, a2 or a3. */
  readonly name?: string;
  readonly cluster?: string;
}

/** Node `name` of the healthy cluster on a Fedora-like image; nothing of it was configured yet. */
export function packagedHost({ name = 'a1', cluster = clusterFile, ...options }: PackagedHostOptions = {}): FakeHost {
  const { etcd, flannel, docker } = layout();
  const units: Record<string, string> = {};
  for (const unit of [etcd.unit, flannel.unit, docker.unit]) if (unit !== null) units[unit.path] = unit.text;
  const files: FakeTree = {
    '/etc/os-release': 'ID=fedora\nPRETTY_NAME="Fake Linux 1"\n',
    '/etc/passwd': 'root:x:0:0::/root:/bin/sh\netcd:x:996:994::/var/lib/etcd:/sbin/nologin\n',
    '/etc/group': 'root:x:0:\nwheel:x:10:fedora\n',
    '/etc/gshadow': { text: 'root:::\nwheel:::fedora\n', mode: 0o640, gid: 42 },
    '/usr/bin/etcd': 'ELF',
    '/usr/bin/flanneld': 'ELF',
    '/usr/bin/dockerd': 'ELF',
    '/usr/lib/systemd/system/NetworkManager.service': '[Service]\nExecStart=/usr/sbin/NetworkManager\n',
    '/var/lib/cloud/seed/nocloud/meta-data': `instance-id: iid-${name}\nlocal-hostname: ${name}\n`,
    '/var/lib/cloud/seed/nocloud/user-data': '#cloud-config\n{}\n',
    '/etc/diyc-agent/cluster.yaml': cluster,
    '/proc/sys/net/ipv4/ip_forward': '1\n',
    '/proc/sys/kernel/osrelease': '6.1.0\n',
    '/proc/modules': '',
    '/lib/modules/6.1.0/modules.dep': 'kernel/drivers/net/vxlan/vxlan.ko:\n',
    ...units,
    ...originals,
    ...foreign,
    ...options.files,
  };
  return fakeHost({
    address: `192.168.99.5${name.slice(1)}/24`,
    versions: { '/usr/bin/flanneld': 'v0.28.9\n', '/usr/bin/dockerd': 'Docker version 26.1.5, build a72d7cd\n' },
    ...options,
    files,
  });
}

export interface VerbRun {
  /** The exit code, also where it came from an error. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly AgentEvent[];
  /** What a terminal would have shown at the level of debug. */
  readonly lines: readonly string[];
  readonly error: unknown;
}

export interface VerbOptions {
  readonly signal?: AbortSignal;
  readonly isTerminal?: boolean;
  readonly noColor?: boolean;
}

/** Run the agent's verb on a host, from arguments to exit code. */
export async function runVerb(host: FakeHost, argv: readonly string[], how: VerbOptions = {}): Promise<VerbRun> {
  let stdout = '';
  let stderr = '';
  const events: AgentEvent[] = [];
  const reporter: Reporter = { emit: (event) => void events.push(event) };
  const { isTerminal = false, noColor = true, signal = new AbortController().signal } = how;
  const out = (text: string): void => {
    stdout += text;
  };
  const err = (text: string): void => {
    stderr += text;
  };
  const context = async (options: GlobalOptions): Promise<CommandContext> => ({
    host,
    reporter,
    options,
    version: '0.1.0',
    isTerminal,
    out,
    err,
    signal,
  });
  let code: number;
  let error: unknown = null;
  try {
    code = await runProgram(argv, { version: '0.1.0', isTerminal, noColor, out, err, context });
  } catch (thrown) {
    error = thrown;
    code = isAgentError(thrown) ? thrown.exitCode : 70;
  }
  return { code, stdout, stderr, events, lines: events.map((e) => lineOf(e).message), error };
}

/** A reporter that keeps what it is told. */
export function eventList(): Reporter & { readonly events: readonly AgentEvent[] } {
  const events: AgentEvent[] = [];
  return { events, emit: (event) => void events.push(event) };
}
