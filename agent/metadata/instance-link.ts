// The instance that cloud-init last settled on: an id without a name, from the link it keeps.

import type { AbsolutePath } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';

const link: AbsolutePath = '/var/lib/cloud/instance';
const idFile: AbsolutePath = '/var/lib/cloud/data/instance-id';

/**
 * The instance id where no source gave one. The file has it as it was given; the link has `/` in it turned to `_`.
 *
 * @returns null when cloud-init never ran here
 */
export async function readInstanceId(files: ReadOnlyFiles): Promise<string | null> {
  const [target, text] = await Promise.all([files.readLink(link), files.readText(idFile)]);
  const id = text?.trim() ?? '';
  if (id !== '') return id;
  const name = target?.split('/').findLast((part) => part !== '') ?? '';
  return name === '' ? null : name;
}
