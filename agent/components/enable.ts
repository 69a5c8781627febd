// Starting a unit now and at each boot, as wishes; enabling is the links that `systemctl enable` would make.

import type { InstalledUnit } from '../model/layout.ts';
import { type AbsolutePath, systemUnits, under } from '../model/paths.ts';
import type { ComponentName, LinkWish, UnitWish } from '../model/wish.ts';

/**
 * All links of the unit's [Install] section but one: flannel's packages let docker require flanneld, and then systemd
 * restarts docker, and with it every container, whenever flanneld restarts. docker's drop-in wants flanneld instead.
 *
 * @param installed null where the agent brings the unit itself; ours are wanted by multi-user.target
 */
export function enableWishes(component: ComponentName, unit: string, installed: InstalledUnit | null): LinkWish[] {
  const links = installed?.installLinks ?? [
    { path: under(systemUnits, 'multi-user.target.wants', unit), target: under(systemUnits, unit) },
  ];
  return links
    .filter((link) => !link.path.startsWith(`${systemUnits}/docker.service.requires/`))
    .map((link) => ({
      kind: 'link',
      component,
      path: link.path,
      target: link.target,
      why: `${unit} starts at each boot`,
    }));
}

/** The unit is to run now; a masked one cannot, and is told as missing instead. */
export function startWishes(
  component: ComponentName,
  unit: string,
  installed: InstalledUnit | null,
  readsFiles: readonly AbsolutePath[],
  why: string,
): UnitWish[] {
  return installed?.maskedBy === undefined ? [{ kind: 'unit', component, unit, readsFiles, why }] : [];
}
