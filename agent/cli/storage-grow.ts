// `storage add DEVICE` and `storage grow`: more room for docker, shown first and done on the operator's word.

import { parseDevice } from '../config/device-names.ts';
import { apply } from '../converge/apply.ts';
import { recall, recallBegunDisks } from '../converge/journal.ts';
import { runKey } from '../converge/prepare.ts';
import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { Plan } from '../model/plan.ts';
import { describeStep } from '../model/step.ts';
import { type DeviceRef, iscsiDiskPath, type StorageConfig } from '../model/storage.ts';
import { planText } from '../render/plan-text.ts';
import { refusal } from '../storage/attach.ts';
import { planAddition, planGrowth } from '../storage/growth.ts';
import type { StoragePlan, StorageRequest } from '../storage/plan.ts';
import { refreshResult } from '../storage/result.ts';
import { ownSession } from '../storage/session.ts';
import type { Action, CommandContext } from './command.ts';
import { type Gathered, gather } from './gather.ts';
import { configFile, parseDuration } from './options.ts';
import { requireRoot } from './permission.ts';
import { declaredStorage } from './storage.ts';
import { askSizes, dockerSpace } from './storage-show.ts';

const changesPending = 2;
const waitForDiskMs = 10_000;

/** Take one more disk into docker's group. */
export const storageAdd: Action = async (context, options, args) => {
  const { host, reporter, options: global } = context;
  requireRoot(host, global.root, 'storage add');
  const device = readDevice(args[0] ?? '');
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  const node = await gather(host, reporter, configFile(global.config));
  const storage = declaredStorage(node);
  const request = { ...requestOf(node, storage), begun: await recallBegunDisks(host.files) };
  await askSizes(host, node);
  const path = await pathOf(context, device, storage);
  const isThere = await host.disks.await(path, waitForDiskMs, context.signal);
  const disk = isThere ? await host.disks.inspect(path) : null;
  if (disk === null) {
    throw new AgentError('tempfail', `cannot add ${path}: nothing is there`, {
      hint: 'ls -l /dev/disk/by-id /dev/disk/by-path shows the disks of this host; a new LUN has to be mapped to it first',
    });
  }
  const space = await dockerSpace(host, request.docker);
  const plan = planAddition(await host.lvm.state(), { path, disk }, request, space?.totalBytes ?? null);
  const code = await showOrDo(context, node, plan, options, { verb: 'storage add', added: path, deadlineMs });
  if (!global.quiet && !global.json && code === 0 && plan.kind === 'steps' && plan.steps.length > 0)
    context.out(`\nnow add it to storage.docker.devices in the cluster file, so that the file says what is there\n`);
  return code;
};

/** Use what the disks have grown by. */
export const storageGrow: Action = async (context, options) => {
  const { host, reporter, options: global } = context;
  requireRoot(host, global.root, 'storage grow');
  const deadlineMs = parseDuration(String(options['deadline']), '--deadline');
  const node = await gather(host, reporter, configFile(global.config));
  const request = requestOf(node, declaredStorage(node));
  await askSizes(host, node);
  const space = await dockerSpace(host, request.docker);
  const plan = planGrowth(await host.lvm.state(), request, space?.totalBytes ?? null);
  return await showOrDo(context, node, plan, options, { verb: 'storage grow', added: null, deadlineMs });
};

function requestOf(node: Gathered, { docker }: StorageConfig): StorageRequest {
  if (docker === null) {
    throw new AgentError('config', `the cluster file declares a target for ${node.node.name}, and nothing for docker`, {
      hint: 'add storage: { docker: { volumeGroup: …, devices: […] } }',
    });
  }
  return {
    cluster: node.config.cluster,
    node: node.node.name,
    docker,
    storageSetup: node.layout.storage.storageSetup,
  };
}

/** @throws AgentError `usage` for a name that another disk may have tomorrow */
function readDevice(text: string): DeviceRef {
  const device = parseDevice(text);
  if (device.kind !== 'refused') return device;
  throw new AgentError('usage', `cannot add "${text}": ${device.message}`, { hint: device.remedy });
}

async function pathOf(context: CommandContext, device: DeviceRef, storage: StorageConfig): Promise<AbsolutePath> {
  if (device.kind === 'path') return device.path;
  const { iscsi } = storage;
  const session = iscsi === null ? null : ownSession(await context.host.iscsi.sessions(), iscsi);
  if (iscsi === null || session === null) {
    throw new AgentError('tempfail', `cannot add LUN ${device.lun}: this node is logged in to no target`, {
      hint: 'diyc-agent status says what the storage waits for',
    });
  }
  return iscsiDiskPath(session.portal, iscsi.target, device.lun);
}

interface Change {
  readonly verb: string;
  /** The disk that joins the group; null where none does. */
  readonly added: AbsolutePath | null;
  readonly deadlineMs: number;
}

async function showOrDo(
  { host, reporter, options: global, out, version, signal }: CommandContext,
  node: Gathered,
  planned: StoragePlan,
  options: Readonly<Record<string, unknown>>,
  { verb, added, deadlineMs }: Change,
): Promise<number> {
  if (planned.kind === 'refused') throw refusal(planned.refusals);
  const plan: Plan = { steps: planned.steps, waitingFor: [], restartPending: [] };
  const isWanted = options['yes'] === true;
  if (!global.json) {
    out(
      planned.steps.length === 0
        ? 'nothing to do: docker uses all the room there is\n'
        : planText(plan, { isLive: true, withDiff: false }),
    );
  }
  if (isWanted && planned.steps.length > 0) {
    await apply(
      host,
      plan,
      await recall(host.files),
      { verb, key: runKey(host, node, version), deadlineMs, signal },
      reporter,
    );
  }
  if (isWanted) await refreshResult(host, added);
  const isPending = !isWanted && planned.steps.length > 0;
  if (global.json)
    out(
      `${JSON.stringify({ schema: 1, node: node.node.name, pending: isPending, steps: planned.steps.map((s) => ({ kind: s.kind, summary: describeStep(s), why: s.why })) })}\n`,
    );
  else if (isPending) out(`\nnothing was changed; the same command with --yes does it\n`);
  return isPending ? changesPending : 0;
}
