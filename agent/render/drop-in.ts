// systemd drop-ins as ordered sections of assignments.

export type UnitSection = readonly [
  name: 'Unit' | 'Service' | 'Mount' | 'Install' | 'Match' | 'Link',
  lines: readonly UnitLine[],
];
/** `null` as value is the empty assignment that resets a list before it is set again. */
export type UnitLine = readonly [key: string, value: string | null];

/** Render a unit, drop-in, .network or .link file; sections without lines are left out. */
export function renderSections(head: string, sections: readonly UnitSection[]): string {
  const body = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => `[${name}]\n${lines.map(([key, value]) => `${key}=${value ?? ''}\n`).join('')}`);
  return head + body.join('\n');
}

/**
 * No limit on how often a unit may be started. The setting moved from [Service] to [Unit] and got another name in
 * systemd 230; each version takes one of the two and no version minds the other.
 */
export const unlimitedStarts: { readonly unit: UnitLine; readonly service: UnitLine } = {
  unit: ['StartLimitIntervalSec', '0'],
  service: ['StartLimitInterval', '0'],
};
