// The exhaustive table of executors: one small function per kind of step, no decisions in any of them.

import { AgentError } from '../model/errors.ts';
import type { Step, StepKind } from '../model/step.ts';
import { contentOf } from '../model/storage.ts';
import type { Host } from '../ports/host.ts';
import { editIscsiRecord } from '../render/iscsi-record.ts';

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
  async addIscsiRecord(host, { portal, target }) {
    await host.iscsi.addRecord({ portal, target });
  },
  async setIscsiRecord(host, step) {
    const text = await host.files.readText(step.path);
    const secrets = step.secrets.map(([key, value]) => [key, value?.reveal() ?? null] as const);
    const edited = editIscsiRecord(text ?? '', [...step.settings, ...secrets]);
    // The record holds the secret: nobody but root reads it, whatever mode it had.
    await host.files.replace(step.path, edited, { mode: 0o600, owner: null }, text);
  },
  async loginIscsi(host, { portal, target }) {
    await host.iscsi.login({ portal, target });
  },
  async logoutIscsi(host, { portal, target }) {
    await host.iscsi.logout({ portal, target });
  },
  async rescanIscsi(host, step) {
    await host.iscsi.rescan(step.target);
  },
  async wipeDisk(host, step) {
    // The serial says which disk was given up, this says what on it: another host may have taken it since.
    const disk = await host.disks.inspect(step.path);
    const found = disk === null ? 'nothing: it is gone' : contentOf(disk);
    if (found !== step.found) {
      throw new AgentError(
        'tempfail',
        `did not wipe ${step.path}: it carried ${step.found}, and now ${found || 'nothing'}`,
        {
          hint: 'look at it again: diyc-agent storage show',
          isConflict: true,
        },
      );
    }
    await host.disks.wipe(step.path, step.serial);
  },
  async makeVolumeGroup(host, step) {
    await host.lvm.makeVolumeGroup(step.name, step.devices, step.tags);
  },
  async extendVolumeGroup(host, step) {
    await host.lvm.extendVolumeGroup(step.name, step.devices);
  },
  async growPhysicalVolume(host, step) {
    await host.lvm.growPhysicalVolume(step.path);
  },
  async activateVolumeGroup(host, step) {
    await host.lvm.activate(step.name);
  },
  async deactivateVolumeGroup(host, step) {
    await host.lvm.deactivate(step.name);
  },
  async makeVolume(host, step) {
    await host.lvm.makeVolume({ volumeGroup: step.volumeGroup, name: step.name, size: step.size });
  },
  async makeThinPool(host, step) {
    await host.lvm.makeThinPool({
      volumeGroup: step.volumeGroup,
      name: step.name,
      percentOfFree: step.percentOfFree,
    });
  },
  async growVolume(host, step) {
    await host.lvm.growVolume(step.volumeGroup, step.name, step.percentOfFree);
  },
  async makeFileSystem(host, step) {
    await host.disks.makeFileSystem(step.path, step.type, step.label);
  },
  async growFileSystem(host, step) {
    await host.disks.growFileSystem(step.mountPoint, step.path, step.type);
  },
  async runStorageSetup(host, step) {
    await host.storageSetup.run(step.program);
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
