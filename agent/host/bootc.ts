// bootc through its own command: images as a whole, one staged at a time, nothing that is staged can be dropped again.

import { access } from 'node:fs/promises';
import { AgentError } from '../model/errors.ts';
import { type BootcDeployment, type BootcStatus, parseBootcStatus } from './bootc-status.ts';
import type { Exec, ExecResult } from './child-exec.ts';
import { askForReboot, assertDefault, commitIn, isNews, noSuchDeployment, type OsTreeTool } from './rpm-ostree.ts';
import { osTreeError, unknownOption } from './rpm-ostree-errors.ts';

const questionDeadlineMs = 20_000;
const checkDeadlineMs = 300_000;
const stageDeadlineMs = 1_800_000;
const changeDeadlineMs = 120_000;
const outputBytes = 1024 * 1024;

export interface Bootc extends OsTreeTool {
  /** @returns null on a host that was not installed by bootc */
  status(): Promise<BootcStatus | null>;
}

export interface BootcOptions {
  readonly exec: Exec;
  /** Where the trees lie; tests name another. */
  readonly deployDirectory?: string;
}

/** The port by `bootc`. It has no history of images and no way to drop what is staged. */
export function bootc({ exec, deployDirectory = '/ostree/deploy' }: BootcOptions): Bootc {
  async function run(args: readonly string[], deadlineMs: number, signal?: AbortSignal): Promise<ExecResult> {
    return await exec.run(['bootc', ...args], {
      deadlineMs,
      maxOutputBytes: outputBytes,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async function change(
    args: readonly string[],
    attempted: string,
    deadlineMs = changeDeadlineMs,
    signal?: AbortSignal,
  ): Promise<void> {
    const result = await run(args, deadlineMs, signal);
    if (result.exitCode !== 0) throw osTreeError(result, attempted);
  }

  async function status(): Promise<BootcStatus | null> {
    const result = await run(['status', '--format=json'], questionDeadlineMs);
    // The first releases had --json only.
    const answer = unknownOption(result) === '--format' ? await run(['status', '--json'], questionDeadlineMs) : result;
    if (answer.exitCode !== 0) throw osTreeError(answer, 'find out what is deployed');
    return parseBootcStatus(answer.stdout);
  }

  async function host(): Promise<BootcStatus> {
    const found = await status();
    if (found !== null) return found;
    throw new AgentError('oserr', 'bootc does not manage this host: its status has no type', {
      hint: 'install the host with bootc install, or install rpm-ostree',
    });
  }

  async function check(signal?: AbortSignal) {
    await change(['upgrade', '--check'], 'ask for upgrades', checkDeadlineMs, signal);
    const { deployments, cachedUpdate } = await host();
    return isNews(
      cachedUpdate,
      deployments.map((d) => d.deployment),
    )
      ? cachedUpdate
      : null;
  }

  return {
    status,
    check,

    async packages(checksum, names) {
      if (names.length === 0) return new Map();
      const found = (await host()).deployments.find((d) => d.deployment.checksum === checksum);
      const root = found?.directory == null ? null : `${deployDirectory}/${found.directory}`;
      if (root === null || !(await isThere(root))) {
        throw new AgentError(
          'oserr',
          `the packages of ${checksum.slice(0, 12)} are not known: ${root === null ? 'its tree is not in an ostree repository' : `${root} is not there`}`,
          { hint: 'see bootc status' },
        );
      }
      return await packagesBelow(exec, root, names);
    },

    async stage(release, signal) {
      const before = await host();
      const stagedBefore = before.deployments.find((d) => d.deployment.staged);
      const [next] = before.deployments;
      if (release !== null && next !== undefined && isOf(next, release)) return false;
      if (release !== null) {
        // What is staged cannot be dropped again, so the offer is looked at first.
        const offer = await check(signal);
        const isOffered = offer !== null && (offer.version === release || isDigest(offer.base, release));
        if (!isOffered) {
          throw new AgentError(
            'data',
            `cannot stage the release ${release}: the image offers ${offer === null ? 'nothing newer' : (offer.version ?? offer.base)} now`,
            { hint: 'bootc switch IMAGE@sha256:… pins the host to one image' },
          );
        }
      }
      const attempted = release === null ? 'stage an upgrade' : `stage the release ${release}`;
      // Since 2025 it can keep what it staged from any odd reboot.
      const locking = await run(['upgrade', '--download-only'], stageDeadlineMs, signal);
      if (unknownOption(locking) === '--download-only') await change(['upgrade'], attempted, stageDeadlineMs, signal);
      else if (locking.exitCode !== 0) throw osTreeError(locking, attempted);
      const staged = (await host()).deployments.find((d) => d.deployment.staged);
      return staged !== undefined && staged.deployment.checksum !== stagedBefore?.deployment.checksum;
    },

    async discardStaged() {
      const { deployments } = await host();
      const staged = deployments.find((d) => d.deployment.staged);
      if (staged === undefined) return;
      throw new AgentError(
        'oserr',
        `cannot drop what is staged (${staged.deployment.version ?? staged.deployment.base}): bootc has no command for it`,
        { hint: 'ostree admin undeploy 0, or stage another image over it with bootc switch', retryable: false },
      );
    },

    async finalize(checksum) {
      const [next] = (await host()).deployments;
      if (next?.deployment.checksum !== checksum) {
        throw new AgentError(
          'tempfail',
          `will not reboot into ${checksum.slice(0, 12)}: the next boot goes to ${next?.deployment.checksum.slice(0, 12) ?? 'nothing'}`,
          { hint: 'somebody else changed what is staged: see bootc status', isConflict: true },
        );
      }
      if (next.deployment.locked) await change(['upgrade', '--from-downloaded'], 'unlock what is staged');
      await askForReboot(exec);
    },

    async rollBack(checksum) {
      const { deployments } = await host();
      const written = deployments.filter((d) => !d.deployment.staged);
      // A second `bootc rollback` takes the first one back.
      if (written[0]?.deployment.checksum === checksum) return;
      if (!written.some((d) => d.deployment.checksum === checksum)) throw noSuchDeployment(checksum, 'bootc status');
      await change(['rollback'], 'make the earlier deployment the default');
      assertDefault((await host()).deployments[0]?.deployment, checksum, 'bootc status');
    },
  };
}

/** Asks rpm about a tree that need not be the running one: rpm enters it, and takes the database that it finds there. */
async function packagesBelow(exec: Exec, root: string, names: readonly string[]): Promise<Map<string, string>> {
  const format = '%{NAME}\\t%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\\n';
  const argv = ['rpm', '--root', root, '--query', '--queryformat', format, '--', ...names] as const;
  const result = await exec.run([...argv], { deadlineMs: questionDeadlineMs, maxOutputBytes: outputBytes });
  const found = new Map<string, string>();
  for (const line of result.stdout.split('\n').filter((l) => l !== '')) {
    const [name, nevra] = line.split('\t');
    if (name !== undefined && nevra !== undefined) found.set(name, nevra);
    else if (!/^package \S+ is not installed$/.test(line)) throw osTreeError(result, `read the packages below ${root}`);
  }
  // It ends with the number of packages that are not installed; silence about all of them is no answer.
  const missing = (result.stdout.match(/ is not installed$/gm) ?? []).length;
  if (result.timedOut || found.size + missing === 0) throw osTreeError(result, `read the packages below ${root}`);
  return found;
}

function isOf({ deployment }: BootcDeployment, word: string): boolean {
  return deployment.version === word || isDigest(deployment.base, word) || deployment.checksum === commitIn(word);
}

function isDigest(base: string | null, word: string): boolean {
  return base !== null && base.replace(/^sha256:/, '') === commitIn(word);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
