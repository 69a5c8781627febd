// The accounts of the host, from its own files: the agent asks no name service.

import type { Account } from '../model/layout.ts';
import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

/** On ostree hosts the accounts of packages are in the second file (nss-altfiles). */
const passwdFiles: readonly AbsolutePath[] = ['/etc/passwd', '/usr/lib/passwd'];

/** Every account, those of /etc/passwd first. */
export async function readAccounts(files: ReadOnlyFiles): Promise<Account[]> {
  const texts = await Promise.all(passwdFiles.map((file) => files.readText(file)));
  return texts.flatMap((text) => parsePasswd(text ?? ''));
}

/** The accounts of a passwd(5) file; lines that are none are left out. */
export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    const isAccount = /^[^#+-]/.test(name) && /^\d{1,10}$/.test(uid) && /^\d{1,10}$/.test(gid);
    return isAccount ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/** The account of a name, or of a number as User= may have it; the first of several wins. */
export function accountNamed(accounts: readonly Account[], name: string): Account | null {
  return accounts.find((account) => account.name === name || String(account.uid) === name) ?? null;
}
