// The exhaustive table of executors: one small function per kind of step, no decisions in any of them.

import type { Step, StepKind } from '../model/step.ts';
import type { Host } from '../ports/host.ts';

type Executor<K extends StepKind> = (host: Host, step: Step<K>) => Promise<void>;

export const executors: { readonly [K in StepKind]: Executor<K> } = {
  async writeFile(host, step) {
    if (step.keepAs !== null) await host.files.keepCopy(step.path, step.keepAs);
    await host.files.replace(step.path, step.content, { mode: step.mode, owner: step.owner }, step.before);
  },
  async setAttributes(host, step) {
    await host.files.setAttributes(step.path, { mode: step.mode, owner: step.owner });
  },
  async makeDirectory(host, step) {
    await host.files.makeDirectory(step.path, { mode: step.mode, owner: step.owner });
  },
  async makeLink(host, step) {
    await host.files.makeLink(step.path, step.target);
  },
  async loadModule(host, step) {
    await host.kernel.loadModule(step.module);
  },
  async reloadUnits(host) {
    await host.units.reload();
  },
  async reloadServices(host, step) {
    await host.units.reloadServices(step.units);
  },
  async startUnits(host, step) {
    await host.units.queueStart(step.units);
  },
  async restartUnits(host, step) {
    await host.units.queueRestart(step.units);
  },
  async removeNetworkDevice(host, step) {
    await host.kernel.removeDevice(step.device);
  },
  async insertFirewallRule(host, step) {
    await host.kernel.ensureFirewallRule(step.table, step.chain, step.rule);
  },
  async reboot(host) {
    await host.units.reboot();
  },
};

/** Carry out one step of whatever kind. */
export async function execute<K extends StepKind>(host: Host, step: Step<K>): Promise<void> {
  const executor: Executor<K> = executors[step.kind as K];
  await executor(host, step);
}
