// The crash matrix in small: the agent is killed before, in and after every effect of a first boot, and runs again.

import { describe, expect, test } from 'bun:test';
import type { FakeHost } from '../support/fake-host.ts';
import { clusterFile, foreign, originals, packagedHost, runVerb } from '../support/packaged-host.ts';

const phases = ['before', 'during', 'after'] as const;
const rebooting = clusterFile.replace('reboot: never', 'reboot: always');

/** What must be the same however the way there was: everything but the journal, strays and copies. */
function wanted(host: FakeHost): Record<string, string> {
  return Object.fromEntries(
    Object.entries(host.files.snapshot()).filter(
      ([path]) => path !== '/var/lib/diyc-agent/journal.jsonl' && !path.includes('.save') && !path.includes('.diyc-'),
    ),
  );
}

function copies(host: FakeHost): Record<string, string> {
  return Object.fromEntries(Object.entries(host.files.snapshot()).filter(([path]) => path.includes('.save')));
}

async function effectsOf(cluster: string): Promise<FakeHost> {
  const host = packagedHost({ cluster });
  await runVerb(host, ['boot']);
  return host;
}

const clean = await effectsOf(clusterFile);
const count = clean.effects.length;
const places = Array.from({ length: count }, (_, effect) => effect).flatMap((effect) =>
  phases.map((phase) => ({ effect, phase })),
);

console.log(`crash matrix: ${count} effects of a first boot, ${places.length} places to be killed at`);

describe(`killed at each of ${places.length} places of a first boot`, () => {
  test('the same process started again ends where an undisturbed run ends', async () => {
    for (const { effect, phase } of places) {
      const host = packagedHost();
      host.log.killAt(effect, phase);
      expect((await runVerb(host, ['boot'])).code).not.toBe(0);
      host.log.revive();
      const again = await runVerb(host, ['boot']);
      expect([effect, phase, again.code, again.error]).toEqual([effect, phase, 0, null]);
      expect(wanted(host)).toEqual(wanted(clean));
      expect([...host.modules].sort()).toEqual(['br_netfilter', 'vxlan']);
      const states = await host.units.states(['etcd.service', 'flanneld.service', 'docker.service']);
      expect([effect, phase, ...states.map((u) => u.active)]).toEqual([effect, phase, 'active', 'active', 'active']);
    }
  });

  test('every original is kept once under its plain name, and nothing of others is touched', async () => {
    for (const { effect, phase } of places) {
      const host = packagedHost();
      host.log.killAt(effect, phase);
      await runVerb(host, ['boot']);
      host.log.revive();
      const again = await runVerb(host, ['boot']);
      expect([effect, phase, copies(host)]).toEqual([
        effect,
        phase,
        Object.fromEntries(Object.entries(originals).map(([path, text]) => [`${path}.save`, text])),
      ]);
      expect(host.files.snapshot()).toMatchObject(foreign);
      // Nobody edited anything, so nobody is told so.
      expect(again.events.filter((e) => e.event === 'file.drifted')).toEqual([]);
    }
  });

  test('after a power cut at the same places too, and the run after that has nothing to do', async () => {
    for (const { effect, phase } of places) {
      const host = packagedHost();
      host.log.killAt(effect, phase);
      await runVerb(host, ['boot']);
      host.boot();
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      expect(wanted(host)).toEqual(wanted(clean));
      host.log.clear();
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      expect([effect, phase, host.effects]).toEqual([effect, phase, []]);
    }
  });

  test('killed twice in a row, it still gets there', async () => {
    for (const { effect, phase } of places) {
      const host = packagedHost();
      host.log.killAt(effect, phase);
      await runVerb(host, ['boot']);
      host.log.revive();
      host.log.killAt(2, phase);
      await runVerb(host, ['boot']);
      host.log.revive();
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      expect([effect, phase, wanted(host)]).toEqual([effect, phase, wanted(clean)]);
      expect(Object.values(copies(host)).sort()).toEqual(Object.values(originals).sort());
    }
  });
});

describe('killed while a first boot with a reboot is under way', () => {
  test('the reboot is asked for once at the most, and the host converges all the same', async () => {
    const all = await effectsOf(rebooting);
    const reboots: string[] = [];
    for (let effect = 0; effect < all.effects.length; effect++) {
      for (const phase of phases) {
        const host = packagedHost({ cluster: rebooting });
        host.log.killAt(effect, phase);
        await runVerb(host, ['boot']);
        host.log.revive();
        for (let life = 0; life < 3; life++) {
          if (host.units.isRebooting) host.boot();
          await runVerb(host, ['boot']);
        }
        const asked = host.effects.filter((line) => line === 'reboot').length;
        reboots.push(`${asked}`);
        expect([effect, phase, asked <= 1]).toEqual([effect, phase, true]);
        const states = await host.units.states(['etcd.service', 'docker.service']);
        expect([effect, phase, ...states.map((u) => u.active)]).toEqual([effect, phase, 'active', 'active']);
      }
    }
    // Only a kill between writing the reboot down and asking for it may lose it: before the two, or after, it comes.
    expect(reboots.filter((n) => n === '0').length).toBeLessThanOrEqual(3);
  });
});

describe('a step that fails', () => {
  test('is told, and the next run goes on from there', async () => {
    const { AgentError } = await import('../../agent/model/errors.ts');
    for (const line of clean.effects.filter((l) => !l.startsWith('append ') && !l.startsWith('modprobe'))) {
      const host = packagedHost();
      host.log.failOn(line, new AgentError('oserr', 'no space left on device (ENOSPC)', { hint: 'make room' }));
      const run = await runVerb(host, ['boot']);
      expect([line, run.code]).toEqual([line, 71]);
      expect(String(run.error)).toContain('no space left on device');
      expect((await runVerb(host, ['boot'])).code).toBe(0);
      expect([line, wanted(host)]).toEqual([line, wanted(clean)]);
    }
  });
});

describe('two runs at the same time', () => {
  test('converge, lose nothing, and at least one of them says so', async () => {
    const host = packagedHost();
    const runs = await Promise.all([runVerb(host, ['boot']), runVerb(host, ['boot'])]);
    expect(runs.some((r) => r.code === 0)).toBe(true);
    for (const run of runs) expect([0, 75]).toContain(run.code);
    expect(wanted(host)).toEqual(wanted(clean));
    expect(Object.values(copies(host)).sort()).toEqual(Object.values(originals).sort());
    host.log.clear();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects).toEqual([]);
  });
});
