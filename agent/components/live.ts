// A live root on this node: its overlay is watched often, because the host dies when it is full.

import { isOnOverlay } from '../live/brake.ts';
import { brakeDirectories, brakeUnitName, releaseCommand } from '../live/brake-unit.ts';
import { overlayCondition } from '../live/condition.ts';
import { suggestedSizeMiB } from '../live/gauge.ts';
import { lookAtLive } from '../live/look.ts';
import type { Condition } from '../model/condition.ts';
import { systemUnits, under } from '../model/paths.ts';
import { dockerDirectory } from '../model/storage.ts';
import type { ComponentSpec } from '../model/wish.ts';
import type { Component, NodeContext, UnitTable } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';

const timer = 'diyc-agent-gauge.timer';

export const live: Component = {
  name: 'live',

  desire(context: NodeContext): ComponentSpec | null {
    if (!context.live.root.isLive) return null;
    const why = "a pull of an image fills the live root's overlay in seconds, and the root dies with it";
    return {
      component: 'live',
      wishes: [
        {
          kind: 'link',
          component: 'live',
          path: under(systemUnits, 'timers.target.wants', timer),
          target: under('/usr/lib/systemd/system', timer),
          why,
        },
        { kind: 'unit', component: 'live', unit: timer, readsFiles: [], why },
      ],
      waitingFor: [],
    };
  },

  async probe(host: ReadOnlyHost, context: NodeContext, units: UnitTable): Promise<readonly Condition[]> {
    if (!context.live.root.isLive) return [];
    const look = await lookAtLive(host);
    if (look.gauge === null) return [];
    const advice = {
      suggestedMiB: suggestedSizeMiB(look.gauge, look.memoryBytes),
      holdsDocker: isOnOverlay(look.mounts, look.root, dockerDirectory),
    };
    return [overlayCondition(look.gauge, advice), ...pulls(units)];
  },
};

function pulls(units: UnitTable): Condition[] {
  const on = brakeDirectories.filter((directory) => units.get(brakeUnitName(directory))?.active === 'active');
  if (on.length === 0) return [];
  return [
    {
      type: 'LivePulls',
      status: 'False',
      reason: 'Stopped',
      message: 'downloads of images are stopped, because the overlay of the live root is nearly full; containers go on',
      hint: `reboot into a larger overlay or declare storage:; ${releaseCommand(on)} lets downloads go on at the root's risk`,
      severity: 'degraded',
    },
  ];
}
