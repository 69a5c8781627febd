// Every component, in the order in which a host needs them. To add one: write its file beside this one (a Component),
// add its name to ComponentName in model/wish.ts, and put it in the list.

import { brakeDirectories, brakeUnitName } from '../live/brake-unit.ts';
import type { Component } from '../ports/component.ts';
import { docker } from './docker.ts';
import { etcd } from './etcd.ts';
import { flannel } from './flannel.ts';
import { iscsi } from './iscsi.ts';
import { live } from './live.ts';
import { storage } from './storage.ts';
import { upgrade } from './upgrade.ts';

export const components: readonly Component[] = [live, iscsi, storage, etcd, flannel, docker, upgrade];

/** Units that the components' probes ask about. */
export const probedUnits: readonly string[] = [
  ...brakeDirectories.map(brakeUnitName),
  'diyc-agent-storage.service',
  'etcd.service',
  'flanneld.service',
  'docker.service',
  'var-lib-docker.mount',
];
