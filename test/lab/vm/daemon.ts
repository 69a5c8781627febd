/** A program of the lab that goes on running: it outlives the driver, and is ended by its id and start time alone. */

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { refuseWhenInterrupted } from '../interrupt.ts';
import { isAlive, kill, loadMark, mark, type ProcessMark, saveMark } from '../processes.ts';
import { tail } from '../run.ts';
import { notYet, until, yes } from '../wait.ts';

/** Starts `argv` with its output appended to `<path>.log`; `<path>.pid` says who it is. */
export async function startDaemon(
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  refuseWhenInterrupted();
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('startDaemon: empty argument list');
  const log = openSync(`${path}.log`, 'a');
  try {
    const child = spawn(program, args, {
      // a session of its own: Ctrl-C is the lab's to deal with
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    });
    child.unref();
    const started = child.pid === undefined ? undefined : await mark(child.pid);
    if (started === undefined) throw new Error(`${program} did not start: ${await daemonLog(path)}`);
    await saveMark(`${path}.pid`, started);
  } finally {
    closeSync(log);
  }
}

export async function daemonMark(path: string): Promise<ProcessMark | undefined> {
  const saved = await loadMark(`${path}.pid`);
  return saved !== undefined && (await isAlive(saved)) ? saved : undefined;
}

/** Without asking it: nothing of a lab has anything to save. */
export async function endDaemon(path: string): Promise<void> {
  const running = await daemonMark(path);
  if (running !== undefined) {
    kill(running);
    await until(`the end of ${path}`, 10_000, async () => ((await isAlive(running)) ? notYet('there') : yes(true)));
  }
  await rm(`${path}.pid`, { force: true });
}

export async function daemonLog(path: string, lines = 20): Promise<string> {
  return tail(await readFile(`${path}.log`, 'utf8').catch(() => '(no log)'), lines);
}
