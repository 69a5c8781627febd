// Replaces one file without end, with contents that tell whether they are whole; ended by a kill at any instant.

import { rootedFiles } from '../../agent/host/rooted-files.ts';

const [root = ''] = process.argv.slice(2);
const files = rootedFiles({ root });
for (let round = 0; ; round++) {
  const letter = String.fromCharCode(97 + (round % 26));
  await files.replace('/etc/sub/file.conf', `${letter.repeat(200_000)}\n`, { mode: 0o640, owner: null });
  if (round === 0) process.stdout.write('writing\n');
}
