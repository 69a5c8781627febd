/** The one container image of the lab: a static busybox and a page that says who is asking. */

import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './run.ts';

export const BUSYBOX = '/bin/busybox';
export const IMAGE = 'diyc-lab/busybox';
/** Where the hosts find the tar for `docker import`: there is no registry in a lab. */
export const IMAGE_TAR = '/usr/share/diyc-lab/busybox.tar';
export const WHO_IS_ASKING = '/cgi-bin/peer';

const RECIPE = '2';
// busybox's httpd hands REMOTE_ADDR to a CGI program: the source address as the receiver sees it
const PEER = '#!/bin/sh\nprintf \'Content-Type: text/plain\\r\\n\\r\\n%s\\n\' "$REMOTE_ADDR"\n';

/** Path of the tar on this machine. */
export async function busyboxTar(): Promise<string> {
  const version = (await run(['busybox'], { tolerant: true })).stdout.split('\n')[0] ?? '';
  const dir = await cached('busybox', [RECIPE, version, PEER], async (scratch) => {
    const root = join(scratch, 'root');
    for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'www/cgi-bin']) {
      await mkdir(join(root, folder), { recursive: true });
    }
    await copyFile(BUSYBOX, join(root, 'bin/busybox'));
    await chmod(join(root, 'bin/busybox'), 0o755);
    for (const name of ['sh', 'sleep', 'cat', 'httpd', 'wget', 'ip', 'ping']) {
      await symlink('busybox', join(root, 'bin', name));
    }
    await writeFile(join(root, 'www/cgi-bin/peer'), PEER);
    await chmod(join(root, 'www/cgi-bin/peer'), 0o755);
    await run(['tar', '-C', root, '-cf', join(scratch, 'busybox.tar'), '.']);
  });
  return join(dir, 'busybox.tar');
}
