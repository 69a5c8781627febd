// Every verb, in the order of --help. To add one: its file beside this one, its entry here, its lines in the man page.

import type { Verb, VerbOption } from './command.ts';

const longWait: VerbOption = {
  flags: '--deadline <duration>',
  about: 'give up after this long; the unit then tries again',
  preset: '1h',
};
const runDeadline = (preset: string): VerbOption => ({
  flags: '--deadline <duration>',
  about: 'the run stops between two steps after this long',
  preset,
});

const consent: VerbOption = { flags: '-y, --yes', about: 'do it; without it only the plan is shown', preset: false };

const group: VerbOption = { flags: '--group <name>', about: "an upgrade group; default: this node's own" };
const reasonOption: VerbOption = { flags: '--reason <text>', about: 'why, for everybody who looks' };
const release = {
  name: 'release',
  about: 'version or commit; default: what the origin offers',
  optional: true,
} as const;
const askOptions: readonly VerbOption[] = [
  { flags: '--outside-window', about: 'do not wait for the maintenance window', preset: false },
  {
    flags: '--accept-outage',
    about: 'with one or two etcd members: accept that etcd is away meanwhile',
    preset: false,
  },
  { flags: '--timeout <duration>', about: 'how long to watch it; it goes on by itself', preset: '10m' },
];

export const verbs: readonly Verb[] = [
  {
    name: 'status',
    summary: 'this node on one screen, worst first; exits 0 ready, 1 failed, 2 degraded, 3 waiting',
    options: [
      { flags: '-w, --watch', about: 'show it again every two seconds until interrupted', preset: false },
      {
        flags: '--local',
        about: 'only what this host alone decides; exits 1 when some of that is failed, else 0',
        preset: false,
      },
    ],
    load: async () => (await import('./status.ts')).runStatus,
  },
  {
    name: 'nodes',
    summary: 'every node of the cluster and how it is',
    options: [{ flags: '-l, --long', about: 'with etcd role, versions, last report and metadata', preset: false }],
    load: async () => (await import('./nodes.ts')).runNodes,
  },
  {
    name: 'wait',
    summary: 'wait until nodes are ready; exits 75 when the time is up',
    options: [
      { flags: '--for <state>', about: 'what to wait for: ready', preset: 'ready' },
      { flags: '--nodes <n>', about: 'how many nodes; default: all of the cluster file' },
      { flags: '--timeout <duration>', about: 'how long to wait', preset: '5m' },
    ],
    load: async () => (await import('./wait.ts')).runWait,
  },
  {
    name: 'plan',
    summary: 'show what apply would do, and why; exits 2 when there is something',
    options: [
      { flags: '--no-diff', about: 'leave out what changes in each file' },
      { flags: '--restart', about: 'plan as apply --restart would', preset: false },
    ],
    load: async () => (await import('./plan.ts')).runPlan,
  },
  {
    name: 'apply',
    summary: 'make this host as the cluster file says',
    description:
      'Carry out what `diyc-agent plan` shows. Units that run keep running with their old files unless --restart is given.',
    options: [
      { flags: '--restart', about: 'restart running units whose files changed', preset: false },
      runDeadline('5m'),
    ],
    load: async () => (await import('./apply.ts')).runApply,
  },
  {
    name: 'boot',
    summary: 'configure this host; for bootcmd and for the unit at each boot',
    description:
      'Find out which node this host is, write what it needs, enable its units and queue their start. Waits for no unit and no network, and does nothing on a host that is as the cluster file says.',
    options: [runDeadline('60s')],
    load: async () => (await import('./boot.ts')).runBoot,
  },
  {
    name: 'join',
    summary: 'what the units of flanneld and docker call while they start',
    verbs: [
      {
        name: 'seed',
        summary: "create flannel's configuration in etcd if it is absent; waits for etcd",
        options: [longWait],
        load: async () => (await import('./join.ts')).joinSeed,
      },
      {
        name: 'lease',
        summary: 'start docker again if its own start failed while flannel was late',
        load: async () => (await import('./join.ts')).joinLease,
      },
      {
        name: 'bridge',
        summary: "write docker's network options from flannel's lease; waits for the lease",
        options: [longWait],
        load: async () => (await import('./join.ts')).joinBridge,
      },
      {
        name: 'forward',
        summary: 'let packets of the overlay through to containers',
        load: async () => (await import('./join.ts')).joinForward,
      },
    ],
  },
  {
    name: 'storage',
    summary: "docker's storage: show it, give it more room",
    verbs: [
      {
        name: 'show',
        summary: 'target, disks, group and how full it is; on a live host its overlay and what grows in it',
        load: async () => (await import('./storage-show.ts')).storageShow,
      },
      {
        name: 'add',
        summary: 'take one more disk for docker; shows the plan, and does it with --yes',
        argument: { name: 'device', about: 'iscsi:LUN, or a name of /dev/disk/by-id or by-path' },
        options: [consent, runDeadline('10m')],
        load: async () => (await import('./storage-grow.ts')).storageAdd,
      },
      {
        name: 'grow',
        summary: 'use what the disks have grown by; shows the plan, and does it with --yes',
        options: [consent, runDeadline('10m')],
        load: async () => (await import('./storage-grow.ts')).storageGrow,
      },
      {
        name: 'estimate',
        summary: 'what pulling an image would cost the overlay of a live host; exits 2 when it may not fit',
        argument: { name: 'size', about: 'compressed, as the registry shows it: 80M, 1.5G' },
        load: async () => (await import('./storage-estimate.ts')).storageEstimate,
      },
      {
        name: 'gauge',
        summary: 'measure the overlay of a live host and stop downloads when it is nearly full; for the timer',
        load: async () => (await import('./storage-gauge.ts')).storageGauge,
      },
      {
        name: 'attach',
        summary: "log in, wait for the disks, prepare them; for the storage unit's start",
        options: [longWait],
        load: async () => (await import('./storage.ts')).storageAttach,
      },
      {
        name: 'detach',
        summary: "deactivate the group and log out, unless something uses it; for the storage unit's stop",
        load: async () => (await import('./storage.ts')).storageDetach,
      },
    ],
  },
  {
    name: 'upgrade',
    summary: 'upgrades of this node and of the fleet, one proven step at a time',
    verbs: [
      {
        name: 'status',
        summary: 'the fleet: what each node runs, what is staged, what it waits for; what is denied',
        options: [group],
        load: async () => (await import('./upgrade-status.ts')).upgradeStatus,
      },
      {
        name: 'check',
        summary: 'what is offered, and what stands in the way of booting it; exits 2 when something is there',
        load: async () => (await import('./upgrade-check.ts')).upgradeCheck,
      },
      {
        name: 'stage',
        summary: 'stage a release on this node; nothing reboots',
        argument: release,
        load: async () => (await import('./upgrade-ask.ts')).upgradeStage,
      },
      {
        name: 'apply',
        summary: 'bring this node into a release: stage, slot, proof, reboot; exits 75 while it waits',
        argument: release,
        options: [...askOptions],
        load: async () => (await import('./upgrade-ask.ts')).upgradeApply,
      },
      {
        name: 'cancel',
        summary: 'take back what was asked of this node, as long as it does not reboot already',
        load: async () => (await import('./upgrade-ask.ts')).upgradeCancel,
      },
      {
        name: 'target',
        summary: 'show, or set, what all nodes of a group are to reach: a release, latest, or none',
        argument: { ...release, about: 'version or commit, latest, or none' },
        options: [group],
        load: async () => (await import('./upgrade-fleet.ts')).upgradeTarget,
      },
      {
        name: 'hold',
        summary: 'let nothing of the group reboot until resume',
        options: [group, reasonOption],
        load: async () => (await import('./upgrade-fleet.ts')).upgradeHold,
      },
      {
        name: 'resume',
        summary: 'let the group go on',
        options: [group],
        load: async () => (await import('./upgrade-fleet.ts')).upgradeResume,
      },
      {
        name: 'allow',
        summary: 'take a release off the list of those that are not to be tried again',
        argument: { name: 'release', about: 'version or commit, as upgrade status shows it' },
        options: [group],
        load: async () => (await import('./upgrade-fleet.ts')).upgradeAllow,
      },
      {
        name: 'run',
        summary: 'do what is to be done now, and end; for the timer',
        load: async () => (await import('./upgrade-run.ts')).upgradeRun,
      },
    ],
  },
  {
    name: 'rollback',
    summary: 'go back to the earlier deployment, with slot and proof; the fleet does not take this one again',
    options: [
      reasonOption,
      { flags: '--no-deny', about: 'leave the release that is left allowed for the fleet' },
      ...askOptions,
    ],
    load: async () => (await import('./upgrade-ask.ts')).rollback,
  },
  {
    name: 'reboot',
    summary: 'reboot this node when the fleet can do without it: slot, proof, reboot; exits 75 while it waits',
    options: [reasonOption, ...askOptions],
    load: async () => (await import('./upgrade-ask.ts')).reboot,
    verbs: [
      {
        name: 'status',
        summary: 'who holds a slot since when and why, what happened lately, the last proofs',
        options: [group],
        load: async () => (await import('./upgrade-status.ts')).rebootStatus,
      },
      {
        name: 'release',
        summary: 'free the slot of a host that will not do it itself; says what that means without --yes',
        argument: { name: 'holder', about: 'as reboot status shows it' },
        options: [group, reasonOption, { ...consent, about: 'do it' }],
        load: async () => (await import('./reboot-release.ts')).rebootRelease,
      },
    ],
  },
  {
    name: 'fleetlock',
    summary: 'serve the reboot slots to hosts that speak FleetLock; for its unit',
    options: [{ flags: '--listen <where>', about: 'address:port or the path of a socket; default: the cluster file' }],
    load: async () => (await import('./fleet-lock.ts')).serveFleetLock,
  },
  {
    name: 'report',
    summary: 'observe this node and publish how it is; for the timer',
    load: async () => (await import('./report.ts')).runReport,
  },
  {
    name: 'config',
    summary: 'validate, show or describe the cluster file',
    verbs: [
      {
        name: 'validate',
        summary: 'check the cluster file; every finding with file, line, column and remedy',
        load: async () => (await import('./config.ts')).validateConfig,
      },
      {
        name: 'show',
        summary: 'print the cluster file as the agent understands it, defaults filled in',
        options: [{ flags: '--origin', about: 'say for each line where it comes from', preset: false }],
        load: async () => (await import('./config.ts')).showConfig,
      },
      {
        name: 'schema',
        summary: 'print the JSON Schema of the cluster file, for editors',
        load: async () => (await import('./config.ts')).printSchema,
      },
    ],
  },
  {
    name: 'completion',
    summary: 'print shell completion',
    argument: { name: 'shell', about: 'which shell', choices: ['bash', 'zsh', 'fish'] },
    load: async () => (await import('./completion.ts')).runCompletion,
  },
  {
    name: 'version',
    summary: 'which agent this is',
    load: async () => (await import('./version.ts')).runVersion,
  },
];
