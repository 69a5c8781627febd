// rpm-ostree through its client: what is deployed, and the few commands that change it; the status afterwards decides.

import type { Candidate, Deployment } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';
import type { OsTree } from '../ports/os-tree.ts';
import type { Exec, ExecResult } from './child-exec.ts';
import { osTreeError, unknownOption } from './rpm-ostree-errors.ts';
import {
  parseRpmOstreeStatus,
  type RpmOstreeDeployment,
  type RpmOstreeStatus,
  withoutEpoch,
} from './rpm-ostree-status.ts';

/** The daemon is started for the question and loads the whole sysroot, which takes a slow disk a while. */
const questionDeadlineMs = 60_000;
/** A check downloads metadata of the origin and of every rpm repository that something is layered from. */
const checkDeadlineMs = 300_000;
/** A whole system over a slow line. */
const stageDeadlineMs = 1_800_000;
/** Rewriting the boot loader's entries. */
const changeDeadlineMs = 120_000;
const rebootDeadlineMs = 15_000;
/** Status holds the metadata of every commit; cut in the middle it would be an error. */
const statusBytes = 8 * 1024 * 1024;
/** With --check and --unchanged-exit-77. */
const unchangedExit = 77;

/** One of the two tools: everything of the port but the state as a whole. */
export type OsTreeTool = Omit<OsTree, 'state'>;

export interface RpmOstree extends OsTreeTool {
  status(): Promise<RpmOstreeStatus>;
}

/**
 * The port by `rpm-ostree`.
 *
 * The client only talks to the daemon. Ending it, by the signal or by the deadline, ends nothing: the transaction goes
 * on, shows as `transaction`, and the same command given again joins it (rpmostreed-transaction.cxx,
 * `is_compatible`). So an agent that is ended by systemd leaves it alone; `rpm-ostree cancel` is for people.
 *
 * `--bypass-driver` is never given: where another agent drives the updates, both would.
 */
export function rpmOstree(exec: Exec): RpmOstree {
  async function run(args: readonly string[], deadlineMs: number, signal?: AbortSignal): Promise<ExecResult> {
    return await exec.run(['rpm-ostree', ...args], {
      deadlineMs,
      maxOutputBytes: statusBytes,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async function change(args: readonly string[], attempted: string): Promise<void> {
    const result = await run(args, changeDeadlineMs);
    if (result.exitCode !== 0) throw osTreeError(result, attempted);
  }

  async function status(): Promise<RpmOstreeStatus> {
    const result = await run(['status', '--json'], questionDeadlineMs);
    if (result.exitCode !== 0) throw osTreeError(result, 'find out what is deployed');
    return parseRpmOstreeStatus(result.stdout);
  }

  /** Options that this version does not know are left out: both only make it safer or clearer. */
  async function runTolerantly(
    args: readonly string[],
    optional: readonly string[],
    signal?: AbortSignal,
  ): Promise<ExecResult> {
    const result = await run([...args, ...optional], stageDeadlineMs, signal);
    const unknown = unknownOption(result);
    if (unknown === null || !optional.includes(unknown)) return result;
    return await runTolerantly(
      args,
      optional.filter((option) => option !== unknown),
      signal,
    );
  }

  async function reboot(): Promise<void> {
    await askForReboot(exec);
  }

  return {
    status,

    async packages(checksum, names) {
      if (names.length === 0) return new Map();
      // Names are patterns for fnmatch without regard to case; the first word that is no commit begins them.
      const result = await run(['db', 'list', checksum, ...names], questionDeadlineMs);
      if (result.exitCode !== 0) throw osTreeError(result, `find out the packages of ${checksum.slice(0, 12)}`);
      return parsePackageList(result.stdout, names);
    },

    async check(signal) {
      const result = await run(['upgrade', '--check'], checkDeadlineMs, signal);
      if (result.exitCode !== 0 && result.exitCode !== unchangedExit) throw osTreeError(result, 'ask for upgrades');
      // Its exit code and its words were wrong more than once (coreos/rpm-ostree#4711); what it has cached is not.
      const { deployments, cachedUpdate, tellsUpdates } = await status();
      // Before it had a word for it, the exit code is all there is.
      if (!tellsUpdates) return result.exitCode === 0 ? { version: null, base: null } : null;
      return isNews(
        cachedUpdate,
        deployments.map((d) => d.deployment),
      )
        ? cachedUpdate
        : null;
    },

    async stage(release, signal) {
      const before = await status();
      const next = before.deployments[0];
      const booted = before.deployments.find((d) => d.deployment.booted);
      const staged = before.deployments.find((d) => d.deployment.staged);
      const current = staged ?? next;
      if (release !== null && current !== undefined && isOf(current, release)) return false;
      const attempted = release === null ? 'stage an upgrade' : `stage the release ${release}`;
      // `deploy` knows versions of an ostree branch only; an image's origin names what it offers now, and no more.
      const viaUpgrade = release === null || (staged ?? booted)?.tracksImage === true;
      const args = viaUpgrade ? ['upgrade'] : ['deploy', revisionOf(release)];
      const result = await runTolerantly(args, ['--unchanged-exit-77', '--lock-finalization'], signal);
      if (result.exitCode !== 0 && result.exitCode !== unchangedExit) throw osTreeError(result, attempted);
      const after = await status();
      const made = after.deployments[0];
      const isNew = made !== undefined && made.deployment.checksum !== next?.deployment.checksum;
      if (release === null || (made !== undefined && isOf(made, release))) return isNew;
      if (isNew && made.deployment.staged) await change(['cleanup', '-p'], 'drop what is staged');
      const offered = made === undefined ? 'nothing' : (made.deployment.version ?? made.deployment.base);
      throw new AgentError(
        'data',
        `cannot ${attempted}: the origin ${made?.deployment.origin ?? ''} offers ${offered} now`,
        {
          hint: viaUpgrade
            ? 'a container image has no history to choose from: rpm-ostree rebase ostree-image-signed:docker://IMAGE@sha256:… pins the host to one'
            : 'see rpm-ostree status',
        },
      );
    },

    async discardStaged() {
      const { deployments } = await status();
      if (!deployments.some((d) => d.deployment.staged)) return;
      await change(['cleanup', '-p'], 'drop what is staged');
    },

    async finalize(checksum) {
      const { deployments } = await status();
      const [next] = deployments;
      if (next === undefined || next.deployment.checksum !== checksum) {
        throw new AgentError(
          'tempfail',
          `will not reboot into ${checksum.slice(0, 12)}: the next boot goes to ${next?.deployment.checksum.slice(0, 12) ?? 'nothing'}`,
          { hint: 'somebody else changed what is staged: see rpm-ostree status', isConflict: true },
        );
      }
      if (!(next.deployment.staged && next.deployment.locked)) {
        await reboot();
        return;
      }
      // It compares with the commit below the layered packages, and asks systemd for an orderly reboot itself.
      const result = await run(['finalize-deployment', next.baseCommit], changeDeadlineMs);
      if (result.exitCode === 0) return;
      // Somebody unlocked it in between (coreos/zincati#1186 never got out of that): it is as wanted.
      if (/Staged deployment already unlocked/.test(result.stderr)) await reboot();
      else throw osTreeError(result, `finalise ${checksum.slice(0, 12)} and reboot`);
    },

    async rollBack(checksum) {
      const { deployments } = await status();
      // `rollback` refuses while anything is staged.
      if (deployments.some((d) => d.deployment.staged)) await change(['cleanup', '-p'], 'drop what is staged');
      const written = deployments.filter((d) => !d.deployment.staged);
      // It swaps the first two: done already, a second `rollback` would undo it.
      if (written[0]?.deployment.checksum === checksum) return;
      if (!written.some((d) => d.deployment.checksum === checksum))
        throw noSuchDeployment(checksum, 'rpm-ostree status');
      await change(['rollback'], 'make the earlier deployment the default');
      assertDefault((await status()).deployments[0]?.deployment, checksum, 'rpm-ostree status');
    },
  };
}

export function noSuchDeployment(checksum: string, command: string): AgentError {
  return new AgentError(
    'data',
    `cannot go back to ${checksum.slice(0, 12)}: there is no such deployment on this host`,
    {
      hint: `${command} shows what can be booted; diyc-agent upgrade stage <version> brings a release back`,
    },
  );
}

/** Neither tool takes the deployment by its name: what it chose is looked at. */
export function assertDefault(found: Deployment | undefined, checksum: string, command: string): void {
  if (found?.checksum === checksum) return;
  throw new AgentError(
    'oserr',
    `the rollback made ${found?.version ?? found?.checksum.slice(0, 12) ?? 'nothing'} the default of the next boot, not ${checksum.slice(0, 12)}`,
    { hint: `see ${command}; with pinned deployments, choose by hand`, retryable: false },
  );
}

/** An orderly shutdown, which is what finalises a staged deployment; `--force` would lose it. */
export async function askForReboot(exec: Exec): Promise<void> {
  const argv = ['systemctl', '--no-ask-password', 'reboot'] as const;
  const result = await exec.run([...argv], { deadlineMs: rebootDeadlineMs });
  // While a reboot is under way systemd refuses the next one.
  if (result.exitCode === 0 || /Transaction (for .* )?is destructive/.test(result.stderr)) return;
  throw osTreeError(result, 'ask for a reboot');
}

/** What is not one of the deployments that count already: the booted one, and what is staged. */
export function isNews(update: Candidate | null, deployments: readonly Deployment[]): boolean {
  if (update === null) return false;
  return !deployments
    .filter((d) => d.booted || d.staged)
    .some((d) =>
      update.base === null ? d.version === update.version : update.base === d.base || update.base === d.checksum,
    );
}

/**
 * `rpm-ostree db list`: a line `ostree commit: …` and one for each package, indented by one blank. What a commit does not
 * have is passed over without a word.
 */
function parsePackageList(text: string, names: readonly string[]): Map<string, string> {
  const [head, ...lines] = text.split('\n').filter((line) => line !== '');
  if (head === undefined || !head.startsWith('ostree commit: ') || !text.endsWith('\n')) throw notAList(head ?? '');
  const found = new Map<string, string>();
  for (const line of lines) {
    const nevra = /^ (\S+-[^-\s]+-[^-\s]+\.\w+)$/.exec(line)?.[1];
    if (nevra === undefined) throw notAList(line);
    const name = nevra.replace(/-[^-]+-[^-]+$/, '');
    // The patterns know no case: Docker would match docker.
    if (names.includes(name)) found.set(name, withoutEpoch(nevra));
  }
  return found;
}

function notAList(line: string): AgentError {
  return new AgentError(
    'oserr',
    `rpm-ostree db list printed what cannot be read: ${JSON.stringify(line.slice(0, 200))}`,
    {
      hint: 'run rpm-ostree db list by hand and look at what it prints',
    },
  );
}

/** The base of a release's id, `sha256:…` of an image included; null where the word is a version. */
export function commitIn(word: string): string | null {
  return /^(?:sha256:)?([0-9a-f]{64})(?:\+.*)?$/s.exec(word)?.[1] ?? null;
}

function revisionOf(release: string): string {
  const commit = commitIn(release);
  return commit === null ? `version=${release}` : `revision=${commit}`;
}

function isOf({ deployment, baseCommit }: RpmOstreeDeployment, word: string): boolean {
  const commit = commitIn(word);
  if (commit === null) return deployment.version === word;
  return [baseCommit, deployment.checksum, deployment.base.replace(/^sha256:/, '')].includes(commit);
}
