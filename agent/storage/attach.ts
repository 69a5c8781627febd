// Locate, then wait, then provision: from a declaration to storage that docker may start on, or the reason why not.

import { apply } from '../converge/apply.ts';
import { type RunKey, recall, recallBegunDisks } from '../converge/journal.ts';
import { type Look, waitFor } from '../converge/wait.ts';
import { AgentError, isAgentError } from '../model/errors.ts';
import type { Layout } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import { describeStep } from '../model/step.ts';
import {
  type DockerStorageConfig,
  describeDevice,
  type IscsiSession,
  iscsiDiskPath,
  type StorageConfig,
} from '../model/storage.ts';
import { attachedDisk, type StorageResult } from '../model/storage-result.ts';
import type { Host } from '../ports/host.ts';
import type { Reporter } from '../ports/reporter.ts';
import { planStorage, type Refusal, type SeenDisk } from './plan.ts';
import { preflight } from './preflight.ts';
import { leaveResult } from './result.ts';
import { readIscsiSecrets } from './secrets.ts';
import { openSession } from './session.ts';
import { look } from './sight.ts';

export interface AttachRequest {
  readonly storage: StorageConfig;
  readonly cluster: string;
  readonly node: string;
  readonly layout: Pick<Layout, 'iscsi' | 'storage'>;
  /** As dockerd prints it; null when it is not installed or says nothing. */
  readonly dockerVersion: string | null;
  readonly key: RunKey;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** Several looks: wipe, make, activate, and see what is on it. */
const mostPasses = 6;
/** How long a new group is left alone before anything is made in it. */
const settleMs = 2_000;
/** One wait for udev between two looks; the reason in `status` is never older than this. */
const eventWaitMs = 5_000;

/**
 * Attach and prepare what is declared. Safe to run at any time: what is there already is recognised and used.
 *
 * @returns what is attached, which also stands in /run for `status` and docker's own start
 * @throws AgentError `config` for what a person has to decide (a disk that is not blank, another node's group, a
 * refused secret), `tempfail` when the deadline passes, `oserr` when something failed or could not be found out
 */
export async function attachStorage(host: Host, reporter: Reporter, request: AttachRequest): Promise<StorageResult> {
  try {
    const result = await attach(host, reporter, request);
    await leaveResult(host.files, result);
    return result;
  } catch (error) {
    // Below --root nothing was tried, and a tree that is built is left as it is.
    if (isAgentError(error) && error.kind !== 'usage') await leaveResult(host.files, failure(host, request, error));
    throw error;
  }
}

async function attach(host: Host, reporter: Reporter, request: AttachRequest): Promise<StorageResult> {
  const { storage, layout, dockerVersion } = request;
  const beganMs = host.clock.monotonicMs();
  const leftMs = (): number => Math.max(request.deadlineMs - (host.clock.monotonicMs() - beganMs), 1);
  if (storage.docker !== null)
    await preflight(host.files, { docker: storage.docker, layout: layout.storage, dockerVersion });
  const session = storage.iscsi === null ? null : await logIn(host, reporter, request, leftMs);
  if (storage.docker === null) return ready(host, request, session, []);
  const paths = await findDisks(host, reporter, request, storage.docker, session, leftMs);
  const disks = await provision(host, reporter, request, storage.docker, paths, leftMs);
  return ready(host, request, session, disks);
}

async function logIn(
  host: Host,
  reporter: Reporter,
  request: AttachRequest,
  leftMs: () => number,
): Promise<IscsiSession | null> {
  const { iscsi } = request.storage;
  if (iscsi === null) return null;
  if (request.layout.iscsi.installation === 'absent') {
    throw new AgentError('oserr', 'storage is declared on an iSCSI target, and no initiator is installed', {
      hint: 'install open-iscsi (iscsi-initiator-utils on RPM systems), or add it to the image',
    });
  }
  const secrets = await readIscsiSecrets(host.files, reporter, iscsi);
  return await openSession(host, reporter, {
    iscsi,
    secrets,
    layout: request.layout.iscsi,
    deadlineMs: leftMs(),
    ...signalOf(request),
  });
}

/** Names of the declared disks; a LUN's name contains the portal that its session really goes to. */
export function diskPaths(
  docker: DockerStorageConfig,
  target: string | null,
  session: IscsiSession | null,
): readonly AbsolutePath[] {
  return docker.devices.map((device) => {
    if (device.kind === 'path') return device.path;
    if (session === null || target === null) {
      throw new AgentError('bug', `${describeDevice(device)} is declared without a session to its target`, {
        hint: 'report this with the cluster file',
      });
    }
    return iscsiDiskPath(session.portal, target, device.lun);
  });
}

async function findDisks(
  host: Host,
  reporter: Reporter,
  request: AttachRequest,
  docker: DockerStorageConfig,
  session: IscsiSession | null,
  leftMs: () => number,
): Promise<readonly AbsolutePath[]> {
  const { iscsi } = request.storage;
  const paths = diskPaths(docker, iscsi?.target ?? null, session);
  let isFirst = true;
  const findAll = async (): Promise<Look<readonly AbsolutePath[]>> => {
    const waitMs = Math.min(eventWaitMs, leftMs());
    const found = await Promise.all(paths.map((path) => host.disks.await(path, waitMs, request.signal)));
    const absent = docker.devices.flatMap((device, i) => (found[i] === true ? [] : [{ device, path: paths[i] }]));
    if (absent.length === 0) return { ready: true, value: paths };
    // A LUN that was mapped to this host after the login shows only when it is asked for.
    if (!isFirst && iscsi !== null && session !== null) {
      const lost = await rescan(host, iscsi.target);
      if (lost !== null) return lost;
    }
    isFirst = false;
    const names = absent.map(({ device, path }) => `${describeDevice(device)} (${path})`).join(', ');
    return iscsi !== null && absent.some(({ device }) => device.kind === 'iscsi')
      ? {
          ready: false,
          reason: `logged in to ${iscsi.target}, and it does not show ${names}`,
          hint: `see at the target which LUNs it maps to ${iscsi.initiatorName}`,
        }
      : { ready: false, reason: `waiting for ${names}`, hint: 'ls -l /dev/disk/by-id shows the disks that are there' };
  };
  return await waitFor(host, reporter, { owner: 'storage', deadlineMs: leftMs(), ...signalOf(request) }, findAll);
}

/** @returns why the session could not be asked: it may be lost for as long as the target is away, and comes back */
async function rescan(host: Host, target: string): Promise<Look<never> | null> {
  try {
    await host.iscsi.rescan(target);
    return null;
  } catch (error) {
    if (!isAgentError(error) || !error.retryable) throw error;
    return { ready: false, reason: error.message, hint: error.hint };
  }
}

/** Plan and apply until a look finds nothing left to do; every step that touches a disk is journaled first. */
async function provision(
  host: Host,
  reporter: Reporter,
  request: AttachRequest,
  docker: DockerStorageConfig,
  paths: readonly AbsolutePath[],
  leftMs: () => number,
): Promise<readonly SeenDisk[]> {
  const storageRequest = {
    cluster: request.cluster,
    node: request.node,
    docker,
    storageSetup: request.layout.storage.storageSetup,
    begun: await recallBegunDisks(host.files),
  };
  let done: readonly string[] = [];
  for (let pass = 1; ; pass++) {
    const seen = await look(host, paths, docker, request.layout.storage);
    if ('absent' in seen) {
      throw new AgentError('tempfail', `${seen.absent.join(', ')} was there and is gone again`, {
        hint: 'see that the disk, or the target, is up; it is tried again',
      });
    }
    const plan = planStorage(seen.sight, storageRequest);
    if (plan.kind === 'refused') throw refusal(plan.refusals);
    const [first] = plan.steps;
    if (first === undefined) return seen.sight.disks;
    const again = plan.steps.find((s) => done.includes(describeStep(s)));
    if (again !== undefined || pass > mostPasses) {
      // docker-storage-setup ends with 0 when it has ignored what it was asked for.
      throw new AgentError('oserr', `"${describeStep(again ?? first)}" ended well and changed nothing`, {
        hint: 'run it by hand and read what it says; then systemctl start diyc-agent-storage',
      });
    }
    const memory = await recall(host.files);
    await apply(
      host,
      { steps: plan.steps, waitingFor: [], restartPending: [] },
      memory,
      { verb: 'storage attach', key: request.key, deadlineMs: leftMs(), ...signalOf(request) },
      reporter,
    );
    done = [...done, ...plan.steps.map(describeStep)];
    // Locks of LVM end at this host: another one that was shown the same blank LUN may have written its own group at the
    // same instant. Whoever wrote last has it, and after a moment both see that.
    if (plan.steps.some((s) => s.kind === 'makeVolumeGroup'))
      await host.clock.sleep(settleMs * (1 + host.clock.random()), request.signal);
  }
}

/** All that a person has to decide, in one error. */
export function refusal(refusals: readonly Refusal[]): AgentError {
  const hints = [...new Set(refusals.map((r) => r.hint))];
  return new AgentError('config', refusals.map((r) => r.message).join('; '), { hint: hints.join('; ') });
}

function ready(
  host: Host,
  request: AttachRequest,
  session: IscsiSession | null,
  disks: readonly SeenDisk[],
): StorageResult {
  const { docker } = request.storage;
  const where = session === null ? '' : `, at ${session.portal}`;
  return {
    schema: 1,
    outcome: 'ready',
    reason: 'Attached',
    message:
      docker === null
        ? `logged in to ${session?.target ?? 'nothing'}${where}`
        : `volume group ${docker.volumeGroup} of node ${request.node} on ${disks.map((d) => d.path).join(', ')}`,
    hint: '',
    at: host.clock.timestamp(),
    portal: session?.portal ?? null,
    target: session?.target ?? null,
    cluster: request.cluster,
    node: request.node,
    volumeGroup: docker?.volumeGroup ?? null,
    driver: docker?.driver ?? null,
    disks: disks.map((d) => attachedDisk(d.path, d.disk)),
  };
}

function failure(host: Host, request: AttachRequest, error: AgentError): StorageResult {
  const outcome = error.retryable ? 'waiting' : error.kind === 'config' ? 'refused' : 'failed';
  return {
    schema: 1,
    outcome,
    reason: { waiting: 'NotThereYet', refused: 'Refused', failed: 'Failed' }[outcome],
    message: error.message,
    hint: error.hint,
    at: host.clock.timestamp(),
    portal: null,
    target: request.storage.iscsi?.target ?? null,
    cluster: request.cluster,
    node: request.node,
    volumeGroup: request.storage.docker?.volumeGroup ?? null,
    driver: request.storage.docker?.driver ?? null,
    disks: [],
  };
}

function signalOf(request: AttachRequest): { readonly signal?: AbortSignal } {
  return request.signal === undefined ? {} : { signal: request.signal };
}
