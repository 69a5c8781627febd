// /etc/group and /etc/gshadow as text in, text out: a group with its members, also where the base has it elsewhere.

/** First and last gid that `groupadd -r` gives by default (login.defs, SYS_GID_MIN and SYS_GID_MAX). */
const systemGids = { first: 999, last: 100 } as const;

interface GroupLine {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * The group file with the group in it and at least these members.
 *
 * On hosts deployed by ostree system groups live in /usr/lib/group: `getent` finds them there, but adding a member
 * fails until the line stands in /etc/group, so the line is taken over with its gid. Members need not exist yet:
 * cloud-init makes users after bootcmd has run.
 *
 * @returns the same text when nothing has to change
 */
export function withGroup(
  etcGroup: string,
  baseGroup: string | null,
  name: string,
  members: readonly string[],
): string {
  const lines = etcGroup.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`${name}:`));
  if (at >= 0) {
    const line = lines[at] ?? '';
    const fields = line.split(':');
    const present = (fields[3] ?? '').split(',').filter((m) => m !== '');
    const missing = members.filter((m) => !present.includes(m));
    if (missing.length === 0) return etcGroup;
    lines[at] = [fields[0], fields[1] ?? '', fields[2] ?? '', [...present, ...missing].join(',')].join(':');
    return lines.join('\n');
  }
  const inBase = parseGroups(baseGroup ?? '').find((g) => g.name === name);
  const taken = new Set([...parseGroups(etcGroup), ...parseGroups(baseGroup ?? '')].map((g) => g.gid));
  const gid = inBase?.gid ?? freeGid(taken);
  const everybody = [...new Set([...(inBase?.members ?? []), ...members])];
  return `${withFinalNewline(etcGroup)}${name}:x:${gid}:${everybody.join(',')}\n`;
}

/** The shadow file that goes with it; a file without the group gets a line with a locked password. */
export function withShadowGroup(gshadow: string, name: string, members: readonly string[]): string {
  const lines = gshadow.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`${name}:`));
  if (at < 0) return `${withFinalNewline(gshadow)}${name}:!::${members.join(',')}\n`;
  const fields = (lines[at] ?? '').split(':');
  const present = (fields[3] ?? '').split(',').filter((m) => m !== '');
  const missing = members.filter((m) => !present.includes(m));
  if (missing.length === 0) return gshadow;
  lines[at] = [fields[0], fields[1] ?? '!', fields[2] ?? '', [...present, ...missing].join(',')].join(':');
  return lines.join('\n');
}

function parseGroups(text: string): GroupLine[] {
  return text.split('\n').flatMap((line) => {
    const [name, , gid, members] = line.split(':');
    if (name === undefined || name === '' || gid === undefined || !/^\d+$/.test(gid)) return [];
    return [{ name, gid: Number(gid), members: (members ?? '').split(',').filter((m) => m !== '') }];
  });
}

function freeGid(taken: ReadonlySet<number>): number {
  for (let gid: number = systemGids.first; gid >= systemGids.last; gid--) if (!taken.has(gid)) return gid;
  // Nobody has nine hundred system groups; if somebody does, the next number above is as good as any.
  return Math.max(...taken) + 1;
}

function withFinalNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
