/** The scenarios in the order in which they are tried; the lab's own ground first. */

import type { StorageScenario } from './scenario.ts';
import * as bothRootsBoot from './scenarios/both-roots-boot.ts';
import * as storageGoesAndComesBack from './scenarios/storage-goes-and-comes-back.ts';

export const SCENARIOS: readonly StorageScenario[] = [bothRootsBoot, storageGoesAndComesBack];
