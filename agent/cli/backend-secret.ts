// The pre-shared key of a wireguard backend, read from its file and never shown.

import type { ClusterConfig } from '../model/cluster-config.ts';
import { AgentError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { absolute } from './options.ts';

/**
 * @returns null where the backend has no key
 * @throws AgentError `config` when the file is not there or holds no WireGuard key, `noperm` when it may not be read
 */
export async function backendSecret(
  host: { readonly files: ReadOnlyFiles },
  config: ClusterConfig,
): Promise<Secret | null> {
  const { backend } = config.flannel;
  if (backend.type !== 'wireguard' || backend.pskFile === undefined) return null;
  const file = absolute(backend.pskFile, 'flannel.backend.pskFile');
  const text = (await host.files.readText(file))?.trim();
  if (text === undefined || !/^[A-Za-z0-9+/]{43}=$/.test(text)) {
    throw new AgentError(
      'config',
      `flannel.backend.pskFile names ${file}, which ${text === undefined ? 'is not there' : 'holds no WireGuard key'}`,
      {
        hint: `make one on one host (wg genpsk) and give every host the same file, mode 0600`,
      },
    );
  }
  return new Secret(text);
}
