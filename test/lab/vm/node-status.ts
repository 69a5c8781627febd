/** What the agent on a machine says of it, and what docker there really uses. */

import { IMAGE, IMAGE_TAR } from '../images.ts';
import { notYet, until, yes } from '../wait.ts';
import type { Machine } from './machine.ts';

export interface StatusCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** All conditions as `status --json` has them; its exit code says how the machine is and is no error here. */
export async function conditionsOf(machine: Machine): Promise<readonly StatusCondition[]> {
  const { stdout, stderr } = await machine.exec(['diyc-agent', 'status', '--json'], 30_000);
  try {
    return (JSON.parse(stdout) as { conditions: StatusCondition[] }).conditions;
  } catch {
    throw new Error(`status of ${machine.name} is no JSON: ${stdout} ${stderr}`);
  }
}

export async function untilCondition(
  machine: Machine,
  type: string,
  reason: string,
  timeoutMs: number,
): Promise<StatusCondition> {
  return await until(`${type} of ${machine.name} to be ${reason}`, timeoutMs, async () => {
    const found = (await conditionsOf(machine)).find((condition) => condition.type === type);
    return found?.reason === reason
      ? yes(found)
      : notYet(found === undefined ? 'no such condition' : `${found.reason}: ${found.message}`);
  });
}

/** Brings the lab's image into docker (there is no registry) and runs a container from it. */
export async function runImage(machine: Machine, words: readonly string[]): Promise<string> {
  const there = await machine.exec(['docker', 'image', 'inspect', IMAGE], 60_000);
  if (there.code !== 0) await machine.answer(['docker', 'import', IMAGE_TAR, IMAGE], 120_000);
  return await machine.answer(['docker', 'run', '--rm', IMAGE, ...words], 120_000);
}

export async function dockerInfo(machine: Machine, field: string): Promise<string> {
  return (await machine.answer(['docker', 'info', '--format', `{{${field}}}`], 60_000)).trim();
}
