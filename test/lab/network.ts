/** One switch in a namespace of its own: the hosts reach each other and nothing else, and the lab looks on from the switch. */

import { hostNetns, type LabNames, switchPort } from './lab-id.ts';
import { run } from './run.ts';

/** The post's own network; the switch's address is the lab's eye. */
export const HOST_PREFIX = '192.168.99';
const WATCHER = `${HOST_PREFIX}.254`;

async function namespaces(): Promise<string[]> {
  const outcome = await run(['ip', 'netns', 'list'], { tolerant: true });
  return outcome.stdout
    .split('\n')
    .flatMap((line) => line.split(' ')[0] ?? [])
    .filter((name) => name !== '');
}

export async function switchUp(names: LabNames, watcher = WATCHER): Promise<void> {
  const ns = names.switchNetns;
  if ((await namespaces()).includes(ns)) return;
  await run(['ip', 'netns', 'add', ns]);
  await run(['ip', '-n', ns, 'link', 'set', 'lo', 'up']);
  await run(['ip', '-n', ns, 'link', 'add', 'br0', 'type', 'bridge']);
  await run(['ip', '-n', ns, 'addr', 'add', `${watcher}/24`, 'dev', 'br0']);
  await run(['ip', '-n', ns, 'link', 'set', 'br0', 'up']);
}

/** Removes the lab's namespaces, and with them every link in them; also those of an earlier run that was cut off. */
export async function networkDown(names: LabNames): Promise<void> {
  const mine = `diyclab-${names.id}-`;
  for (const ns of await namespaces()) {
    if (ns.startsWith(mine)) await run(['ip', 'netns', 'del', ns], { tolerant: true });
  }
}

/** Pulls or plugs the cable of a host at the switch. */
export async function cable(names: LabNames, host: string, state: 'plugged' | 'pulled'): Promise<void> {
  const upDown = state === 'plugged' ? 'up' : 'down';
  await run(['ip', '-n', names.switchNetns, 'link', 'set', switchPort(host), upDown]);
}

/** Runs a program as if on the switch: the only safe place to poll the hosts from. */
export function fromSwitch(names: LabNames, argv: readonly string[]): string[] {
  return ['nsenter', `--net=/run/netns/${names.switchNetns}`, ...argv];
}

export async function forgetHost(names: LabNames, host: string): Promise<void> {
  await run(['ip', '-n', names.switchNetns, 'link', 'del', switchPort(host)], { tolerant: true });
  await run(['ip', 'netns', 'del', hostNetns(names, host)], { tolerant: true });
}
