/** The scenarios in the order that costs least: those that start from a working cluster share one. */

import type { Scenario } from './scenario.ts';
import * as bootAgainIsANoop from './scenarios/boot-again-is-a-noop.ts';
import * as bootcmdReturnsAtOnceWhileAlone from './scenarios/bootcmd-returns-at-once-while-alone.ts';
import * as cablePulled from './scenarios/cable-pulled.ts';
import * as clientsOfOneMember from './scenarios/clients-of-one-member.ts';
import * as clusterFileInUserData from './scenarios/cluster-file-in-user-data.ts';
import * as etcdStopDegradesAndRecovers from './scenarios/etcd-stop-degrades-and-recovers.ts';
import * as firstBootRebootsOnce from './scenarios/first-boot-reboots-once.ts';
import * as fleetLock from './scenarios/fleet-lock.ts';
import * as pingMatrix from './scenarios/ping-matrix.ts';
import * as powerCutOne from './scenarios/power-cut-one.ts';
import * as rebootAllAtOnce from './scenarios/reboot-all-at-once.ts';
import * as rebootAskedTwiceAtOnce from './scenarios/reboot-asked-twice-at-once.ts';
import * as rebootOne from './scenarios/reboot-one.ts';
import * as seedOverHttp from './scenarios/seed-over-http.ts';
import * as threeNodesReady from './scenarios/three-nodes-ready.ts';
import * as unknownNameStaysOut from './scenarios/unknown-name-stays-out.ts';
import * as upgradeBadReleaseStops from './scenarios/upgrade-bad-release-stops.ts';
import * as upgradeHolderDies from './scenarios/upgrade-holder-dies.ts';
import * as upgradePowerCutWhileStaging from './scenarios/upgrade-power-cut-while-staging.ts';
import * as upgradeRollsThrough from './scenarios/upgrade-rolls-through.ts';
import * as upgradeVerbs from './scenarios/upgrade-verbs.ts';
import * as upgradeWithoutQuorum from './scenarios/upgrade-without-quorum.ts';

export const SCENARIOS: readonly Scenario[] = [
  threeNodesReady,
  pingMatrix,
  bootAgainIsANoop,
  rebootOne,
  rebootAllAtOnce,
  unknownNameStaysOut,
  etcdStopDegradesAndRecovers,
  cablePulled,
  powerCutOne,
  bootcmdReturnsAtOnceWhileAlone,
  firstBootRebootsOnce,
  clientsOfOneMember,
  clusterFileInUserData,
  seedOverHttp,
  upgradeRollsThrough,
  upgradeBadReleaseStops,
];

/** Those that `make lab-upgrade` adds: each a cluster of its own, some of them minutes long. */
export const UPGRADE_SCENARIOS: readonly Scenario[] = [
  upgradeVerbs,
  upgradeHolderDies,
  upgradeWithoutQuorum,
  upgradePowerCutWhileStaging,
  rebootAskedTwiceAtOnce,
  fleetLock,
];
