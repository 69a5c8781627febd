// Every component, in the order in which a host needs them. To add one: write its file beside this one (a Component),
// add its name to ComponentName in model/wish.ts, and put it in the list.

import type { Component } from '../ports/component.ts';
import { docker } from './docker.ts';
import { etcd } from './etcd.ts';
import { flannel } from './flannel.ts';

export const components: readonly Component[] = [etcd, flannel, docker];

/** Units that the components' probes ask about. */
export const probedUnits = ['etcd.service', 'flanneld.service', 'docker.service'] as const;
