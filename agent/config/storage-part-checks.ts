// Rules about one part of storage by itself, whatever it is laid over: names of portals and disks, secrets, the driver.

import type { Diagnostic } from '../model/diagnostic.ts';
import { containsAddress } from '../model/network-address.ts';
import { dockerPoolVolume, mapperPath } from '../model/storage.ts';
import { parseDevice } from './device-names.ts';
import { type DraftText, networkAt, numberAt, textAt, textsAt } from './draft.ts';
import { finding } from './findings.ts';
import { entryAt, type LocatedMapping } from './located.ts';
import { lineOf } from './node-checks.ts';
import { passwordFiles, type StoragePart, storageParts } from './node-storage.ts';
import { type Portal, parsePortal } from './portal.ts';
import { reservedNetworks } from './reserved-networks.ts';

/** What can be said of one part without the others; the whole tree is for flannel's network. */
export function checkStoragePart(tree: LocatedMapping, part: StoragePart): Diagnostic[] {
  return [
    ...saysNothing(tree, part),
    ...portalTwice(part),
    ...portalChecks(tree, part),
    ...deviceChecks(part),
    ...volumeGroupLength(part),
    ...driverGone(part),
    ...noWaiting(part),
    ...openSecrets(part),
  ];
}

/** The portals of the file that can be understood, for rules about addresses. */
export function draftPortals(tree: LocatedMapping): readonly (DraftText & { readonly portal: Portal })[] {
  return storageParts(tree).flatMap((part) =>
    portalTexts(part).flatMap((text) => {
      const portal = parsePortal(text.text);
      return portal.kind === 'portal' ? [{ ...text, portal }] : [];
    }),
  );
}

/** `storage.iscsi`, `storage.iscsi of node a1`: a key of a part, for people. */
function nameOf(part: { readonly node: string | null }, key: string): string {
  return part.node === null ? key : `${key} of node ${part.node}`;
}

function inPart(part: StoragePart, text: DraftText): DraftText {
  return { ...text, path: [...part.path, ...text.path] };
}

/** The portals of a part, under whichever key. */
export function portalTexts(part: StoragePart): DraftText[] {
  const one = textAt(part.tree, ['iscsi', 'portal']);
  const texts = [...(one === null ? [] : [one]), ...textsAt(part.tree, ['iscsi', 'portals'])];
  return texts.map((text) => inPart(part, text));
}

function saysNothing(tree: LocatedMapping, part: StoragePart): Diagnostic[] {
  if (part.tree.entries.size > 0) return [];
  const message =
    part.node === null
      ? 'storage is declared without a word about it: docker keeps its images where they are'
      : `storage of node ${part.node} is empty, so that nothing is different for this node`;
  return [
    finding({
      severity: 'warning',
      at: entryAt(tree, part.path)?.keyAt ?? part.tree.at,
      path: part.path,
      value: null,
      rule: 'empty-storage',
      message,
      remedy: part.node === null ? 'add storage.docker, or remove the key' : 'remove the key',
    }),
  ];
}

function portalTwice(part: StoragePart): Diagnostic[] {
  const one = entryAt(part.tree, ['iscsi', 'portal']);
  const several = entryAt(part.tree, ['iscsi', 'portals']);
  if (one === null || several === null) return [];
  return [
    finding({
      at: several.keyAt,
      path: [...part.path, 'iscsi', 'portals'],
      value: null,
      rule: 'portal-twice',
      message: `${nameOf(part, 'storage.iscsi')} has both portal (line ${one.keyAt.line}) and portals, which are two ways to say the same`,
      remedy: 'keep portals, with all addresses in the order in which they are to be tried',
    }),
  ];
}

function portalChecks(tree: LocatedMapping, part: StoragePart): Diagnostic[] {
  const seen = new Map<string, DraftText>();
  return portalTexts(part).flatMap((text) => {
    const portal = parsePortal(text.text);
    const base = { at: text.at, path: text.path, value: text.text };
    if (portal.kind === 'refused') {
      const { rule, message, remedy } = portal;
      return [finding({ ...base, rule, message, remedy })];
    }
    const first = text.path.at(-1) === 'portal' ? undefined : seen.get(portal.text);
    if (text.path.at(-1) !== 'portal') seen.set(portal.text, first ?? text);
    return [
      ...(first === undefined ? [] : [repeated(part, 'storage.iscsi.portals', text, first)]),
      ...portalAddress(tree, text, portal.address),
    ];
  });
}

function repeated(part: StoragePart, list: string, text: DraftText, first: DraftText): Diagnostic {
  return finding({
    at: text.at,
    path: text.path,
    value: text.text,
    rule: 'repeated-item',
    message: `${nameOf(part, list)} names this twice, first in line ${first.at.line}`,
    remedy: 'remove one of the two',
  });
}

function portalAddress(tree: LocatedMapping, text: DraftText, address: number | null): Diagnostic[] {
  if (address === null) return [];
  const base = { at: text.at, path: text.path, value: text.text };
  const reserved = reservedNetworks().find((r) => containsAddress(r.network, address));
  // A target on the node itself, or on the same cable, is nobody's mistake.
  if (reserved !== undefined && !['127.0.0.0/8', '169.254.0.0/16'].includes(reserved.cidr)) {
    return [
      finding({
        ...base,
        rule: 'unusable-address',
        message: `no target can have this address: ${reserved.cidr} ${reserved.purpose}`,
        remedy: 'give the address at which the target answers',
      }),
    ];
  }
  const overlay = networkAt(tree, ['flannel', 'network']);
  if (!overlay?.network || !containsAddress(overlay.network, address)) return [];
  return [
    finding({
      ...base,
      rule: 'address-in-overlay',
      message: `this portal lies inside flannel's network ${overlay.text} (${lineOf(overlay, text)}); the overlay would hide the target`,
      remedy: 'choose a flannel.network that none of the hosts, targets, routers and VPNs use',
    }),
  ];
}

function deviceChecks(part: StoragePart): Diagnostic[] {
  const seen = new Map<string, DraftText>();
  return textsAt(part.tree, ['docker', 'devices']).flatMap((item) => {
    const text = inPart(part, item);
    const device = parseDevice(text.text);
    if (device.kind === 'refused') {
      const { rule, message, remedy } = device;
      return [finding({ at: text.at, path: text.path, value: text.text, rule, message, remedy })];
    }
    const first = seen.get(text.text);
    if (first !== undefined) return [repeated(part, 'storage.docker.devices', text, first)];
    seen.set(text.text, text);
    return [];
  });
}

/** device-mapper's names have 127 characters, and the longest of ours is that of the thin pool's metadata. */
function volumeGroupLength(part: StoragePart): Diagnostic[] {
  const group = textAt(part.tree, ['docker', 'volumeGroup']);
  if (group === null || group.text.length > 127) return [];
  const longest = mapperPath(group.text, `${dockerPoolVolume}_tmeta`).slice('/dev/mapper/'.length);
  if (longest.length <= 127) return [];
  return [
    finding({
      at: group.at,
      path: inPart(part, group).path,
      value: group.text,
      rule: 'volume-group-too-long',
      message: `device-mapper takes names of at most 127 characters, and a volume of this group would have one of ${longest.length}`,
      remedy: `shorten it by ${longest.length - 127} characters; each "-" in it counts twice`,
    }),
  ];
}

function driverGone(part: StoragePart): Diagnostic[] {
  const driver = textAt(part.tree, ['docker', 'driver']);
  if (driver?.text !== 'devicemapper') return [];
  return [
    finding({
      severity: 'warning',
      at: driver.at,
      path: inPart(part, driver).path,
      value: driver.text,
      rule: 'driver-removed',
      message: 'docker 25 and newer has no devicemapper and does not start with it',
      remedy: 'write driver: overlay2, unless all nodes have an older docker',
    }),
  ];
}

function noWaiting(part: StoragePart): Diagnostic[] {
  const secs = numberAt(part.tree, ['iscsi', 'replacementTimeoutSecs']);
  if (secs?.number !== 0) return [];
  return [
    finding({
      severity: 'warning',
      at: secs.at,
      path: [...part.path, ...secs.path],
      value: '0',
      rule: 'no-waiting',
      message:
        "with 0 all I/O fails the moment the target is away, and docker's file system shuts down: that is for multipath alone",
      remedy: 'leave it out (86400, a day), or write -1 to wait for ever',
    }),
  ];
}

function openSecrets(part: StoragePart): Diagnostic[] {
  return passwordFiles.flatMap((path) => {
    const file = textAt(part.tree, path);
    if (file === null || !/^\/+(var\/+)?tmp\//.test(file.text)) return [];
    return [
      finding({
        severity: 'warning',
        at: file.at,
        path: [...part.path, ...path],
        value: file.text,
        rule: 'secret-in-tmp',
        message: 'the secret is kept where every user may write and where files are removed by age or at a reboot',
        remedy: 'keep it in a file that only root can read, for example /etc/diyc-agent/chap',
      }),
    ];
  });
}
