// What lsblk, wipefs and lvm printed on real machines; see test/fixtures/storage/README.md.

import { readFile } from 'node:fs/promises';

/** The text of one captured answer. */
export async function storageFixture(name: string): Promise<string> {
  return await readFile(new URL(`../fixtures/storage/${name}`, import.meta.url), 'utf8');
}
