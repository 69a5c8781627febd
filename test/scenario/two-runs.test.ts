// A file that somebody else changes between plan and write: the run looks again, keeps what it finds, and gives up late.

import { describe, expect, test } from 'bun:test';
import type { FakeHost } from '../support/fake-host.ts';
import { foreign, originals, packagedHost, runVerb } from '../support/packaged-host.ts';

const file = '/etc/etcd/etcd.conf';

/** Before each of the agent's writes of `path` somebody else is faster, as long as `text` says something. */
function meddle(host: FakeHost, path: string, text: (turn: number) => string | null): { readonly turns: number } {
  const { replace } = host.files;
  const seen = { turns: 0 };
  Object.assign(host.files, {
    replace: async (...args: Parameters<typeof replace>) => {
      if (args[0] === path) {
        const theirs = text(seen.turns);
        if (theirs !== null) {
          seen.turns++;
          host.files.put({ [path]: theirs });
        }
      }
      await replace(...args);
    },
  });
  return seen;
}

function copiesOf(host: FakeHost, path: string): string[] {
  return Object.entries(host.files.snapshot())
    .filter(([name]) => name.startsWith(`${path}.save`))
    .map(([, text]) => text)
    .sort();
}

async function configured(): Promise<FakeHost> {
  const host = packagedHost();
  await runVerb(host, ['boot']);
  return host;
}

const clean = (await configured()).files.snapshot();

describe('a run that finds a file changed since its plan', () => {
  test('plans again, ends with 0 and the host as wanted, and has kept what came in between', async () => {
    const host = packagedHost();
    const seen = meddle(host, file, (turn) => (turn === 0 ? 'ETCD_NAME="somebody else"\n' : null));
    const run = await runVerb(host, ['boot']);
    expect([run.code, run.error, seen.turns]).toEqual([0, null, 1]);
    expect(host.files.snapshot()).toMatchObject({ ...foreign, [file]: clean[file] });
    expect(copiesOf(host, file)).toEqual(['ETCD_NAME="somebody else"\n', originals[file]].sort());
    const states = await host.units.states(['etcd.service', 'flanneld.service', 'docker.service']);
    expect(states.map((u) => u.active)).toEqual(['active', 'active', 'active']);
  });

  test('finds its own text there, written by the other run: it is done, and neither kept nor told as drift', async () => {
    const host = packagedHost();
    meddle(host, file, (turn) => (turn === 0 ? (clean[file] ?? '') : null));
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(0);
    expect(copiesOf(host, file)).toEqual([originals[file]]);
    expect(run.events.filter((e) => e.event === 'file.drifted')).toEqual([]);
  });

  test('pauses before it looks again, so that two runs do not stay in step', async () => {
    const host = packagedHost();
    const began = host.clock.monotonicMs();
    meddle(host, file, (turn) => (turn === 0 ? 'theirs\n' : null));
    await runVerb(host, ['boot']);
    const tookMs = host.clock.monotonicMs() - began;
    expect(tookMs).toBeGreaterThanOrEqual(100);
    expect(tookMs).toBeLessThan(200);
  });

  test('goes on where it was: what an earlier pass of it wrote is not written again', async () => {
    const host = packagedHost();
    meddle(host, '/etc/sysconfig/flanneld', (turn) => (turn === 0 ? 'theirs\n' : null));
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects.filter((line) => line.startsWith(`write ${file} `))).toHaveLength(1);
    host.log.clear();
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.effects).toEqual([]);
  });

  test('also in the second look of a run that had written everything', async () => {
    const host = packagedHost();
    const { reload } = host.units;
    Object.assign(host.units, {
      reload: async () => {
        await reload();
        // An edit behind the first pass, and another one while the second pass is about to put it right.
        Object.assign(host.units, { reload });
        host.files.put({ [file]: 'after the first pass\n' });
        meddle(host, file, (turn) => (turn === 0 ? 'during the second pass\n' : null));
      },
    });
    const run = await runVerb(host, ['boot']);
    expect([run.code, run.error]).toEqual([0, null]);
    expect(host.files.snapshot()[file]).toBe(clean[file] ?? '');
    expect(copiesOf(host, file)).toEqual(
      ['after the first pass\n', 'during the second pass\n', originals[file]].sort(),
    );
  });
});

describe('a run that meets conflicts for ever', () => {
  test('ends with 75 after three passes; every text that it saw is kept, and theirs stands', async () => {
    const host = packagedHost();
    const seen = meddle(host, file, (turn) => `edit ${turn}\n`);
    const run = await runVerb(host, ['boot']);
    expect([run.code, seen.turns]).toEqual([75, 3]);
    expect(run.error).toMatchObject({ hint: expect.stringContaining('again') });
    expect(host.files.snapshot()).toMatchObject({ ...foreign, [file]: 'edit 2\n' });
    expect(copiesOf(host, file)).toEqual(['edit 0\n', 'edit 1\n', originals[file]].sort());
    expect(host.effects.filter((line) => line.startsWith(`write ${file} `))).toEqual([]);
  });

  test('and once they stop, the next run gets there', async () => {
    const host = packagedHost();
    let isOver = false;
    meddle(host, file, (turn) => (isOver ? null : `edit ${turn}\n`));
    await runVerb(host, ['boot']);
    isOver = true;
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.files.snapshot()[file]).toBe(clean[file] ?? '');
    expect(copiesOf(host, file)).toContain('edit 2\n');
  });

  test('an error of another kind is told at once', async () => {
    const host = packagedHost();
    const { AgentError } = await import('../../agent/model/errors.ts');
    let calls = 0;
    Object.assign(host.files, {
      replace: () => {
        calls++;
        return Promise.reject(new AgentError('tempfail', 'not now', { hint: 'wait' }));
      },
    });
    expect((await runVerb(host, ['boot'])).code).toBe(75);
    expect(calls).toBe(1);
  });
});

describe('two runs side by side', () => {
  test.each([
    ['boot', 'boot'],
    ['boot', 'apply'],
    ['apply', 'apply'],
  ] as const)('%s and %s both end with 0, and nothing is lost or left to do', async (one, other) => {
    const host = packagedHost();
    const runs = await Promise.all([runVerb(host, [one]), runVerb(host, [other])]);
    expect(runs.map((r) => r.code)).toEqual([0, 0]);
    expect(host.files.snapshot()).toMatchObject({ ...foreign, [file]: clean[file] });
    for (const [path, text] of Object.entries(originals)) expect(copiesOf(host, path)).toEqual([text]);
    host.log.clear();
    expect((await runVerb(host, ['plan'])).code).toBe(0);
    expect(host.effects).toEqual([]);
  });
});
