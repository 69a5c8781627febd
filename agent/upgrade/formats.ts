// Data formats that lead one way only: what a deployment would do to etcd's data and docker's images, and what it cannot read.

import type { FormatLedger } from '../model/format-ledger.ts';
import type { Errand } from '../model/upgrade.ts';

export interface FormatVerdict {
  /** For people: what is crossed, or that nothing is. */
  readonly message: string;
  /** One-way formats that the errand crosses; a snapshot is taken before, whatever its age. */
  readonly crossings: readonly string[];
  readonly refusal: { readonly message: string; readonly hint: string } | null;
}

export interface FormatSight {
  readonly errand: Errand;
  /** Packages of the booted deployment and of the one it goes to, name to name-version-release.arch. */
  readonly from: ReadonlyMap<string, string>;
  readonly to: ReadonlyMap<string, string>;
  readonly ledger: FormatLedger;
  readonly isMember: boolean;
}

/** Docker's own removals: `overlay` in 24.0, `devicemapper` in 25.0; images of a driver that is gone are not seen any more. */
const lastMajorOfDriver: Readonly<Record<string, number>> = { aufs: 23, overlay: 23, devicemapper: 24 };

const dockerPackages = ['docker-ce', 'moby-engine', 'docker'] as const;

/** What the errand means for the data that is on this host. */
export function judgeFormats(sight: FormatSight): FormatVerdict {
  if (sight.errand.kind === 'reboot')
    return { message: 'the deployment stays, and so do its formats', crossings: [], refusal: null };
  const etcd = sight.isMember ? judgeEtcd(sight) : nothing;
  const docker = judgeDocker(sight);
  const crossings = [...etcd.crossings, ...docker.crossings];
  const message = crossings.length === 0 ? 'no data format changes for good' : crossings.join('; ');
  return { message, crossings, refusal: etcd.refusal ?? docker.refusal };
}

type Part = Pick<FormatVerdict, 'crossings' | 'refusal'>;

const nothing: Part = { crossings: [], refusal: null };

/**
 * etcd goes up one minor version at a time, and its data follow once all members are there (etcd's upgrade guides);
 * from 3.6 on it refuses data of a newer minor outright, and before that nobody promises anything.
 */
function judgeEtcd({ errand, from, to, ledger }: FormatSight): Part {
  const before = versionOf('etcd', from.get('etcd'));
  const after = versionOf('etcd', to.get('etcd'));
  const unread = to.get('etcd');
  if (after === null && unread !== undefined) {
    return {
      crossings: [],
      refusal: {
        message: `the version of ${unread} cannot be read, so nobody knows whether it can read etcd's data`,
        hint: 'report this; until then rpm-ostree itself goes there, on your own judgement',
      },
    };
  }
  if (after === null) {
    if (before === null) return nothing;
    return {
      crossings: [],
      refusal: {
        message: `this node is an etcd member, and etcd is not in the deployment it would go to (now ${before.text})`,
        hint: 'layer or bake etcd into it, or take the node out of etcd.members first',
      },
    };
  }
  const written = parseVersion(ledger.etcdCluster);
  if (written !== null && isOlder(after, written)) {
    const steps =
      written.major === 3 && written.minor >= 6
        ? `etcdctl downgrade enable ${after.major}.${after.minor}.0 on one member; once etcdctl endpoint status shows that storage version everywhere, rpm-ostree rollback by hand, one node at a time: the agent does not see a storage version that was lowered`
        : `etcd has no way back from ${minorOf(written)}: stop all members and restore a snapshot taken by ${minorOf(after)}, or move on instead`;
    return {
      crossings: [],
      refusal: {
        message: `etcd's data are of ${minorOf(written)}, and ${errand.kind === 'rollback' ? 'the earlier deployment' : 'the deployment'} has etcd ${after.text}, which would not start on them`,
        hint: steps,
      },
    };
  }
  if (before !== null && written === null && isOlder(after, before)) {
    return {
      crossings: [],
      refusal: {
        message: `etcd would go back from ${before.text} to ${after.text}, and nobody knows which version its data are of`,
        hint: 'start the other members, so that they can be asked; then try again',
      },
    };
  }
  if (before === null || minorOf(before) === minorOf(after) || isOlder(after, before)) return nothing;
  // 2.3 is the last minor version of its major one, and what comes after the last of 3 nobody knows yet.
  const next = before.major === 2 ? '3.0' : `${before.major}.${before.minor + 1}`;
  if (minorOf(after) !== next) {
    return {
      crossings: [],
      refusal: {
        message: `etcd would go from ${before.text} to ${after.text}; it goes up one minor version at a time`,
        hint: `take a release with etcd ${next} first`,
      },
    };
  }
  return {
    crossings: [
      `etcd goes from ${minorOf(before)} to ${minorOf(after)}: once all members have it there is no way back but a snapshot`,
    ],
    refusal: null,
  };
}

function judgeDocker({ to, ledger }: FormatSight): Part {
  const driver = ledger.dockerDriver;
  const name = dockerPackages.find((p) => to.has(p));
  const after = name === undefined ? null : versionOf(name, to.get(name));
  const last = driver === null ? undefined : lastMajorOfDriver[driver];
  if (after === null || last === undefined || after.major <= last) return nothing;
  return {
    crossings: [],
    refusal: {
      message: `docker's images here are in the ${driver} driver, which docker ${after.text} does not have any more`,
      hint: 'move to overlay2 first: save what is needed, change storage.docker.driver, and pull or load it again',
    },
  };
}

interface Version {
  readonly major: number;
  readonly minor: number;
  readonly text: string;
}

/** The version in `name-[epoch:]version-release.arch`; null without a package, and for one that is not understood. */
export function versionOf(name: string, nevra: string | undefined): Version | null {
  if (nevra === undefined || !nevra.startsWith(`${name}-`)) return null;
  const version = nevra.slice(name.length + 1).split('-')[0];
  return parseVersion(version?.replace(/^\d+:/, '') ?? null);
}

function parseVersion(text: string | null): Version | null {
  const match = /^v?(\d+)\.(\d+)(?:[.~^+].*)?$/.exec(text ?? '');
  return match === null ? null : { major: Number(match[1]), minor: Number(match[2]), text: text ?? '' };
}

function isOlder(one: Version, other: Version): boolean {
  return one.major < other.major || (one.major === other.major && one.minor < other.minor);
}

function minorOf(version: Version): string {
  return `${version.major}.${version.minor}`;
}
