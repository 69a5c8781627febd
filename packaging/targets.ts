// The processors that packages are built for: what each tool calls them, and how their programs run on another one.

import { existsSync } from 'node:fs';

export type Architecture = 'x86_64' | 'aarch64';

export interface Target {
  /** as rpm and uname say it */
  readonly architecture: Architecture;
  /** as node says it; also in the name of the tarball */
  readonly node: string;
  /** as `bun build --target` wants it, and the npm package with that runtime */
  readonly bun: string;
  readonly runtimePackage: string;
  /** user-mode emulation and the glibc for it, as Debian's qemu-user-static and libc6-*-cross install them */
  readonly emulator: string;
  readonly libraries: string;
}

const targets: readonly Target[] = [
  {
    architecture: 'x86_64',
    node: 'x64',
    bun: 'bun-linux-x64',
    runtimePackage: '@oven/bun-linux-x64',
    emulator: 'qemu-x86_64-static',
    libraries: '/usr/x86_64-linux-gnu',
  },
  {
    architecture: 'aarch64',
    node: 'arm64',
    bun: 'bun-linux-arm64',
    runtimePackage: '@oven/bun-linux-aarch64',
    emulator: 'qemu-aarch64-static',
    libraries: '/usr/aarch64-linux-gnu',
  },
];

/** @param architecture as uname says it; default: this machine's. @throws when packages are not built for it */
export function targetNamed(architecture?: string): Target {
  const found = targets.find((target) =>
    architecture === undefined ? target.node === process.arch : target.architecture === architecture,
  );
  if (found !== undefined) return found;
  const known = targets.map((target) => target.architecture).join(' or ');
  throw new Error(`there are no packages for ${architecture ?? process.arch}: build for ${known} (--target)`);
}

export function isNative(target: Target): boolean {
  return target.node === process.arch;
}

/**
 * What to put before a program of the target to run it here: nothing, or the emulator. Without the JIT, because
 * translating machine code that was just made costs more than interpreting (measured on `--version`: 0.8 s against 1.4 s).
 */
export function runner(target: Target): readonly string[] {
  return isNative(target) ? [] : ['env', 'BUN_JSC_useJIT=0', target.emulator, '-L', target.libraries];
}

/** Why programs of the target cannot run on this machine, with the remedy; undefined when they can. */
export function cannotRun(target: Target): string | undefined {
  if (isNative(target)) return undefined;
  const remedy = 'run `bash packaging/bootstrap.sh cross`';
  if (Bun.which(target.emulator) === null) return `${target.emulator} is not installed: ${remedy}`;
  if (!existsSync(target.libraries)) return `there is no glibc for ${target.architecture}: ${remedy}`;
  return undefined;
}
