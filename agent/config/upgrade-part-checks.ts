// Rules about one part of upgrades by itself, whatever it is laid over: windows, zones, durations, URLs and addresses.

import type { Diagnostic } from '../model/diagnostic.ts';
import { nearestName } from '../model/node-identity.ts';
import { isTimeZone, parseWeeklyWindow } from '../model/weekly-window.ts';
import { type DraftText, textAt, textsAt } from './draft.ts';
import { parseDuration } from './duration.ts';
import { finding } from './findings.ts';
import { entryAt, type KeyPath } from './located.ts';
import { lineOf } from './node-checks.ts';
import type { UpgradePart } from './upgrade-groups.ts';
import { listenFault, urlFault } from './web-address.ts';

/** What can be said of one part without the others. */
export function checkUpgradePart(part: UpgradePart): Diagnostic[] {
  return [
    ...windowChecks(part),
    ...timeZoneCheck(part),
    ...tooShort(part),
    ...noSnapshot(part),
    ...urlChecks(part),
    ...listenChecks(part),
  ];
}

/** `upgrade.slots`, `slots of group workers`: a key of a part, for people. */
export function nameInUpgrade(group: string | null, key: string): string {
  return group === null ? `upgrade.${key}` : `${key} of group ${group}`;
}

function inPart(part: UpgradePart, text: DraftText): DraftText {
  return { ...text, path: [...part.path, ...text.path] };
}

function partText(part: UpgradePart, path: KeyPath): DraftText | null {
  const text = textAt(part.tree, path);
  return text === null ? null : inPart(part, text);
}

function partTexts(part: UpgradePart, path: KeyPath): DraftText[] {
  return textsAt(part.tree, path).map((text) => inPart(part, text));
}

function windowChecks(part: UpgradePart): Diagnostic[] {
  return partTexts(part, ['window']).flatMap(({ at, path, text }) => {
    const window = parseWeeklyWindow(text);
    if (typeof window !== 'string') return [];
    return [
      finding({
        at,
        path,
        value: text,
        rule: 'impossible-window',
        message: `this is no maintenance window: ${window}`,
        remedy: 'write it like one of these: Sat 02:00-04:00, "Mon-Fri 23:30-01:00", daily 03:00-03:30',
      }),
    ];
  });
}

function timeZoneCheck(part: UpgradePart): Diagnostic[] {
  const zone = partText(part, ['timeZone']);
  if (zone === null || isTimeZone(zone.text)) return [];
  const nearest = nearestTimeZone(zone.text);
  return [
    finding({
      at: zone.at,
      path: zone.path,
      value: zone.text,
      rule: 'unknown-time-zone',
      message: `${nameInUpgrade(part.group, 'timeZone')} must be the IANA name of a zone, and there is none of this name`,
      remedy: `${nearest === null ? '' : `did you mean "${nearest}"? `}write UTC, or continent and city as timedatectl list-timezones has them`,
    }),
  ];
}

/** By the city alone, or by a few letters; null when nothing is near. */
function nearestTimeZone(text: string): string | null {
  if (text.length > 64) return null;
  const zones = Intl.supportedValuesOf('timeZone');
  const city = text.toLowerCase().replaceAll(' ', '_').split('/').at(-1);
  return zones.find((zone) => zone.toLowerCase().split('/').at(-1) === city) ?? nearestName(text, zones);
}

interface ShortestTime {
  readonly key: string;
  readonly secs: number;
  readonly shortest: string;
  readonly reason: string;
}

const shortestTimes: readonly ShortestTime[] = [
  {
    key: 'checkEvery',
    secs: 300,
    shortest: '5m',
    reason: "each look asks the release's server for its metadata, and every node of the cluster does",
  },
  {
    key: 'readyWithin',
    secs: 60,
    shortest: '1m',
    reason: 'hosts take longer than that to boot, and every release would be taken for a bad one',
  },
  {
    key: 'snapshotMaxAge',
    secs: 60,
    shortest: '1m',
    reason: 'a snapshot would be too old before its node has a slot',
  },
];

function tooShort(part: UpgradePart): Diagnostic[] {
  return shortestTimes.flatMap(({ key, secs, shortest, reason }) => {
    const text = partText(part, [key]);
    const given = text === null ? null : parseDuration(text.text);
    if (text === null || given === null || given >= secs) return [];
    return [
      finding({
        at: text.at,
        path: text.path,
        value: text.text,
        rule: 'too-short',
        message: `${nameInUpgrade(part.group, key)} must be at least ${shortest}: ${reason}`,
        remedy: `write ${key}: ${shortest} or more${key === 'snapshotMaxAge' ? ', or off for no snapshot' : ''}`,
      }),
    ];
  });
}

function noSnapshot(part: UpgradePart): Diagnostic[] {
  const age = partText(part, ['snapshotMaxAge']);
  if (age?.text !== 'off') return [];
  return [
    finding({
      severity: 'warning',
      at: age.at,
      path: age.path,
      value: age.text,
      rule: 'no-snapshot',
      message:
        'etcd members go without a snapshot of etcd: if an upgrade spoils its data, there is nothing to go back to',
      remedy: 'leave it out (1h), unless snapshots are taken by other means',
    }),
  ];
}

function urlChecks(part: UpgradePart): Diagnostic[] {
  const server = partText(part, ['fleetLock', 'url']);
  return [
    ...partTexts(part, ['probes']).flatMap((text) => urlCheck(text, 'a probe', 'http://192.168.99.10/ready')),
    ...(server === null ? [] : urlCheck(server, 'the URL of a FleetLock server', 'http://192.168.99.10:8080')),
    ...(server === null || urlFault(server.text) !== null ? [] : baseUrlCheck(server)),
  ];
}

function urlCheck(url: DraftText, what: string, example: string): Diagnostic[] {
  const fault = urlFault(url.text);
  if (fault === null) return [];
  return [
    finding({
      at: url.at,
      path: url.path,
      value: url.text,
      rule: fault.rule,
      message: `${what} must be an http or https URL: ${fault.message}`,
      remedy:
        fault.rule === 'secret-inline'
          ? 'remove what stands before the "@", and change the password'
          : `write it like this: ${example}`,
    }),
  ];
}

function baseUrlCheck(url: DraftText): Diagnostic[] {
  if (!url.text.includes('?')) return [];
  return [
    finding({
      at: url.at,
      path: url.path,
      value: url.text,
      rule: 'malformed-value',
      message: 'the paths of the FleetLock protocol are put behind this URL, and it has a query',
      remedy: 'remove the "?" and what is behind it',
    }),
  ];
}

function listenChecks(part: UpgradePart): Diagnostic[] {
  const listen = partText(part, ['fleetLock', 'listen']);
  const url = entryAt(part.tree, ['fleetLock', 'url']);
  // It is no key of a group, as the schema says.
  if (listen === null || part.group !== null) return [];
  const base = { at: listen.at, path: listen.path, value: listen.text };
  const fault = listenFault(listen.text);
  return [
    ...(fault === null
      ? []
      : [
          finding({
            ...base,
            rule: 'malformed-value',
            message: `this is no place to listen at: ${fault}`,
            remedy: 'write it like this: 192.168.99.51:3333, or /run/diyc-agent/fleet-lock.sock',
          }),
        ]),
    ...(url === null
      ? []
      : [
          finding({
            ...base,
            rule: 'fleet-lock-twice',
            message: `fleetLock has both a url (${lineOf({ at: url.keyAt }, listen)}), which is asked for slots instead of this cluster's own semaphore, and listen, which serves that to others`,
            remedy: 'keep url where the slots are given out elsewhere, listen where they are given out here',
          }),
        ]),
  ];
}
