// The CHAP secrets, read from the files that the cluster file names, and checked before any target sees them.

import { chapSecretOf, checkChapSecret, checkMutualSecret } from '../model/chap-secret.ts';
import { AgentError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import type { ChapConfig, IscsiConfig, IscsiSecrets } from '../model/storage.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import type { Reporter } from '../ports/reporter.ts';

/**
 * @throws AgentError `config` when a file is not there, or holds what no target could take for a secret; `noperm`
 * when it may not be read
 */
export async function readIscsiSecrets(
  files: ReadOnlyFiles,
  reporter: Reporter,
  iscsi: IscsiConfig,
): Promise<IscsiSecrets> {
  const [chap, mutualChap] = await Promise.all([
    readSecret(files, reporter, iscsi.chap, 'chap'),
    readSecret(files, reporter, iscsi.mutualChap, 'chap.mutual'),
  ]);
  if (chap !== null && mutualChap !== null) {
    const [reused] = checkMutualSecret(chap.reveal(), mutualChap.reveal());
    if (reused !== undefined)
      throw new AgentError('config', `storage.iscsi.chap: ${reused.message}`, { hint: reused.remedy });
  }
  return { chap, mutualChap };
}

async function readSecret(
  files: ReadOnlyFiles,
  reporter: Reporter,
  chap: ChapConfig | null,
  key: string,
): Promise<Secret | null> {
  if (chap === null) return null;
  const named = `storage.iscsi.${key}.passwordFile names ${chap.passwordFile}`;
  const text = await files.readText(chap.passwordFile);
  if (text === null) {
    throw new AgentError('config', `${named}, which is not there`, {
      hint: 'put the secret that the target has for this user into it, mode 0600',
    });
  }
  const secret = chapSecretOf(text);
  const findings = checkChapSecret(secret);
  const mode = (await files.stat(chap.passwordFile))?.mode ?? 0;
  if ((mode & 0o077) !== 0) {
    reporter.emit({
      event: 'config.warning',
      message: `${named}, which others than its owner may read (mode 0${mode.toString(8)})`,
      hint: `chmod 600 ${chap.passwordFile}`,
    });
  }
  const errors = findings.filter((f) => f.severity === 'error');
  if (errors.length > 0) {
    throw new AgentError('config', `${named}: ${errors.map((f) => f.message).join('; ')}`, {
      hint: errors.map((f) => f.remedy).join('; '),
    });
  }
  for (const finding of findings)
    reporter.emit({ event: 'config.warning', message: `${named}: ${finding.message}`, hint: finding.remedy });
  return new Secret(secret);
}
