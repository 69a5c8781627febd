// The kernel command line, where a boot host may give NoCloud a name: ds=nocloud;h=a1;i=iid;s=/dir/.

import { AgentError } from '../model/errors.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { printable } from './printable.ts';
import { localSeedDirectory } from './seedfrom.ts';
import type { MetadataSource } from './source.ts';

const hostFile: AbsolutePath = '/proc/cmdline';
const containerFile: AbsolutePath = '/proc/1/cmdline';
/** systemd's own mark of a container; there /proc/cmdline is the line of another host's kernel. */
const containerMark: AbsolutePath = '/run/systemd/container';

/** A kernel keeps at most 2048 or 4096 bytes of its line with the final NUL; what is longer is cut silently. */
const cutLengths = [2047, 2048, 4095, 4096];
const maxBytes = 8192;

const longNames = new Map([
  ['h', 'local-hostname'],
  ['i', 'instance-id'],
  ['s', 'seedfrom'],
]);

export interface NoCloudArguments {
  readonly localHostname: string | null;
  readonly instanceId: string | null;
  readonly seedfrom: string | null;
  /** A URL after `ds=nocloud;`: cloud-init below 23.2 took the datasource for a local one then, and applied nothing. */
  readonly needsNewCloudInit: boolean;
}

export const kernelArguments: MetadataSource = {
  name: 'kernel command line',
  files: [hostFile],
  async read(files) {
    const found = await readNoCloudArguments(files);
    if (found === null) return null;
    const { localHostname, instanceId, seedfrom, needsNewCloudInit } = found;
    const elsewhere = seedfrom === null ? '' : `; seedfrom is ${printable(seedfrom)}`;
    const spelling = needsNewCloudInit ? ', which cloud-init below 23.2 fetches only as ds=nocloud-net;seedfrom=…' : '';
    return {
      localHostname,
      instanceId,
      seedDirectory: localSeedDirectory(seedfrom),
      detail: 'ds=nocloud',
      remark: localHostname === null ? `ds=nocloud has no h=${elsewhere}${spelling}` : null,
    };
  },
};

/**
 * NoCloud's part of the line that cloud-init reads: in a container that of process 1.
 *
 * @returns null when the line does not mention NoCloud, or there is no line (below --root)
 * @throws AgentError `data` when the kernel may have cut the line within it
 */
export async function readNoCloudArguments(files: ReadOnlyFiles): Promise<NoCloudArguments | null> {
  const file = (await files.exists(containerMark)) ? containerFile : hostFile;
  const bytes = await files.readHead(file, maxBytes);
  // Not fatal: a stray byte in another argument is nothing to stop at, and one in the name is found by its check.
  return bytes === null ? null : parseNoCloudArguments(new TextDecoder().decode(bytes), file);
}

/** The words of a kernel command line: whitespace separates, double quotes group, there are no escapes. */
export function parseKernelWords(line: string): string[] {
  const words = line.match(/(?:"[^"]*"?|[^\s"\0])+/g) ?? [];
  return words.map((word) => word.replaceAll('"', ''));
}

/**
 * The last `ds=nocloud…` or `ds=nocloud-net…` of a line. `ci.ds=` and `ci.datasource=` choose the datasource too, but
 * cloud-init reads no keys from them, and neither is done here.
 *
 * @param where the file, for messages
 * @throws AgentError `data` when the line ends with it and is as long as the kernel's limit
 */
export function parseNoCloudArguments(line: string, where: string): NoCloudArguments | null {
  const trimmed = line.replace(/[\0\s]+$/, '');
  const words = parseKernelWords(trimmed);
  const isChosen = words.some((word) => /^ci\.(?:ds|datasource)=nocloud(?:-net)?(?:;|$)/i.test(word));
  // A boot loader's escape may have come through: \; is meant as ;
  const tokens = words.map((word) => word.replaceAll('\\;', ';'));
  const index = tokens.findLastIndex((token) => /^ds=nocloud(?:-net)?(?:;|$)/.test(token));
  const token = tokens[index];
  if (token === undefined) {
    const nothing = { localHostname: null, instanceId: null, seedfrom: null, needsNewCloudInit: false };
    return isChosen ? nothing : null;
  }
  if (index === tokens.length - 1 && cutLengths.includes(new TextEncoder().encode(trimmed).length)) {
    throw new AgentError('data', `${where} ends within ${printable(token)} at the length where kernels cut the line`, {
      hint: 'shorten the kernel command line, or move ds=nocloud to its front',
    });
  }
  const keys = new Map<string, string>();
  for (const item of token.split(';').slice(1)) {
    const [key = '', ...rest] = item.split('=');
    keys.set(longNames.get(key) ?? key, rest.join('='));
  }
  const value = (key: string): string | null => keys.get(key) || null;
  const seedfrom = value('seedfrom');
  return {
    localHostname: value('local-hostname'),
    instanceId: value('instance-id'),
    seedfrom,
    needsNewCloudInit: seedfrom !== null && /^https?:/i.test(seedfrom) && token.startsWith('ds=nocloud;'),
  };
}
