// The hostname the system already has: the last resort, for hosts that no metadata source describes at all.

import type { AbsolutePath } from '../model/paths.ts';
import type { MetadataSource } from './source.ts';

const file: AbsolutePath = '/etc/hostname';

export const systemHostname: MetadataSource = {
  name: 'system hostname',
  files: [file],
  async read(files) {
    const name = parseHostnameFile((await files.readText(file)) ?? '');
    if (name === null) return null;
    const detail = `${file}, for want of any metadata`;
    return { localHostname: name, instanceId: null, seedDirectory: null, detail, remark: null };
  },
};

/** The name in /etc/hostname (hostname(5)); null for none, and for the names that mean nobody has chosen one. */
function parseHostnameFile(text: string): string | null {
  const lines = text.split('\n').map((line) => line.trim());
  const name = lines.find((line) => line !== '' && !line.startsWith('#')) ?? null;
  return name === null || /^localhost(?:\.|$)/.test(name) || name === '(none)' ? null : name;
}
