// What an installed diyc-agent consists of: one list, for the RPM, the tarball, the lab's hosts and the tests.
//
//   bun packaging/payload.ts DEST [--binary FILE] [--files LIST]   (the binary's licences and SBOM are beside it)
//
// lays the files into DEST as if it were /; LIST becomes an RPM %files list of exactly these.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { repository as root } from './source.ts';

export interface PayloadFile {
  /** absolute, on the host */
  readonly path: string;
  readonly mode: number;
  /** a file of the repository to copy, or the content itself; a directory has neither */
  readonly source?: string;
  readonly content?: Uint8Array;
  /** what the RPM marks it as */
  readonly mark?: '%dir' | '%doc' | '%license';
}

/**
 * Nothing below /var and /run: rpm-ostree drops such files, tmpfiles.d makes them on the host. Nothing below /etc but
 * the folder for the operator's files: what is not shipped there cannot become .rpmnew.
 */
export function payload(binary = join(root, 'dist/diyc-agent')): readonly PayloadFile[] {
  const unit = (file: string): PayloadFile => ({
    path: `/usr/lib/systemd/system/${file}`,
    mode: 0o644,
    source: join(root, 'units', file),
  });
  const packaged = (path: string, file: string): PayloadFile => ({
    path,
    mode: 0o644,
    source: join(root, 'packaging', file),
  });
  const ownUnits = readdirSync(join(root, 'units')).filter((file) => /^diyc-agent.*\.(service|timer)$/.test(file));
  const documents = ['README.md', 'CHANGELOG.md'].filter((file) => existsSync(join(root, file)));
  return [
    ...completions(binary),
    { path: '/etc/diyc-agent', mode: 0o755, mark: '%dir' },
    { path: '/etc/diyc-agent/cluster.d', mode: 0o755, mark: '%dir' },
    { path: '/usr/bin/diyc-agent', mode: 0o755, source: binary },
    // greenboot's own folders, ours too: on a host without it nobody else would remove them
    ...['', '/check', '/check/required.d', '/check/wanted.d'].map(
      (folder): PayloadFile => ({ path: `/usr/lib/greenboot${folder}`, mode: 0o755, mark: '%dir' }),
    ),
    // late among the checks of both kinds, which run in the order of their names
    greenbootCheck('required'),
    greenbootCheck('wanted'),
    ...ownUnits.sort().map(unit),
    {
      path: '/usr/lib/systemd/system-preset/80-diyc-agent.preset',
      mode: 0o644,
      source: join(root, 'units/80-diyc-agent.preset'),
    },
    packaged('/usr/lib/sysusers.d/diyc-agent.conf', 'sysusers.conf'),
    packaged('/usr/lib/tmpfiles.d/diyc-agent.conf', 'tmpfiles.conf'),
    { path: '/usr/share/doc/diyc-agent', mode: 0o755, mark: '%dir' },
    { ...packaged('/usr/share/doc/diyc-agent/cluster.yaml.example', 'cluster.yaml.example'), mark: '%doc' },
    ...documents.map(
      (file): PayloadFile => ({
        path: `/usr/share/doc/diyc-agent/${file}`,
        mode: 0o644,
        source: join(root, file),
        mark: '%doc',
      }),
    ),
    { path: '/usr/share/licenses/diyc-agent', mode: 0o755, mark: '%dir' },
    {
      // here and not among the documents: those are left out where images are made small (tsflags=nodocs), and an image
      // is where somebody will ask
      path: '/usr/share/licenses/diyc-agent/diyc-agent.spdx.json',
      mode: 0o644,
      source: join(dirname(binary), 'diyc-agent.spdx.json'),
      mark: '%license',
    },
    { path: '/usr/share/licenses/diyc-agent/LICENSE', mode: 0o644, source: join(root, 'LICENSE'), mark: '%license' },
    {
      path: '/usr/share/licenses/diyc-agent/THIRD-PARTY-NOTICES',
      mode: 0o644,
      source: join(dirname(binary), 'THIRD-PARTY-NOTICES'),
      mark: '%license',
    },
    {
      path: '/usr/share/man/man8/diyc-agent.8.gz',
      mode: 0o644,
      // gzip's header has neither name nor time this way: the same page gives the same bytes
      content: gzipSync(readFileSync(join(root, 'packaging/diyc-agent.8')), { level: 9 }),
      mark: '%doc',
    },
  ];
}

/** Run as `bash FILE`, whatever its mode (greenboot): executable all the same, for the operator who tries it. */
function greenbootCheck(kind: 'required' | 'wanted'): PayloadFile {
  return {
    path: `/usr/lib/greenboot/check/${kind}.d/80-diyc-agent.sh`,
    mode: 0o755,
    source: join(root, `packaging/greenboot/${kind}.sh`),
  };
}

/**
 * Printed by the program itself, so that they never lag behind it. For another processor: by the program that its binary
 * is made of, which need not run here.
 */
function completions(binary: string): readonly PayloadFile[] {
  const [program, ...first] = isForHere(binary)
    ? ([binary] as const)
    : ([join(root, 'node_modules/.bin/bun'), join(root, 'agent/main.ts')] as const);
  const places = {
    bash: '/usr/share/bash-completion/completions/diyc-agent',
    fish: '/usr/share/fish/vendor_completions.d/diyc-agent.fish',
    zsh: '/usr/share/zsh/site-functions/_diyc-agent',
  };
  return Object.entries(places).map(([shell, path]) => {
    const { status, stdout, error } = spawnSync(program, [...first, 'completion', shell], { maxBuffer: 1 << 24 });
    if (error || status !== 0)
      throw new Error(`${binary} prints no completion for ${shell}: ${error?.message ?? status}`);
    return { path, mode: 0o644, content: stdout };
  });
}

/** Whether an ELF file is for this machine's processor: `e_machine`, two bytes at 18 (elf(5)). */
function isForHere(binary: string): boolean {
  const header = Buffer.alloc(20);
  const file = openSync(binary, 'r');
  try {
    readSync(file, header);
  } finally {
    closeSync(file);
  }
  const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
  return header.readUInt16LE(18) === machines[process.arch];
}

/** Put the payload below a folder. Existing files there are overwritten, others left alone. */
export function lay(files: readonly PayloadFile[], destination: string): void {
  for (const file of files) {
    const target = join(destination, file.path);
    mkdirSync(file.mark === '%dir' ? target : dirname(target), { recursive: true });
    if (file.source !== undefined) copyFileSync(file.source, target);
    if (file.content !== undefined) writeFileSync(target, file.content);
    // not left to the umask of whoever builds
    chmodSync(target, file.mode);
  }
}

/** The list for `%files -f`: owner, mode and mark of each path. */
export function rpmFileList(files: readonly PayloadFile[]): string {
  return files
    .map(({ path, mode, mark }) => `%attr(${mode.toString(8).padStart(4, '0')},root,root) ${mark ?? ''} ${path}`)
    .map((line) => `${line.replaceAll(/ +/g, ' ')}\n`)
    .join('');
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { binary: { type: 'string' }, files: { type: 'string' } },
  });
  const [destination] = positionals;
  if (destination === undefined) {
    console.error(`usage: bun packaging/${basename(import.meta.path)} DEST [--binary FILE] [--files LIST]`);
    process.exit(64);
  }
  const files = payload(values.binary === undefined ? undefined : resolve(values.binary));
  lay(files, destination);
  if (values.files !== undefined) writeFileSync(values.files, rpmFileList(files));
}
