// Starting a unit at each boot, as wishes for the links that `systemctl enable` would make.

import type { InstalledUnit } from '../model/layout.ts';
import { systemUnits, under } from '../model/paths.ts';
import type { ComponentName, LinkWish } from '../model/wish.ts';

/**
 * @param installed null where the agent brings the unit itself; ours are wanted by multi-user.target
 */
export function enableWishes(component: ComponentName, unit: string, installed: InstalledUnit | null): LinkWish[] {
  const links = installed?.installLinks ?? [
    { path: under(systemUnits, 'multi-user.target.wants', unit), target: under(systemUnits, unit) },
  ];
  return links.map((link) => ({
    kind: 'link',
    component,
    path: link.path,
    target: link.target,
    why: `${unit} starts at each boot`,
  }));
}
