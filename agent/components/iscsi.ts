// The iSCSI initiator on this node: a name of its own before its daemon starts, and how its session is doing.

import { storageOf } from '../model/cluster-config.ts';
import type { Condition } from '../model/condition.ts';
import { systemUnits, under } from '../model/paths.ts';
import type { IscsiConfig } from '../model/storage.ts';
import type { ComponentSpec } from '../model/wish.ts';
import type { Component, NodeContext } from '../ports/component.ts';
import type { ReadOnlyHost } from '../ports/host.ts';
import { renderInitiatorName } from '../render/initiator-name.ts';
import { renderIscsiDropIn, storageUnit } from '../render/storage-mount.ts';

const socket = 'iscsid.socket';

export const iscsi: Component = {
  name: 'iscsi',

  desire(context: NodeContext): ComponentSpec | null {
    const declared = storageOf(context.config, context.node.name)?.iscsi ?? null;
    if (declared === null) return null;
    return {
      component: 'iscsi',
      wishes: [
        {
          kind: 'file',
          component: 'iscsi',
          path: context.layout.iscsi.initiatorNameFile,
          content: renderInitiatorName(declared.initiatorName),
          mode: 0o600,
          owner: null,
          why: 'a name of its own: two hosts with the one of their image throw each other out, or share a disk',
        },
        {
          kind: 'file',
          component: 'iscsi',
          path: under(systemUnits, `${storageUnit}.d`, 'iscsi.conf'),
          content: renderIscsiDropIn(socket),
          mode: 0o644,
          owner: null,
          why: 'the initiator is started where a LUN is declared, and nowhere else',
        },
      ],
      waitingFor: missing(context),
    };
  },

  async probe(host: ReadOnlyHost, context: NodeContext): Promise<readonly Condition[]> {
    const declared = storageOf(context.config, context.node.name)?.iscsi ?? null;
    if (declared === null) return [];
    const absent = missing(context);
    return absent.length > 0 ? absent : [await sessionCondition(host, declared)];
  },
};

async function sessionCondition(host: ReadOnlyHost, declared: IscsiConfig): Promise<Condition> {
  const type = 'IscsiSession';
  // One of somebody else to the same target, by another portal, says nothing of the disks that docker uses.
  const sessions = (await host.iscsi.sessions()).filter(
    (s) => s.target === declared.target && declared.portals.includes(s.portal),
  );
  const own = sessions.find((s) => s.state === 'LOGGED_IN') ?? sessions[0];
  if (own === undefined) {
    return {
      type,
      status: 'False',
      reason: 'NoSession',
      message: `not logged in to ${declared.target} at ${declared.portals.join(', ')}`,
      hint: 'the condition StorageAttached says what it waits for',
      severity: 'waiting',
    };
  }
  if (own.initiatorName !== null && own.initiatorName !== declared.initiatorName) {
    return {
      type,
      status: 'False',
      reason: 'OtherName',
      message: `logged in to ${own.target} as ${own.initiatorName}, and this node's name is ${declared.initiatorName}`,
      hint: 'at the next reboot this node uses its own name; until then no other host may use the old one',
      severity: 'degraded',
    };
  }
  if (own.state !== null && own.state !== 'LOGGED_IN') {
    return {
      type,
      status: 'False',
      reason: 'Lost',
      message: `the session to ${own.target} at ${own.portal} is ${own.state}: docker's reads and writes wait for up to ${declared.replacementTimeoutSecs} s`,
      hint: `see that the target is up and ${own.portal} can be reached; iscsid gets the session back by itself`,
      severity: 'failed',
    };
  }
  return {
    type,
    status: 'True',
    reason: 'LoggedIn',
    message: `${own.target} at ${own.portal}`,
    severity: 'failed',
  };
}

function missing(context: NodeContext): Condition[] {
  if (context.layout.iscsi.installation !== 'absent') return [];
  return [
    {
      type: 'IscsiInstalled',
      status: 'False',
      reason: 'NotInstalled',
      message: 'storage is declared on an iSCSI target, and no initiator is installed',
      hint: 'install open-iscsi (iscsi-initiator-utils on RPM systems), or add it to the image',
      severity: 'failed',
    },
  ];
}
