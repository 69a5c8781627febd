// Where the Node of package-lock.json is: the other engine that the unit tests run on.

import { join } from 'node:path';

/** @returns the program itself, because Debian's npm 9 makes no link to it in node_modules/.bin */
export function nodeOfLockFile(root: string): string {
  return join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
}
