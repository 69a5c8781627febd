/** The scenarios in the order in which they are tried; the lab's own ground first. */

import type { StorageScenario } from './scenario.ts';
import * as aDiskOfSomebodyElse from './scenarios/a-disk-of-somebody-else-is-refused.ts';
import * as aThinPool from './scenarios/a-thin-pool-whose-target-goes-away.ts';
import * as bothRootsBoot from './scenarios/both-roots-boot.ts';
import * as imagesSurvive from './scenarios/images-survive-a-diskless-reboot.ts';
import * as storageGoesAndComesBack from './scenarios/storage-goes-and-comes-back.ts';
import * as theGaugeWarns from './scenarios/the-gauge-warns-before-the-live-root-dies.ts';

export const SCENARIOS: readonly StorageScenario[] = [
  bothRootsBoot,
  storageGoesAndComesBack,
  imagesSurvive,
  aThinPool,
  aDiskOfSomebodyElse,
  theGaugeWarns,
];
