/** A Go that is new enough: the machine's own, or the one that an old Go can fetch as a module, as newer ones do themselves. */

import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './run.ts';

/** From here on the go command fetches the toolchain that a module asks for by itself. */
const FETCHES_ITSELF = [1, 21] as const;
/** What the current flannel asks for. */
const TOOLCHAIN = 'go1.25.9';

const goPath = { PATH: `${process.env['PATH'] ?? ''}:/usr/local/go/bin` };

/** Environment in which `go` is new enough. Debian 12 has Go 1.19, which knows nothing of toolchains but can fetch modules. */
export async function goEnvironment(): Promise<Readonly<Record<string, string>>> {
  const said = await run(['go', 'version'], { env: goPath });
  const version = /go(\d+)\.(\d+)/.exec(said.stdout);
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  const isNew = major > FETCHES_ITSELF[0] || (major === FETCHES_ITSELF[0] && minor >= FETCHES_ITSELF[1]);
  // Debian's Go is told to stay with its own version; here it may fetch the one it is asked for
  if (isNew) return { ...goPath, GOTOOLCHAIN: 'auto' };
  const root = join(await cached(`go-${TOOLCHAIN}`, ['1', TOOLCHAIN, process.arch], fetchToolchain), 'go');
  return { PATH: `${join(root, 'bin')}:${goPath.PATH}`, GOROOT: root, GOTOOLCHAIN: 'local' };
}

async function fetchToolchain(scratch: string): Promise<void> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const module = `golang.org/toolchain@v0.0.1-${TOOLCHAIN}.linux-${arch}`;
  const outcome = await run(['go', 'mod', 'download', '-json', module], { env: goPath, timeoutMs: 10 * 60_000 });
  const { Dir } = JSON.parse(outcome.stdout) as { Dir: string };
  const root = join(scratch, 'go');
  await cp(Dir, root, { recursive: true });
  await run(['chmod', '-R', 'u+w', root]);
  // modules have no executable files: the go command sets this bit itself when it unpacks a toolchain
  const tools = join(root, 'pkg/tool');
  for (const folder of [join(root, 'bin'), ...(await readdir(tools)).map((name) => join(tools, name))]) {
    await run(['chmod', '-R', 'a+x', folder]);
  }
}
