/** The kernel of the virtual machines: Debian's cloud flavour, fetched once, its ELF unpacked so that no guest has to. */

import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { type Suite, sourcesFor } from '../machine-sources.ts';
import { run } from '../run.ts';

/** It depends on the newest kernel of its flavour. */
const META_PACKAGE = 'linux-image-cloud-amd64';

const RECIPE = '1';

export interface Kernel {
  readonly version: string;
  /** For PVH direct boot. */
  readonly elf: string;
  /** `<modules>/<version>/kernel/…`, with modules.dep. */
  readonly modules: string;
}

/** How a packed kernel begins → what unpacks it. */
const UNPACKERS: readonly (readonly [readonly number[], readonly string[]])[] = [
  [
    [0x02, 0x21, 0x4c, 0x18],
    ['lz4', '-dcf'],
  ],
  [
    [0xfd, 0x37, 0x7a, 0x58],
    ['xz', '-dc', '--single-stream'],
  ],
  [
    [0x28, 0xb5, 0x2f, 0xfd],
    ['zstd', '-dcq'],
  ],
  [
    [0x1f, 0x8b, 0x08, 0x00],
    ['gzip', '-dc'],
  ],
];

const ELF = '\x7fELF';

/** The packed kernel inside a bzImage, by the fields of its boot header. */
function packedKernel(image: Buffer): Buffer {
  const setupSectors = image.readUInt8(0x1f1) || 4;
  const protectedMode = (setupSectors + 1) * 512;
  const offset = image.readUInt32LE(0x248);
  const length = image.readUInt32LE(0x24c);
  return image.subarray(protectedMode + offset, protectedMode + offset + length);
}

/** Writes the ELF of `bzImage` to `elf`. */
async function extractElf(bzImage: string, elf: string): Promise<void> {
  const packed = packedKernel(await readFile(bzImage));
  const unpacker = UNPACKERS.find(([magic]) => magic.every((byte, at) => packed[at] === byte))?.[1];
  if (unpacker === undefined)
    throw new Error(`${bzImage} is packed in a way unknown here: ${packed.toString('hex', 0, 6)}`);
  await writeFile(`${elf}.packed`, packed);
  // the packer appends the unpacked size, which the unpacker takes for garbage at the end: its exit code says nothing
  await run(['sh', '-c', '"$@" <"$PACKED" >"$ELF" 2>/dev/null || true', 'sh', ...unpacker], {
    timeoutMs: 60_000,
    env: { PACKED: `${elf}.packed`, ELF: elf },
  });
  await run(['rm', `${elf}.packed`]);
  const begin = (await readFile(elf)).toString('latin1', 0, 4);
  if (begin !== ELF) throw new Error(`what ${unpacker[0]} made of ${bzImage} is not an ELF file`);
}

/** Downloads the package with an apt that knows the suite's archives only and leaves the machine's own state alone. */
async function downloadPackage(suite: Suite, scratch: string): Promise<string> {
  const sources = await sourcesFor(suite);
  const apt = join(scratch, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'download'])
    await mkdir(join(apt, folder), { recursive: true });
  await writeFile(join(apt, 'status'), '');
  const options = [
    ...(sources === null
      ? []
      : [`Dir::Etc::SourceList=${join(apt, 'lab.sources')}`, 'Dir::Etc::SourceParts=/dev/null']),
    `Dir::State::Lists=${join(apt, 'lists')}`,
    `Dir::State::Status=${join(apt, 'status')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'APT::Sandbox::User=root',
    'Acquire::Check-Valid-Until=false',
  ].flatMap((option) => ['-o', option]);
  if (sources !== null) await writeFile(join(apt, 'lab.sources'), sources);
  await run(['apt-get', ...options, 'update', '-qq'], { timeoutMs: 300_000 });
  const depends = await run(['apt-cache', ...options, 'depends', META_PACKAGE]);
  const name = /Depends: (linux-image-[\w.+-]+)/.exec(depends.stdout)?.[1];
  if (name === undefined) throw new Error(`${META_PACKAGE} depends on no kernel: ${depends.stdout}`);
  const download = join(apt, 'download');
  await run(['apt-get', ...options, 'download', name], { cwd: download, timeoutMs: 300_000 });
  const [file] = await readdir(download);
  if (file === undefined) throw new Error(`apt-get download ${name} left no file`);
  return join(download, file);
}

async function build(suite: Suite, scratch: string): Promise<void> {
  const tree = join(scratch, 'tree');
  await run(['dpkg-deb', '-x', await downloadPackage(suite, scratch), tree], { timeoutMs: 120_000 });
  await rename(join(tree, 'lib/modules'), join(scratch, 'modules'));
  const [version] = await readdir(join(scratch, 'modules'));
  if (version === undefined) throw new Error('the kernel package has no modules');
  await extractElf(join(tree, 'boot', `vmlinuz-${version}`), join(scratch, 'vmlinux'));
  // depmod looks below lib/modules
  await mkdir(join(scratch, 'lib'));
  await rename(join(scratch, 'modules'), join(scratch, 'lib/modules'));
  await run(['depmod', '-b', scratch, version], { timeoutMs: 60_000 });
  await run(['rm', '-rf', tree, join(scratch, 'apt')]);
}

export async function kernel(suite: Suite): Promise<Kernel> {
  const sources = await sourcesFor(suite);
  const dir = await cached(
    `kernel-${suite.name}`,
    [RECIPE, META_PACKAGE, suite.name, sources ?? 'the default mirror'],
    (scratch) => build(suite, scratch),
  );
  const modules = join(dir, 'lib/modules');
  const [version] = await readdir(modules);
  if (version === undefined) throw new Error(`no kernel in ${dir}`);
  return { version, elf: join(dir, 'vmlinux'), modules };
}
