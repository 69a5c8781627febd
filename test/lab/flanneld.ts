/** flanneld itself, not a stand-in: built from its published module, because no Debian suite has a package of it. */

import { chmod, copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { goEnvironment } from './go-toolchain.ts';
import { say } from './progress.ts';
import { run } from './run.ts';

export interface Flanneld {
  readonly version: string;
  /** Which of etcd's two stores this one reads. */
  readonly store: 'v2' | 'v3';
  readonly module: string;
  /** The variable the linker sets, so that `--version` tells the truth. */
  readonly versionVariable: string;
  /** Environment variable naming a ready binary, used instead of building one. */
  readonly env: string;
}

export const CURRENT: Flanneld = {
  version: 'v0.28.9',
  store: 'v3',
  module: 'github.com/flannel-io/flannel',
  versionVariable: 'github.com/flannel-io/flannel/pkg/version.Version',
  env: 'FLANNELD',
};

/** Of the kind that speaks to etcd's v2 store (up to 0.17): the newest whose module is to be had with its dependencies. */
export const OLD: Flanneld = {
  version: 'v0.14.0',
  store: 'v2',
  module: 'github.com/flannel-io/flannel',
  versionVariable: 'github.com/flannel-io/flannel/version.Version',
  env: 'FLANNELD_OLD',
};

/** Backends of single clouds: nothing a bare-metal host uses, and their vendors' modules are not everywhere to be had. */
const CLOUD_BACKEND = /^\s*_ "github\.com\/[\w-]+\/flannel\/(?:pkg\/)?backend\/(?:alivpc|awsvpc|gce|tencentvpc)"\n/gm;

const RECIPE = '2';

async function download(flanneld: Flanneld): Promise<string> {
  const outcome = await run(['go', 'mod', 'download', '-json', `${flanneld.module}@${flanneld.version}`], {
    tolerant: true,
    timeoutMs: 5 * 60_000,
    env: await goEnvironment(),
  });
  const answer: unknown = JSON.parse(outcome.stdout || '{}');
  if (typeof answer === 'object' && answer !== null && 'Dir' in answer && typeof answer.Dir === 'string') {
    return answer.Dir;
  }
  const reason =
    typeof answer === 'object' && answer !== null && 'Error' in answer ? String(answer.Error) : outcome.stderr;
  throw new Error(
    `the module ${flanneld.module}@${flanneld.version} cannot be had: ${reason.replace(/https?:\/\/\S+/g, '<proxy>')}`,
  );
}

async function build(flanneld: Flanneld, scratch: string): Promise<void> {
  const source = join(scratch, 'source');
  await cp(await download(flanneld), source, { recursive: true });
  // the module cache is read-only, and so is what is copied from it
  await run(['chmod', '-R', 'u+w', source]);
  const main = join(source, 'main.go');
  const text = await readFile(main, 'utf8');
  await writeFile(main, text.replace(CLOUD_BACKEND, ''));
  if (flanneld.store === 'v2') await mendCodec(source);
  await run(
    [
      'go',
      'build',
      '-mod=mod',
      '-trimpath',
      '-ldflags',
      `-s -w -X ${flanneld.versionVariable}=${flanneld.version}`,
      '-o',
      join(scratch, 'flanneld'),
      '.',
    ],
    {
      cwd: source,
      timeoutMs: 15 * 60_000,
      env: { ...(await goEnvironment()), GOFLAGS: '' },
    },
  );
  await run(['rm', '-rf', source]);
}

/**
 * etcd's old client needs a codec whose own code generator has an alphabet with one letter twice; Go refuses that since
 * 1.22, when the program starts, though nothing here generates code.
 */
async function mendCodec(source: string): Promise<void> {
  const goEnv = { ...(await goEnvironment()), GOFLAGS: '-mod=mod' };
  const codec = 'github.com/ugorji/go';
  const found = await run(['go', 'mod', 'download', '-json', codec], {
    cwd: source,
    env: goEnv,
    timeoutMs: 5 * 60_000,
  });
  const { Dir } = JSON.parse(found.stdout) as { Dir: string };
  const copy = join(source, 'ugorji-go');
  await cp(Dir, copy, { recursive: true });
  await run(['chmod', '-R', 'u+w', copy]);
  await writeFile(join(copy, 'go.mod'), `module ${codec}\n`, { flag: 'a' });
  const generator = join(copy, 'codec/gen.go');
  const text = await readFile(generator, 'utf8');
  const mended = text.replace('0123456789__"', '0123456789_-"');
  if (mended === text) throw new Error(`${codec} is not as this recipe knows it: no such alphabet in codec/gen.go`);
  await writeFile(generator, mended);
  await run(['go', 'mod', 'edit', `-replace=${codec}=./ugorji-go`], { cwd: source, env: goEnv });
}

/** Path of the binary; throws with the reason when it can neither be found nor built. */
export async function flanneldBinary(flanneld: Flanneld): Promise<string> {
  const given = process.env[flanneld.env];
  const dir =
    given === undefined
      ? await cached(`flanneld-${flanneld.version}`, [RECIPE, flanneld.module, flanneld.version], (scratch) =>
          build(flanneld, scratch),
        )
      : await cached(`flanneld-given`, [RECIPE, given, (await readFile(given)).length.toString()], async (scratch) => {
          await mkdir(scratch, { recursive: true });
          await copyFile(given, join(scratch, 'flanneld'));
          await chmod(join(scratch, 'flanneld'), 0o755);
        });
  const binary = join(dir, 'flanneld');
  const said = await run([binary, '--version'], { tolerant: true });
  const version = (said.stdout + said.stderr).trim();
  if (given === undefined && version !== flanneld.version) {
    throw new Error(`${binary} says it is ${JSON.stringify(version)}, expected ${flanneld.version}`);
  }
  if (given !== undefined) say(`flanneld from ${flanneld.env}: ${version}`);
  return binary;
}
