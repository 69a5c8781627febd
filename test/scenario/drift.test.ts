// A file that somebody edited since the last run: shown as drift, kept, replaced, never lost.

import { describe, expect, test } from 'bun:test';
import { originals, packagedHost, runVerb } from '../support/packaged-host.ts';

const file = '/etc/etcd/etcd.conf';

describe('an edited file', () => {
  test('is shown by plan as drift, with the edit in the difference, and nothing is written', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.put({ [file]: 'ETCD_NAME="mine"\n' });
    host.log.clear();
    const { code, stdout } = await runVerb(host, ['plan']);
    expect(code).toBe(2);
    expect(stdout).toContain('drift: the file was changed since the last run');
    expect(stdout).toContain('-ETCD_NAME="mine"');
    expect(host.effects).toEqual([]);
  });

  test('is kept by its digest beside the original, said, and replaced; a second edit is kept too', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const wanted = host.files.snapshot()[file];
    for (const edit of ['ETCD_NAME="mine"\n', 'ETCD_NAME="yours"\n']) {
      host.files.put({ [file]: edit });
      const run = await runVerb(host, ['boot']);
      expect(
        run.lines.some((line) => line.startsWith(`${file} was changed since the last run; that version is kept as`)),
      ).toBe(true);
    }
    const files = host.files.snapshot();
    expect(files[file]).toBe(wanted);
    expect(files[`${file}.save`]).toBe(originals[file]);
    const kept = Object.entries(files).filter(([path]) => path.startsWith(`${file}.save-`));
    expect(kept.map(([, text]) => text).sort()).toEqual(['ETCD_NAME="mine"\n', 'ETCD_NAME="yours"\n']);
  });

  test('the same edit twice is kept once', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    for (let i = 0; i < 2; i++) {
      host.files.put({ [file]: 'ETCD_NAME="mine"\n' });
      await runVerb(host, ['boot']);
    }
    expect(Object.keys(host.files.snapshot()).filter((path) => path.startsWith(`${file}.save-`))).toHaveLength(1);
  });

  test('between plan and write is not overwritten: the run looks again, and keeps that one too', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const wanted = host.files.snapshot()[file] ?? '';
    host.files.put({ [file]: 'first edit\n' });
    const { keepCopy } = host.files;
    Object.assign(host.files, {
      keepCopy: async (...args: Parameters<typeof keepCopy>) => {
        await keepCopy(...args);
        host.files.put({ [file]: 'second edit\n' });
      },
    });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(host.files.snapshot()[file]).toBe(wanted);
    const kept = Object.entries(host.files.snapshot()).filter(([path]) => path.startsWith(`${file}.save-`));
    expect(kept.map(([, text]) => text).sort()).toEqual(['first edit\n', 'second edit\n']);
  });

  test("somebody else's *.save is never replaced, be it a text or not", async () => {
    const theirs = new Uint8Array([0xff, 0xfe, 0]);
    const host = packagedHost({ files: { [`${file}.save`]: { bytes: theirs } } });
    expect((await runVerb(host, ['boot'])).code).toBe(0);
    expect(await host.files.readHead(`${file}.save`, 10)).toEqual(theirs);
    const kept = Object.entries(host.files.snapshot()).filter(([path]) => path.startsWith(`${file}.save-`));
    expect(kept.map(([, text]) => text)).toEqual([originals[file]]);
  });

  test('a removed file is written again, and that is no drift', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    host.files.drop(file);
    const run = await runVerb(host, ['boot']);
    expect(run.events.filter((e) => e.event === 'file.drifted')).toEqual([]);
    expect(host.files.snapshot()[file]).toContain('ETCD_NAME="a1"');
  });

  test('mode and owner alone are put right without writing the content', async () => {
    const host = packagedHost();
    await runVerb(host, ['boot']);
    const text = host.files.snapshot()[file] ?? '';
    host.files.put({ [file]: { text, mode: 0o600 } });
    host.log.clear();
    await runVerb(host, ['boot']);
    expect(host.effects.filter((line) => !line.startsWith('append'))).toEqual([`attributes ${file} 0644`]);
  });

  test('a directory or device in the place of a file stops the run before anything is written', async () => {
    for (const entry of [{ directory: true }, { device: true }] as const) {
      const host = packagedHost();
      host.files.drop('/etc/sysconfig/flanneld');
      host.files.put({ '/etc/sysconfig/flanneld': entry });
      expect((await runVerb(host, ['boot'])).code).toBe(65);
      expect(host.effects).toEqual([]);
    }
  });

  test('a journal with foreign lines stops the run before anything is written', async () => {
    const host = packagedHost({ files: { '/var/lib/diyc-agent/journal.jsonl': 'not ours\n' } });
    const run = await runVerb(host, ['boot']);
    expect(run.code).toBe(65);
    expect(String(run.error)).toContain('line 1');
    expect(host.effects).toEqual([]);
  });
});
