// An image-based host in memory: releases at an origin, deployments in the order of the boot menu, reboots and power cuts.

import { createHash } from 'node:crypto';
import type { Candidate, Deployment, OsConflict, OsState } from '../../agent/model/deployment.ts';
import { AgentError } from '../../agent/model/errors.ts';
import type { OsTree } from '../../agent/ports/os-tree.ts';
import type { EffectLog } from './effect-log.ts';

export interface FakeRelease {
  readonly version: string;
  /** 64 hexadecimal digits. */
  readonly checksum: string;
  /** Name-version-release.arch by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/** What may be done to a deployment behind the agent's back. */
export type DeploymentChange = Partial<
  Pick<Deployment, 'pinned' | 'localPackages' | 'overrides' | 'liveApplied' | 'unlocked'>
>;

export interface FakeOsTree extends OsTree {
  /** A release that the origin offers from now on. */
  publish(release: FakeRelease): void;
  /** The origin does not answer; null: it does again. */
  cutOff(error: AgentError | null): void;
  /** Every question and change fails like this; null: they work again. */
  fail(error: AgentError | null): void;
  /** Another client's transaction, `refresh-md (from :1.42)`; null: it has ended. */
  hold(transaction: string | null): void;
  /** An operator layers a package on the booted deployment, as if it had been there at the last boot. */
  layer(name: string, nevra: string): void;
  change(change: DeploymentChange): void;
  declare(facts: { readonly updateDriver?: string | null; readonly conflicts?: readonly OsConflict[] }): void;
  /** `finalize` was called, and the host has not come up since. */
  readonly isRebooting: boolean;
  /**
   * The host goes down and comes up again. Orderly: what is staged and not locked becomes the default. Power cut: what is
   * staged is gone. `fallback`: the boot loader took the second entry instead of the default.
   *
   * @returns what is booted now
   */
  boot(how: 'orderly' | 'power-cut', choice?: 'default' | 'fallback'): Deployment;
}

export interface FakeOsTreeOptions {
  readonly log: EffectLog;
  /** Oldest first; the first is booted. Empty: the host is no image-based one. */
  readonly releases: readonly FakeRelease[];
  readonly origin?: string;
  readonly driver?: OsState['driver'];
  /** False: staged deployments are not locked, as with old versions. */
  readonly locks?: boolean;
  /** The host is told to reboot. */
  readonly onReboot?: () => void;
}

interface Entry extends Deployment {
  readonly packages: ReadonlyMap<string, string>;
}

/** An rpm-ostree for tests. */
export function fakeOsTree({
  log,
  releases: given,
  origin = 'stub:stable',
  driver = 'rpm-ostree',
  locks = true,
  onReboot = () => undefined,
}: FakeOsTreeOptions): FakeOsTree {
  const releases = [...given];
  const [first] = given;
  let written: Entry[] = first === undefined ? [] : [{ ...deployed(first, []), booted: true }];
  let staged: Entry | null = null;
  let cachedUpdate: Candidate | null = null;
  let transaction: string | null = null;
  let failure: AgentError | null = null;
  let cut: AgentError | null = null;
  let updateDriver: string | null = null;
  let conflicts: readonly OsConflict[] = [];
  let isRebooting = false;
  const repo = new Map<string, string>();

  function deployed(release: FakeRelease, requested: readonly string[]): Entry {
    const layered = requested.map((name) => [name, repo.get(name) ?? name] as const);
    const text = [release.checksum, ...layered.map(([, nevra]) => nevra).sort()].join('\n');
    return {
      checksum: layered.length === 0 ? release.checksum : createHash('sha256').update(text).digest('hex'),
      base: release.checksum,
      version: release.version,
      origin,
      booted: false,
      staged: false,
      locked: false,
      pinned: false,
      requestedPackages: requested,
      localPackages: [],
      overrides: [],
      liveApplied: false,
      unlocked: 'none',
      packages: new Map([...Object.entries(release.packages), ...layered]),
    };
  }

  const entries = (): Entry[] => (staged === null ? written : [staged, ...written]);
  const booted = (): Entry => {
    const found = written.find((d) => d.booted);
    if (found === undefined) throw new Error('fake os tree: nothing is booted');
    return found;
  };

  function shown({ packages: _packages, ...deployment }: Entry): Deployment {
    return deployment;
  }

  function assertWorks(): void {
    log.assertAlive();
    if (failure !== null) throw failure;
    if (written.length === 0) {
      throw new AgentError('oserr', 'this host is not image-based: ostree did not boot it', {
        hint: 'use another host',
      });
    }
  }

  function assertFree(attempted: string): void {
    assertWorks();
    const busy = isRebooting
      ? 'Reboot initiated, cannot start new transaction'
      : transaction === null
        ? null
        : `Transaction in progress: ${transaction}`;
    if (busy !== null) throw new AgentError('tempfail', `cannot ${attempted}: ${busy}`, { hint: 'wait for it' });
  }

  function newest(): FakeRelease {
    if (cut !== null) throw cut;
    const last = releases.at(-1);
    if (last === undefined) throw new Error('fake os tree: the origin has no release');
    return last;
  }

  function refreshCachedUpdate(): void {
    const { version, checksum } = newest();
    cachedUpdate = checksum === booted().base ? null : { version, base: checksum };
  }

  function releaseCalled(word: string, attempted: string): FakeRelease {
    newest();
    const base = word.split('+')[0];
    const found = releases.find((r) => r.version === word || r.checksum === base);
    if (found !== undefined) return found;
    throw new AgentError('data', `cannot ${attempted}: Version ${word} not found in ${origin}`, {
      hint: 'see which releases the origin has',
    });
  }

  function put(release: FakeRelease): boolean {
    const [merge] = entries();
    if (merge?.base === release.checksum) return false;
    log.run(`stage ${release.version}`, () => {
      const made = deployed(release, merge?.requestedPackages ?? []);
      staged = { ...made, localPackages: merge?.localPackages ?? [], staged: true, locked: locks };
    });
    return true;
  }

  return {
    publish: (release) => void releases.push(release),
    cutOff(error) {
      cut = error;
    },
    fail(error) {
      failure = error;
    },
    hold(title) {
      transaction = title;
    },
    layer(name, nevra) {
      repo.set(name, nevra);
      const release = releases.find((r) => r.checksum === booted().base);
      if (release === undefined) throw new Error('fake os tree: the booted release is no longer at the origin');
      const made = { ...deployed(release, [...booted().requestedPackages, name]), booted: true };
      written = written.map((d) => (d.booted ? made : d));
    },
    change(change) {
      written = written.map((d) => (d.booted ? { ...d, ...change } : d));
    },
    declare(facts) {
      if (facts.updateDriver !== undefined) updateDriver = facts.updateDriver;
      if (facts.conflicts !== undefined) conflicts = facts.conflicts;
    },
    get isRebooting() {
      return isRebooting;
    },
    boot(how, choice = 'default') {
      if (how === 'orderly' && staged !== null && !staged.locked) {
        written = [{ ...staged, staged: false }, ...written.filter((d) => d.booted || d.pinned)];
      }
      staged = null;
      transaction = null;
      isRebooting = false;
      const index = choice === 'fallback' && written.length > 1 ? 1 : 0;
      written = written.map((d, i) => ({ ...d, booted: i === index, liveApplied: false }));
      return shown(booted());
    },

    async state() {
      log.assertAlive();
      if (failure !== null) throw failure;
      if (written.length === 0) return null;
      return { driver, deployments: entries().map(shown), transaction, cachedUpdate, updateDriver, conflicts };
    },
    async packages(checksum, names) {
      assertWorks();
      const found = entries().find((d) => d.checksum === checksum);
      if (found === undefined) {
        throw new AgentError('oserr', `the packages of ${checksum} are not known`, { hint: 'see rpm-ostree status' });
      }
      return new Map([...found.packages].filter(([name]) => names.includes(name)));
    },
    async check() {
      assertFree('ask for upgrades');
      refreshCachedUpdate();
      return entries().some((d) => (d.booted || d.staged) && d.base === cachedUpdate?.base) ? null : cachedUpdate;
    },
    async stage(release) {
      assertFree('stage a release');
      if (release === null) {
        refreshCachedUpdate();
        return put(newest());
      }
      const [next] = entries();
      if (next !== undefined && (next.version === release || next.base === release.split('+')[0])) return false;
      return put(releaseCalled(release, `stage the release ${release}`));
    },
    async discardStaged() {
      assertWorks();
      if (staged === null) return;
      assertFree('drop what is staged');
      log.run(`discard ${staged.version}`, () => {
        staged = null;
      });
    },
    async finalize(checksum) {
      assertFree('finalise and reboot');
      const [next] = entries();
      if (next?.checksum !== checksum) {
        throw new AgentError('tempfail', `will not reboot into ${checksum}: the next boot goes elsewhere`, {
          hint: 'see rpm-ostree status',
          isConflict: true,
        });
      }
      log.run(
        `finalize ${next.version}`,
        () => {
          if (staged !== null) staged = { ...staged, locked: false };
          isRebooting = true;
          onReboot();
        },
        // Unlocked, and killed before the reboot was asked for.
        () => {
          if (staged !== null) staged = { ...staged, locked: false };
        },
      );
    },
    async rollBack(checksum) {
      assertFree('roll back');
      const earlier = written.find((d) => d.checksum === checksum);
      if (staged !== null) {
        log.run(`discard ${staged.version}`, () => {
          staged = null;
        });
      }
      if (earlier === undefined) {
        throw new AgentError('data', `cannot go back to ${checksum.slice(0, 12)}: there is no such deployment`, {
          hint: 'deploy a release instead',
        });
      }
      if (written[0] === earlier) return;
      log.run(`roll back to ${earlier.version}`, () => {
        written = [earlier, ...written.filter((d) => d !== earlier)];
      });
    },
  };
}
