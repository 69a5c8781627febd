// docker on this node: on the subnet that flannel leased, held back while declared storage is missing.

import { storageOf } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import { dockerMountVerdict } from '../model/docker-mount.ts';
import { decodeMountTable, mountTableBytes, mountTableFile } from '../model/mount-table.ts';
import { flannelSubnetFile, systemUnits, under } from '../model/paths.ts';
import { dockerDirectory } from '../model/storage.ts';
import type { ComponentSpec, Wish } from '../model/wish.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { renderDockerDropIn } from '../render/docker.ts';
import { parseEnvFile } from '../render/env-file.ts';
import { parseLease } from '../render/flannel.ts';
import { dockerMountUnit } from '../render/storage-mount.ts';
import { enableWishes, startWishes } from './enable.ts';
import { readWait } from './flannel.ts';
import { masked, unitCondition } from './unit-condition.ts';

const unit = 'docker.service';
/** The last of all drop-ins by name: an operator's own ExecStart, from override.conf say, is in ours with a word added. */
const dropInName = 'zz-diyc-agent.conf';

export const docker: Component = {
  name: 'docker',

  desire(context: NodeContext): ComponentSpec {
    const { config, layout } = context;
    const at = layout.docker;
    const dropIn = under(systemUnits, `${unit}.d`, dropInName);
    const onStorage = declaresDockerStorage(context);
    const wishes: Wish[] = [
      {
        kind: 'group',
        component: 'docker',
        name: config.docker.group.name,
        members: config.docker.group.members,
        why: 'members of the group use docker without being root',
      },
      {
        kind: 'file',
        component: 'docker',
        path: dropIn,
        content: renderDockerDropIn(at, context.agentProgram, onStorage),
        mode: 0o644,
        owner: null,
        why: onStorage
          ? 'docker waits for declared storage, and for the subnet that flannel leased'
          : 'docker waits for the subnet that flannel leased',
      },
    ];
    if (at.installation !== 'absent') {
      wishes.push(...enableWishes('docker', unit, at.unit));
      wishes.push(...startWishes('docker', unit, at.unit, [dropIn], 'every node runs containers'));
    }
    const waitingFor = [...missing(context), ...masked('DockerRunning', at.unit)];
    return { component: 'docker', wishes, waitingFor };
  },

  async probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]> {
    if (context.layout.docker.installation === 'absent') return missing(context);
    const waiting = await readWait(host, 'bridge');
    const running = unitCondition('DockerRunning', unit, units, waiting);
    const onStorage = declaresDockerStorage(context);
    if (running.status !== 'True') return [onStorage ? held(running, units) : running];
    return [
      running,
      ...(onStorage ? [await storageCondition(host, context)] : []),
      await networkCondition(host),
      await forwardingCondition(host),
    ];
  },
};

async function networkCondition(host: ReadOnlyHost): Promise<Condition> {
  const type = 'DockerNetwork';
  const [text, bridge] = await Promise.all([host.files.readText(flannelSubnetFile), host.network.device('docker0')]);
  const lease = text === null ? null : parseLease(parseEnvFile(text));
  if (lease === null || bridge === null) {
    return {
      type,
      status: 'False',
      reason: lease === null ? 'NoLease' : 'NoBridge',
      message:
        lease === null
          ? 'flannel holds no subnet that docker could be compared with'
          : 'docker runs without its bridge docker0',
      hint: 'see FlannelLease; then systemctl restart docker',
      severity: 'degraded',
    };
  }
  const addresses = bridge.addresses.map((a) => `${a.address}/${a.prefixLength}`);
  if (!addresses.includes(lease.subnet)) {
    return {
      type,
      status: 'False',
      reason: 'Mismatch',
      message: `docker0 has ${addresses.join(', ') || 'no address'}, and flannel leased ${lease.subnet}: containers here cannot be reached from other hosts`,
      hint: 'stop the containers, then systemctl restart docker',
      severity: 'degraded',
    };
  }
  return { type, status: 'True', reason: 'OnOverlay', message: `docker0 is ${lease.subnet}`, severity: 'degraded' };
}

async function forwardingCondition(host: ReadOnlyHost): Promise<Condition> {
  const type = 'Forwarding';
  const value = (await host.files.readText('/proc/sys/net/ipv4/ip_forward'))?.trim();
  if (value === '1')
    return {
      type,
      status: 'True',
      reason: 'On',
      message: 'the host forwards packets to its containers',
      severity: 'degraded',
    };
  return {
    type,
    status: value === undefined ? 'Unknown' : 'False',
    reason: value === undefined ? 'NotReadable' : 'Off',
    message: `net.ipv4.ip_forward is ${value ?? 'not readable'}, so packets from other hosts do not reach containers`,
    hint: 'sysctl -w net.ipv4.ip_forward=1, and find what switched it off',
    severity: 'degraded',
  };
}

function missing(context: NodeContext): Condition[] {
  if (context.layout.docker.installation !== 'absent') return [];
  return [
    {
      type: 'DockerInstalled',
      status: 'False',
      reason: 'NotInstalled',
      message: 'docker.service is not installed',
      hint: 'install docker (Debian: docker.io), or add it to the image',
      severity: 'failed',
    },
  ];
}

function declaresDockerStorage({ config, node }: NodeContext): boolean {
  return (storageOf(config, node.name)?.docker ?? null) !== null;
}

/** A docker that has not started is held by its mount; StorageAttached says by what. */
function held(running: Condition, units: UnitTable): Condition {
  if (running.reason !== 'Stopped') return running;
  if (units.get(dockerMountUnit)?.active === 'failed') {
    return {
      ...running,
      reason: 'MountFailed',
      message: `docker does not start: its directory could not be mounted (${dockerMountUnit})`,
      hint: `journalctl -b -u ${dockerMountUnit} and journalctl -k say why; check the file system, then systemctl start docker`,
    };
  }
  return {
    ...running,
    reason: 'Held',
    message: 'docker does not start before its storage is attached',
    hint: 'see StorageAttached; docker is started by itself once it is there',
    severity: 'waiting',
  };
}

/** That docker runs is not enough: it has to run on what was declared. */
async function storageCondition(host: ReadOnlyHost, context: NodeContext): Promise<Condition> {
  const type = 'DockerStorage';
  const declared = storageOf(context.config, context.node.name)?.docker;
  const mounts = decodeMountTable(await host.files.readHead(mountTableFile, mountTableBytes));
  if (declared === undefined || declared === null || mounts === null) {
    return {
      type,
      status: 'Unknown',
      reason: 'NotReadable',
      message: 'what docker keeps its data on could not be found out',
      hint: `findmnt --target ${dockerDirectory}`,
      severity: 'degraded',
    };
  }
  const verdict = dockerMountVerdict(mounts, declared);
  if (verdict.isRight && verdict.isReadOnly) {
    return {
      type,
      status: 'False',
      reason: 'ReadOnly',
      message: `${dockerDirectory} is read-only: the kernel met errors on ${verdict.source}, or somebody mounted it so`,
      hint: 'journalctl -k says why; stop docker, unmount and check the file system, then systemctl start docker',
      severity: 'failed',
    };
  }
  if (verdict.isRight) {
    return {
      type,
      status: 'True',
      reason: 'OnDeclaredStorage',
      message: `${dockerDirectory} is on ${verdict.source}, driver ${declared.driver}`,
      severity: 'failed',
    };
  }
  return {
    type,
    status: 'False',
    reason: 'NotOnDeclaredStorage',
    message: `docker keeps its data on ${verdict.source}, and the cluster file declares volume group ${declared.volumeGroup}`,
    hint: 'diyc-agent apply --restart moves docker onto the declared storage; images do not move with it',
    severity: 'failed',
  };
}
