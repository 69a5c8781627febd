// Well-known places on the host, each named once; what depends on the distribution is in the layout instead.

export type AbsolutePath = `/${string}`;

export const agentBinary: AbsolutePath = '/usr/bin/diyc-agent';

/** Kept across reboots: the journal of runs and steps. */
export const journalFile: AbsolutePath = '/var/lib/diyc-agent/journal.jsonl';

/** Kept across reboots and deployments: where this node's own upgrade stands, and what each deployment has written. */
export const upgradeFile: AbsolutePath = '/var/lib/diyc-agent/upgrade.json';
export const formatLedgerFile: AbsolutePath = '/var/lib/diyc-agent/formats.json';
export const snapshotDirectory: AbsolutePath = '/var/lib/diyc-agent/snapshots';

/** Gone at each boot, as it should be: what was observed, what is waited for, the lease in use. */
export const runDirectory: AbsolutePath = '/run/diyc-agent';
export const statusFile: AbsolutePath = '/run/diyc-agent/status.json';
/** What is deployed and how far the upgrade is, as the upgrade unit last saw it. */
export const upgradeViewFile: AbsolutePath = '/run/diyc-agent/upgrade.json';
/** The target of this node's group as the last report saw it. */
export const seenTargetFile: AbsolutePath = '/run/diyc-agent/target.json';
export const metricsFile: AbsolutePath = '/run/diyc-agent/metrics.prom';
export const leaseFile: AbsolutePath = '/run/diyc-agent/lease.json';
/** How the last seeding of flannel's configuration ended. */
export const seedFile: AbsolutePath = '/run/diyc-agent/seed.json';
export const waitsDirectory: AbsolutePath = '/run/diyc-agent/waits';
export const dockerOptionsFile: AbsolutePath = '/run/diyc-agent/docker.env';
/** Where flanneld writes its lease; the file outlives a stop of flanneld, so it alone proves nothing. */
export const flannelSubnetFile: AbsolutePath = '/run/flannel/subnet.env';

/** Directories of cluster files, the first wins key by key. */
export const clusterDirectories = {
  etc: '/etc/diyc-agent',
  run: '/run/diyc-agent',
  usrLib: '/usr/lib/diyc-agent',
} as const satisfies Record<string, AbsolutePath>;

export const systemUnits: AbsolutePath = '/etc/systemd/system';

/** Where systemd looks for units, the first match wins (systemd.unit(5)); /lib is for trees without merged /usr. */
export const unitDirectories = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
] as const satisfies readonly AbsolutePath[];

/** Where programs are looked for, in this order. */
export const binaryDirectories = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/local/bin',
  '/opt/bin',
] as const satisfies readonly AbsolutePath[];

/** Join a directory and a relative name. */
export function under(directory: AbsolutePath, ...names: readonly string[]): AbsolutePath {
  const joined = [directory === '/' ? '' : directory, ...names].join('/');
  return (joined || '/') as AbsolutePath;
}
