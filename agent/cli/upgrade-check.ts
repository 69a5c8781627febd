// `upgrade check`: what is deployed, what could be, and what stands in the way of booting it; changes nothing.

import { pendingOf } from '../model/deployment.ts';
import { AgentError } from '../model/errors.ts';
import type { Proof } from '../model/proof.ts';
import type { Errand, UpgradeMemory } from '../model/upgrade.ts';
import { checkText } from '../render/upgrade-text.ts';
import type { Coordination } from '../upgrade/coordination.ts';
import { gatherProof } from '../upgrade/evidence.ts';
import { freshMemory } from '../upgrade/machine.ts';
import { readMemory } from '../upgrade/memory.ts';
import { type Look, look } from '../upgrade/sight.ts';
import { viewOf } from '../upgrade/view.ts';
import type { Action } from './command.ts';
import { openCoordination } from './coordination.ts';
import { requireRoot } from './permission.ts';

/** Exits 2 when something newer is there, as `plan` does for changes; 0 when nothing is. */
export const upgradeCheck: Action = async (context) => {
  const { host, options, out, signal } = context;
  requireRoot(host, options.root, 'upgrade check');
  const { coordination, close } = await openCoordination(context, 'upgrade check');
  try {
    const seen = await look(coordination, false);
    if (seen.sight.os.kind !== 'tree') {
      throw new AgentError(
        seen.sight.os.kind === 'none' ? 'usage' : 'oserr',
        `cannot check for upgrades: ${seen.sight.os.why}`,
        {
          hint: seen.sight.os.hint,
        },
      );
    }
    const candidate = await host.osTree.check(signal);
    const { memory } = await readMemory(host.files);
    const remembered = memory ?? freshMemory(seen.sight.now, seen.sight.instant);
    const view = viewOf(coordination.group.name, remembered, seen.sight.os, seen.sight.now);
    const proof = await dryProof(coordination, seen, remembered);
    const denied = seen.fleet.known ? seen.fleet.value.denied : [];
    if (options.json) out(`${JSON.stringify({ schema: 1, candidate, view, denied, proof })}\n`);
    else out(checkText({ candidate, view, denied, proof }));
    return candidate === null && view.staged === null ? 0 : 2;
  } finally {
    close();
  }
};

/** The proof as it would come out now, for what is staged or, without anything staged, for a plain reboot. */
async function dryProof(coordination: Coordination, seen: Look, { missed }: UpgradeMemory): Promise<Proof> {
  const { os } = seen.sight;
  const staged = os.kind === 'tree' ? pendingOf(os.state) : null;
  const release = staged === null || os.kind !== 'tree' ? undefined : os.releases.get(staged.checksum);
  const errand: Errand =
    staged === null || release === undefined
      ? { kind: 'reboot', reason: 'asked about' }
      : { kind: 'upgrade', release, checksum: staged.checksum };
  const holders = seen.fleet.known ? seen.fleet.value.semaphore.holders.filter((h) => h.id !== seen.sight.node) : [];
  const isFree = holders.length < coordination.group.slots;
  const message = isFree ? 'a slot is free' : `taken: ${holders.map((h) => `${h.id} (${h.reason})`).join(', ')}`;
  const slot = { known: true as const, value: { isHeld: isFree, message } };
  return gatherProof(coordination, seen, errand, null, slot, missed);
}
