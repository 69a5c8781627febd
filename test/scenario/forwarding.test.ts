// Packets of the overlay reach containers: the rules come with docker, and come back after a firewall was reloaded.

import { describe, expect, test } from 'bun:test';
import { AgentError } from '../../agent/model/errors.ts';
import { reported } from '../support/conditions.ts';
import { fakeEtcd } from '../support/fake-etcd.ts';
import type { FakeHost } from '../support/fake-host.ts';
import { packagedHost, runVerb } from '../support/packaged-host.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const place = 'filter DOCKER-USER';
const rules = [
  '-i docker0 -o flannel.1 -d 172.18.0.0/16 -j ACCEPT',
  '-i flannel.1 -s 172.18.0.0/16 -o docker0 -j ACCEPT',
];
const xtables = new AgentError('oserr', 'another app holds the xtables lock', { hint: 'see iptables -S' });

async function forwarding(): Promise<FakeHost> {
  const clock = virtualClock();
  const etcd = fakeEtcd({ members: ['192.168.99.51', '192.168.99.52', '192.168.99.53'], clock });
  const host = packagedHost({ clock, etcd, chains: [place] });
  await runVerb(host, ['boot']);
  await runVerb(host, ['join', 'forward']);
  host.log.clear();
  return host;
}

const insertions = (host: FakeHost): number => host.effects.filter((line) => line.startsWith('iptables')).length;

describe('a report', () => {
  test('leaves rules that are there alone', async () => {
    const host = await forwarding();
    expect((await runVerb(host, ['report'])).code).toBe(0);
    expect([insertions(host), host.firewall.get(place)]).toEqual([0, rules]);
  });

  test('puts flushed rules back, says each once, and the next one finds them', async () => {
    const host = await forwarding();
    host.flushFirewall();
    const run = await runVerb(host, ['report']);
    expect([run.code, host.firewall.get(place), insertions(host)]).toEqual([0, rules, 2]);
    expect(run.events.filter((e) => e.event === 'step.finished')).toHaveLength(2);
    expect(reported(host, 'Forwarding')).toMatchObject({ status: 'True' });
    const again = await runVerb(host, ['report']);
    expect([again.events.filter((e) => e.event === 'step.finished'), insertions(host)]).toEqual([[], 2]);
  });

  test.each([
    ['stopped', { active: 'inactive', sub: 'dead' }],
    ['failed', { active: 'failed', sub: 'failed' }],
    ['starting', { active: 'activating', sub: 'start-pre' }],
  ])('inserts nothing while docker is %s', async (_what, change) => {
    const host = await forwarding();
    host.flushFirewall();
    host.units.change('docker.service', change);
    expect((await runVerb(host, ['report'])).code).toBe(0);
    expect([insertions(host), host.firewall.size]).toEqual([0, 0]);
  });

  test('of a docker in its ExecStartPost counts it as running', async () => {
    const host = await forwarding();
    host.flushFirewall();
    host.units.change('docker.service', { active: 'activating', sub: 'start-post' });
    await runVerb(host, ['report']);
    expect(reported(host, 'DockerRunning')).toMatchObject({ status: 'True', reason: 'Running' });
    expect(host.firewall.get(place)).toEqual(rules);
  });

  test('of a node whose iptables fails says Forwarding Unknown, once, with why; and is published all the same', async () => {
    const host = await forwarding();
    host.flushFirewall();
    host.log.failOn('iptables', xtables);
    expect((await runVerb(host, ['report'])).code).toBe(0);
    expect(reported(host, 'Forwarding')).toMatchObject({
      status: 'Unknown',
      reason: 'RulesUnknown',
      severity: 'degraded',
      message: expect.stringContaining('xtables lock'),
      hint: 'see iptables -S',
    });
    const { conditions } = JSON.parse(host.files.snapshot()['/run/diyc-agent/status.json'] ?? '{}');
    expect(conditions.filter((c: { type: string }) => c.type === 'Forwarding')).toHaveLength(1);
    expect(reported(host, 'Published')).toMatchObject({ status: 'True' });
    // And the next one puts them back.
    await runVerb(host, ['report']);
    expect(reported(host, 'Forwarding')).toMatchObject({ status: 'True' });
    expect(host.firewall.get(place)).toEqual(rules);
  });
});

describe('`join forward`', () => {
  test('queues the report, so that nobody waits for the timer', async () => {
    const host = packagedHost({ chains: [place], units: { 'diyc-agent-report.service': {} } });
    expect((await runVerb(host, ['join', 'forward'])).code).toBe(0);
    expect(host.effects.at(-1)).toBe('start diyc-agent-report.service');
  });

  test('ends with 0 where the report cannot be queued: docker must not fail for that', async () => {
    for (const kind of ['oserr', 'tempfail', 'noperm'] as const) {
      const host = packagedHost({ chains: [place], units: { 'diyc-agent-report.service': {} } });
      host.log.failOn('start diyc-agent-report', new AgentError(kind, 'did not start', { hint: 'wait' }));
      const run = await runVerb(host, ['join', 'forward']);
      expect([run.code, run.error, host.firewall.get(place)]).toEqual([0, null, rules]);
    }
  });

  test('fails where the rules cannot be inserted', async () => {
    const host = packagedHost({ chains: [place], units: { 'diyc-agent-report.service': {} } });
    host.log.failOn('iptables', xtables);
    expect((await runVerb(host, ['join', 'forward'])).code).toBe(71);
    expect(host.effects).toEqual([]);
  });
});
