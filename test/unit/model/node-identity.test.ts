// A host is a node of the cluster file only by its exact name.

import { describe, expect, test } from 'bun:test';
import { AgentError, exitCodes } from '../../../agent/model/errors.ts';
import { identify, nearestName } from '../../../agent/model/node-identity.ts';
import { clusterConfig } from '../../support/builders.ts';

const facts = (name: string) => ({ name, instanceId: 'iid-1', source: 'seed', tried: [] });

function failure(name: string): AgentError {
  try {
    identify(clusterConfig(), facts(name), null);
  } catch (error) {
    if (error instanceof AgentError) return error;
  }
  throw new Error(`${name} was identified`);
}

describe('identify', () => {
  test('finds the node of exactly this name, and keeps the hardware id and the source', () => {
    expect(identify(clusterConfig(), facts('a2'), 'hw')).toEqual({
      name: 'a2',
      address: '192.168.99.52',
      etcdRole: 'member',
      metadata: {},
      instanceId: 'iid-1',
      hardwareId: 'hw',
      source: 'seed',
    });
  });
  test('makes a client of a node that is no member', () => {
    expect(identify(clusterConfig({ etcd: { members: ['a1'] } }), facts('a2'), null).etcdRole).toBe('client');
  });
  test.each(['a', 'a11', 'A1', 'a1 ', 'xa1', '', 'a1.example.org'])('%p is nobody', (name) => {
    const error = failure(name);
    expect(error.exitCode).toBe(exitCodes.data);
    expect(error.message).toContain('its nodes are a1, a2, a3');
  });
  test('names the nearest node and both remedies', () => {
    expect(failure('a11').hint).toBe(
      'did you mean "a1"? correct local-hostname in the host\'s meta-data, or add "a11" with its address under nodes: in the cluster file',
    );
    expect(failure('gateway').hint).not.toContain('did you mean');
  });
});

describe('the nearest name', () => {
  const known = ['storage-1', 'storage-2', 'web-1', 'a1'];
  test('is at most a third of its length away', () => {
    expect(nearestName('storge-1', known)).toBe('storage-1');
    expect(nearestName('stroage-2', known)).toBe('storage-2');
    expect(nearestName('wbe-1', known)).toBeNull();
    expect(nearestName('web1', known)).toBe('web-1');
    expect(nearestName('b2', known)).toBeNull();
    expect(nearestName('', known)).toBeNull();
  });
  test('is the first of several that are equally near', () => {
    expect(nearestName('storage-3', known)).toBe('storage-1');
  });
  test('is nothing where nothing is known', () => {
    expect(nearestName('a1', [])).toBeNull();
  });
});
