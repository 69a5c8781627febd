// Reads what iscsiadm prints and what the kernel says of sessions below /sys/class.

import { normalPortal, parsePortal, portalText } from '../model/iscsi-portal.ts';
import type { IscsiNode, IscsiSession } from '../model/storage.ts';

/** Far above any host; a portal that lists more is passed over from there. */
const maxLines = 4096;
/** `192.168.98.253:3260,1 iqn.…`; a record without a portal group has `4294967295`, which is -1 printed unsigned. */
const nodeLine = /^(\S{1,300}),-?\d{1,10} (\S{1,223})$/;

/**
 * The lines of `-m node` and of a discovery, in their order, each once: a record of several interfaces, and a target
 * that is both with and without its portal group, are printed several times.
 *
 * Anything else on a line is passed over: libkmod, systemctl and debug output share the stream.
 */
export function parseNodes(text: string): IscsiNode[] {
  const nodes = new Map<string, IscsiNode>();
  for (const line of text.split('\n', maxLines)) {
    const [, portalPart = '', target] = nodeLine.exec(line.trimEnd()) ?? [];
    const portal = parsePortal(portalPart);
    if (portal === null || target === undefined) continue;
    const node = { portal: portalText(portal), target };
    nodes.set(`${node.portal} ${target}`, node);
  }
  return [...nodes.values()];
}

/** Who a record says the initiator and the target are to each other; null where it says nothing. */
export interface RecordedChap {
  readonly username: string | null;
  readonly mutualUsername: string | null;
}

/** From `-m node -T … -p …`, which prints secrets as asterisks and what is not set as `<empty>`. */
export function parseRecordedChap(text: string): RecordedChap {
  const settingOf = (key: string): string | null => {
    const prefix = `node.session.auth.${key} = `;
    const line = text.split('\n', maxLines).find((l) => l.startsWith(prefix));
    const value = line?.slice(prefix.length).trim() ?? '';
    return value === '' || value === '<empty>' ? null : value;
  };
  if (settingOf('authmethod') !== 'CHAP') return { username: null, mutualUsername: null };
  return { username: settingOf('username'), mutualUsername: settingOf('username_in') };
}

/** Attributes of one session and of its first connection, each as read; null where there is none. */
export interface SessionAttributes {
  /** `session3`. */
  readonly name: string;
  readonly targetname: string | null;
  readonly state: string | null;
  readonly initiatorname: string | null;
  readonly persistent_address: string | null;
  readonly persistent_port: string | null;
}

/**
 * A session as the kernel shows it.
 *
 * @returns null while it does not say which target and portal it is of: one that is just being made or taken down
 */
export function sessionOf(attributes: SessionAttributes): IscsiSession | null {
  const id = /^session(\d{1,9})$/.exec(attributes.name)?.[1];
  const target = attribute(attributes.targetname);
  const address = attribute(attributes.persistent_address);
  const port = attribute(attributes.persistent_port);
  if (id === undefined || target === null || address === null || port === null) return null;
  return {
    id: Number(id),
    portal: normalPortal(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`),
    target,
    initiatorName: attribute(attributes.initiatorname),
    state: attribute(attributes.state),
  };
}

/** The kernel prints a string that nobody has set yet as `(null)`. */
function attribute(text: string | null): string | null {
  const value = text?.trim() ?? '';
  return value === '' || value === '(null)' || value === '<NULL>' ? null : value;
}
