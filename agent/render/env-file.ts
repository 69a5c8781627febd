// KEY="value" files that systemd and bash read alike.

import { AgentError } from '../model/errors.ts';

export type EnvEntry = readonly [key: string, value: string];

/**
 * Render an environment file. Both readers (systemd's EnvironmentFile= and a shell that sources the file) agree on
 * a double-quoted value only while it has none of the characters that one of them would expand or end at.
 *
 * @throws AgentError `bug` for a key or value no reader would agree on; validation keeps such values out before
 * @see systemd.exec(5), EnvironmentFile=
 */
export function renderEnvFile(head: string, entries: readonly EnvEntry[]): string {
  const lines = entries.map(([key, value]) => {
    if (!/^[A-Z][A-Z0-9_]*$/.test(key) || /["$`\\\n\r\0]/.test(value)) {
      throw new AgentError(
        'bug',
        `cannot write ${key} to an environment file: its value has a character that readers disagree on`,
        {
          hint: 'report this with the cluster file',
        },
      );
    }
    return `${key}="${value}"\n`;
  });
  return head + lines.join('');
}

/**
 * Read back simple KEY=value lines, quoted or not; comments and anything else are skipped.
 * For files that flanneld and this agent write, not a full reader of systemd's syntax.
 */
export function parseEnvFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const raw = match[2].trim();
    values[match[1]] = /^".*"$/.test(raw) || /^'.*'$/.test(raw) ? raw.slice(1, -1) : raw;
  }
  return values;
}
