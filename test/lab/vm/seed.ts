/** The seed of a machine that is told its name and, unless a scenario says more, nothing else. */

import type { Seed } from './boot-server.ts';

const MARK = `read -r up idle </proc/uptime; echo "## bootcmd $up" >/dev/ttyS0`;

/** `bootcmd`: what runs after the mark on the console, one list of words each. */
export function seedOf(name: string, bootcmd: readonly (readonly string[])[] = [], files: Seed = {}): Seed {
  const commands = [['sh', '-c', MARK], ...bootcmd];
  return {
    'meta-data': `instance-id: iid-${name}\nlocal-hostname: ${name}\n`,
    // JSON is YAML
    'user-data': `#cloud-config\n${JSON.stringify({ bootcmd: commands })}\n`,
    'vendor-data': '',
    ...files,
  };
}
