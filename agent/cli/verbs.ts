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

export const verbs: readonly Verb[] = [
  {
    name: 'status',
    summary: 'this node on one screen, worst first; exits 0 ready, 1 failed, 2 degraded, 3 waiting',
    options: [{ flags: '-w, --watch', about: 'show it again every two seconds until interrupted', preset: false }],
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
