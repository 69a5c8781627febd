// Each strategy: when a host of the group may go, and whether it takes a slot.

import { describe, expect, test } from 'bun:test';
import { defaultUpgradeGroup } from '../../../agent/model/cluster-config.ts';
import { clusterSchema } from '../../../agent/model/cluster-schema.ts';
import type { StrategyName, UpgradeGroup, WeeklyWindow } from '../../../agent/model/upgrade.ts';
import { strategyOf } from '../../../agent/upgrade/strategies/registry.ts';

const saturday: WeeklyWindow = { days: [6], startMinute: 120, endMinute: 240, text: 'Sat 02:00-04:00' };
const within = Date.parse('2026-01-03T01:30:00Z');
const before = Date.parse('2026-01-03T00:30:00Z');
const opens = Date.parse('2026-01-03T01:00:00Z');

function group(strategy: StrategyName, windows: readonly WeeklyWindow[]): UpgradeGroup {
  return { ...defaultUpgradeGroup, strategy, windows, timeZone: 'Europe/Berlin' };
}

describe('the registry', () => {
  const names = clusterSchema.properties.upgrade.properties.strategy.enum;
  test('has each strategy that the cluster file can name, under its own name', () => {
    expect(names.map((name) => strategyOf(name).name)).toEqual([...names]);
  });

  test('has slots for all but immediate', () => {
    expect(names.filter((name) => strategyOf(name).takesSlot)).toEqual(['semaphore', 'window']);
  });
});

describe('immediate', () => {
  test('lets a host go at any time', () => {
    expect(strategyOf('immediate').permits(group('immediate', []), before).go).toBe(true);
  });
});

describe('semaphore', () => {
  const { permits } = strategyOf('semaphore');
  test('lets a host go at any time when there are no windows', () => {
    expect(permits(group('semaphore', []), before)).toEqual({
      go: true,
      message: 'no window is declared, any time is right',
    });
  });

  test('keeps to the windows when there are any', () => {
    expect(permits(group('semaphore', [saturday]), within)).toEqual({
      go: true,
      message: 'within the window Sat 02:00-04:00, open until Sat 2026-01-03 04:00 Europe/Berlin (UTC+01:00)',
    });
    expect(permits(group('semaphore', [saturday]), before)).toEqual({
      go: false,
      message: 'outside the window Sat 02:00-04:00, next open Sat 2026-01-03 02:00 Europe/Berlin (UTC+01:00)',
      opensMs: opens,
    });
  });
});

describe('window', () => {
  const { permits } = strategyOf('window');
  test('lets a host go within a window and not outside', () => {
    expect(permits(group('window', [saturday]), within).go).toBe(true);
    expect(permits(group('window', [saturday]), before)).toMatchObject({ go: false, opensMs: opens });
  });

  test('lets nobody go where there is no window, since none is not always', () => {
    expect(permits(group('window', []), within)).toEqual({
      go: false,
      message: 'the strategy of group default is window, and it has none',
      opensMs: null,
    });
  });
});
