// open-iscsi's record of one target at one portal: text in, text out, so that no secret is ever on a command line.

import { AgentError } from '../model/errors.ts';
import { parsePortal } from '../model/iscsi-portal.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { Secret } from '../model/secret.ts';
import type { IscsiConfig, IscsiNode, IscsiSecrets } from '../model/storage.ts';

/** A setting of a record; null: the record does not have the key, and the default counts. */
export type RecordSetting = readonly [key: string, value: string | null];

/** Longer values are cut off without a word (measured with 2.1.8). */
const maxValueBytes = 255;
const beginLine = /^# BEGIN RECORD\b/m;
const endLine = /^# END RECORD\b.*$/m;

/** Up to here a lost path is meant to be noticed soon, for there is another one (dm-multipath) or failing is wanted. */
const failFastSecs = 120;

/**
 * How often a first login is tried for how long: a minute in all, so that the next portal has its turn soon. The
 * agent's own unit goes on trying for as long as it takes. Where `-o new` was run while iscsid did not answer, the
 * record has compiled-in values instead of those of iscsid.conf (measured: 4 tries of 30 s), so both are given.
 */
const loginTries = 4;
const loginTimeoutSecs = 15;

/**
 * What a record is given for storage under docker, in the order of the record; CHAP without its secrets.
 *
 * - `node.startup = manual`: the agent's own unit logs in, after the node has its own name and before docker. With
 *   `automatic` the distribution's service would log in too, at its own time and to every portal that has a record.
 * - `replacement_timeout`: how long the kernel holds I/O back while the target is gone. The default of 120 s turns a
 *   reboot of the target into I/O errors, which make xfs shut down and a thin pool read-only.
 * - `noop_out_*`: with a long replacement timeout pings are off, as open-iscsi's README (8.2) has it for a disk with
 *   one path: a target that is merely slow to answer would lose the connection, and a command that was requeued five
 *   times fails. A lost path is then found by the commands' own timeouts. With a short one they are on (8.1.1).
 */
export function iscsiRecordSettings(config: IscsiConfig): readonly RecordSetting[] {
  const { chap, mutualChap, replacementTimeoutSecs } = config;
  const failsFast = replacementTimeoutSecs >= 0 && replacementTimeoutSecs <= failFastSecs;
  return [
    ['node.startup', 'manual'],
    ['node.session.initial_login_retry_max', String(loginTries)],
    ['node.session.auth.authmethod', chap === null ? 'None' : 'CHAP'],
    ['node.session.auth.username', chap?.username ?? null],
    ['node.session.auth.username_in', mutualChap?.username ?? null],
    ['node.session.timeo.replacement_timeout', String(replacementTimeoutSecs)],
    ['node.conn[0].timeo.login_timeout', String(loginTimeoutSecs)],
    ['node.conn[0].timeo.noop_out_interval', failsFast ? '5' : '0'],
    ['node.conn[0].timeo.noop_out_timeout', failsFast ? '10' : '0'],
  ];
}

/** The secrets of a record; null takes an old one out of it. */
export function iscsiRecordSecrets(secrets: IscsiSecrets): readonly (readonly [key: string, value: Secret | null])[] {
  return [
    ['node.session.auth.password', secrets.chap],
    ['node.session.auth.password_in', secrets.mutualChap],
  ];
}

/**
 * The record with these settings: a key that is there is set in its place, one that is missing is added at the end, one
 * with null is taken out. Every other byte stays as it is.
 *
 * @throws AgentError `data` when the text is no record of open-iscsi; `bug` for a key or value that a line of a record
 * cannot hold (validation keeps such values out before); no message contains a value
 */
export function editIscsiRecord(text: string, settings: readonly RecordSetting[]): string {
  if (!beginLine.test(text) || !endLine.test(text)) {
    throw new AgentError('data', 'cannot change a record of the iSCSI initiator: the file is no record of open-iscsi', {
      hint: 'delete the record (iscsiadm -m node -T TARGET -p PORTAL -o delete): it is made anew by the next run',
    });
  }
  for (const [key, value] of settings) assertWritable(key, value);
  const wanted = new Map(settings);
  const lines = text.split('\n');
  const last = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const key = assignment(line)?.key;
    if (key !== undefined && wanted.has(key)) last.set(key, i);
  }
  const edited = lines.flatMap((line, i) => {
    const found = assignment(line);
    const value = found === null ? undefined : wanted.get(found.key);
    if (found === null || value === undefined) return [line];
    // The last one counts; what stands before it would only mislead.
    if (value === null || last.get(found.key) !== i) return [];
    return found.value === value ? [line] : [`${found.key} = ${value}`];
  });
  const missing = [...wanted].flatMap(([key, value]) => (value === null || last.has(key) ? [] : [`${key} = ${value}`]));
  const end = edited.findIndex((line) => endLine.test(line));
  return [...edited.slice(0, end), ...missing, ...edited.slice(end)].join('\n');
}

/**
 * Keys and values as iscsid reads them: lines that begin with `#` are comments, blanks at both ends of a value are
 * dropped, everything between them is literal, the last one of a key counts. Never fails.
 */
export function parseIscsiRecord(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const found = assignment(line);
    if (found !== null) values.set(found.key, found.value);
  }
  return values;
}

/**
 * Which file of the database holds the record of a target at a portal.
 *
 * Records have two forms. With a portal group, which discovery knows, `nodes/TARGET/ADDRESS,PORT,GROUP/` is a directory
 * with a file for each interface, `default` as a rule. Made by hand with `-o new` there is no group, and
 * `nodes/TARGET/ADDRESS,PORT` is the file itself. IPv6 addresses have no brackets there. (All measured with 2.1.8.)
 *
 * @param directory `nodes/TARGET` below the layout's database
 * @param names in that directory
 * @param list names in a directory of it
 * @throws AgentError `tempfail` when there is no such record; `data` when there are several, for a login would use all of them
 */
export async function recordFileOf(
  directory: AbsolutePath,
  names: readonly string[],
  node: IscsiNode,
  list: (path: AbsolutePath) => Promise<readonly string[]>,
): Promise<AbsolutePath> {
  const portal = parsePortal(node.portal);
  const candidates = names.flatMap((name) => {
    const [, address = '', port, group] = /^(.+?),(\d{1,5})(?:,(-?\d{1,10}))?$/.exec(name) ?? [];
    const of = parsePortal(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
    const isSame = portal !== null && of !== null && of.address === portal.address && of.port === portal.port;
    return isSame ? [{ name, isDirectory: group !== undefined }] : [];
  });
  const files = await Promise.all(
    candidates.map(async ({ name, isDirectory }) => {
      const path = under(directory, name);
      return isDirectory ? (await list(path)).map((face) => under(path, face)) : [path];
    }),
  );
  const [first, ...others] = files.flat().filter((path) => !/\/\.[^/]*$/.test(path));
  if (first === undefined) {
    throw new AgentError('tempfail', `there is no record of ${node.target} at ${node.portal} in ${directory}`, {
      hint: `compare with iscsiadm -m node; when it lists the target, its records are kept somewhere else than in ${directory}`,
    });
  }
  if (others.length > 0) {
    throw new AgentError(
      'data',
      `there are ${others.length + 1} records of ${node.target} at ${node.portal}: ${[first, ...others].join(', ')}; a login uses all of them, each with settings of its own`,
      {
        hint: `delete them (iscsiadm -m node -T ${node.target} -p ${node.portal} -o delete): one is made anew by the next run`,
      },
    );
  }
  return first;
}

/** `key = value` of a line; null for a comment, an empty line and a key without a value, which iscsid passes over too. */
function assignment(line: string): { readonly key: string; readonly value: string } | null {
  const [, key, value] = /^\s*([^\s=#][^\s=]*)\s*=\s*(\S.*?)\s*$/.exec(line) ?? [];
  return key === undefined || value === undefined ? null : { key, value };
}

function assertWritable(key: string, value: string | null): void {
  const isKey = /^[a-z][A-Za-z0-9_.]*(?:\[\d+\])?[A-Za-z0-9_.]*$/.test(key);
  const isValue =
    value === null || (/^[^\s\p{Cc}](?:[^\p{Cc}]*[^\s\p{Cc}])?$/u.test(value) && value.length <= maxValueBytes);
  if (isKey && isValue) return;
  throw new AgentError(
    'bug',
    `cannot write ${isKey ? key : 'a key'} to a record of the iSCSI initiator: ${isKey ? 'its value is' : 'it is'} nothing that a line there can hold`,
    { hint: 'report this with the cluster file, without its secrets' },
  );
}
