/** The lab ends only what it started: a process is known by its id and its start time, never by its name. */

import { readdir, readFile, writeFile } from 'node:fs/promises';

export interface ProcessMark {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: tells a process from a later one with the same id. */
  readonly startTime: string;
}

interface Stat {
  readonly parent: number;
  readonly startTime: string;
}

async function stat(pid: number): Promise<Stat | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // the program's name is in brackets and may hold spaces and brackets itself
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    const parent = fields[1];
    const startTime = fields[19];
    if (state === 'Z' || parent === undefined || startTime === undefined) return undefined;
    return { parent: Number(parent), startTime };
  } catch {
    return undefined;
  }
}

export async function mark(pid: number): Promise<ProcessMark | undefined> {
  const found = await stat(pid);
  return found === undefined ? undefined : { pid, startTime: found.startTime };
}

export async function isAlive(process: ProcessMark): Promise<boolean> {
  return (await stat(process.pid))?.startTime === process.startTime;
}

export async function saveMark(path: string, process: ProcessMark): Promise<void> {
  await writeFile(path, `${process.pid} ${process.startTime}\n`);
}

export async function loadMark(path: string): Promise<ProcessMark | undefined> {
  try {
    const [pid, startTime] = (await readFile(path, 'utf8')).trim().split(' ');
    if (pid === undefined || startTime === undefined) return undefined;
    return { pid: Number(pid), startTime };
  } catch {
    return undefined;
  }
}

/** The init of the container below `launcher`: the descendant that is process 1 in the innermost pid namespace. */
export async function initBelow(launcher: ProcessMark): Promise<ProcessMark | undefined> {
  if (!(await isAlive(launcher))) return undefined;
  const children = new Map<number, number[]>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const found = await stat(Number(name));
    if (found === undefined) continue;
    children.set(found.parent, [...(children.get(found.parent) ?? []), Number(name)]);
  }
  const queue = [launcher.pid];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    for (const child of children.get(pid) ?? []) {
      const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '');
      const ids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
      if (ids.length > 1 && ids.at(-1) === '1') return await mark(child);
      queue.push(child);
    }
  }
  return undefined;
}

export function kill(process_: ProcessMark): void {
  try {
    process.kill(process_.pid, 'SIGKILL');
  } catch {
    // already gone
  }
}
