// One CommonJS file out of agent/ and its libraries, with the parts cut out that must not happen on a host.

import { readFileSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { Generated } from './generate.ts';

const root = resolve(import.meta.dirname, '..');

export interface BundleOptions {
  readonly entry: string;
  readonly outfile: string;
  readonly generated: Generated;
  readonly version: string;
  readonly commit: string;
}

/**
 * Bundle the agent.
 *
 * A lazy `import()` stays lazy in one file: esbuild turns the module into a closure that runs at the first call.
 *
 * @returns the files that went in, relative to the repository, with the bytes each contributes
 * @throws when a patch finds that the library it patches has changed, or when something unwanted got in
 */
export async function bundle(options: BundleOptions): Promise<ReadonlyMap<string, number>> {
  const used = new Set<string>();
  const patches: readonly Patch[] = [
    staticProtobuf(options.generated),
    ipIsNoServerName,
    withoutSessions,
    withoutBuildKit,
    compiledSchema(options.generated),
  ];
  const result = await build({
    entryPoints: [options.entry],
    outfile: options.outfile,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // identifiers stay: a bug report's stack must name the function, and libraries tell errors apart by class name;
    // measured on `--version`: 0.3 ms
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    // the ESM builds are the smaller ones; the CommonJS ones pull helpers in a second time
    mainFields: ['module', 'main'],
    loader: { '.service': 'text', '.timer': 'text', '.conf': 'text', '.preset': 'text' },
    define: {
      DIYC_VERSION: JSON.stringify(options.version),
      DIYC_COMMIT: JSON.stringify(options.commit),
      // Bun would write the folder of the build into the binary: a path of this machine, and another digest elsewhere
      __dirname: '"/usr/lib/diyc-agent"',
      __filename: '"/usr/bin/diyc-agent"',
    },
    metafile: true,
    logLevel: 'warning',
    plugins: [apply(patches, used), leaveOut],
  });
  const output = Object.values(result.metafile.outputs)[0];
  const inputs = new Map(
    Object.entries(output?.inputs ?? {}).map(([file, { bytesInOutput }]) => [file, bytesInOutput]),
  );
  for (const patch of patches) {
    // a patch that met nothing although its library is inside means that the file moved: the fault would be back unseen
    const inside = [...inputs.keys()].some((file) => file.startsWith(patch.library));
    if (inside && !used.has(patch.name)) {
      throw new Error(`patch "${patch.name}" found no file to work on in ${patch.library}: adapt packaging/bundle.ts`);
    }
  }
  for (const [file, why] of unwanted) {
    const found = [...inputs.keys()].find((input) => input.includes(file));
    if (found) throw new Error(`${found} got into the bundle: ${why}`);
  }
  return inputs;
}

interface Patch {
  readonly name: string;
  /** the beginning of the paths of the library that is patched, as in the metafile */
  readonly library: string;
  readonly file: RegExp;
  /** @throws when the text is not the one expected */
  edit(text: string, file: string): string;
}

function apply(patches: readonly Patch[], used: Set<string>): Plugin {
  return {
    name: 'patches',
    setup(setup) {
      for (const patch of patches) {
        setup.onLoad({ filter: patch.file }, ({ path }) => {
          used.add(patch.name);
          const contents = patch.edit(readFileSync(path, 'utf8'), relative(root, path));
          return { contents, loader: 'js', resolveDir: dirname(path) };
        });
      }
    },
  };
}

function replaceOnce(text: string, from: string | RegExp, to: string, file: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) {
    throw new Error(`${file} has changed (${parts.length - 1} places to patch, expected 1): adapt packaging/bundle.ts`);
  }
  return parts.join(to);
}

/** etcd3 parses its .proto files when it is loaded: they are not in the binary, and parsing costs 65 ms of CPU. */
function staticProtobuf({ etcdServices }: Generated): Patch {
  return {
    name: 'static protobuf',
    library: 'node_modules/etcd3/',
    file: /\/etcd3\/lib\/connection-pool\.js$/,
    edit: (text, file) => {
      const withoutLoader = replaceOnce(text, 'const proto_loader_1 = require("@grpc/proto-loader");\n', '', file);
      const call = /const packageDefinition = \(0, proto_loader_1\.loadSync\)\([^)]*\);\n/;
      const table = `const packageDefinition = require(${JSON.stringify(etcdServices)});\n`;
      return replaceOnce(withoutLoader, call, table, file);
    },
  };
}

/** grpc-js hands the IP of `https://IP:port` to TLS as server name: forbidden by RFC 6066, fatal from Node 26 on. */
const ipIsNoServerName: Patch = {
  name: 'an IP is no server name',
  library: 'node_modules/@grpc/grpc-js/',
  file: /\/grpc-js\/build\/src\/channel-credentials\.js$/,
  edit: (text, file) => {
    const assignment = 'connectionOptions.servername = remoteHost;';
    return replaceOnce(text, assignment, `if (!require('node:net').isIP(remoteHost)) ${assignment}`, file);
  },
};

/** dockerode's session and BuildKit code read .proto files beside them when called; the agent builds no images. */
const withoutSessions = refusing('no docker session', /\/dockerode\/lib\/session\.js$/);
const withoutBuildKit = refusing('no BuildKit', /\/dockerode\/lib\/buildkit\.js$/);

function refusing(name: string, file: RegExp): Patch {
  return {
    name,
    library: 'node_modules/dockerode/',
    file,
    edit: (text, path) => {
      if (!text.includes('.proto"')) throw new Error(`${path} reads no .proto file any more: drop its patch`);
      const refusal = JSON.stringify(`${basename(path)} of dockerode is not part of diyc-agent`);
      return `module.exports = () => { throw new Error(${refusal}); };`;
    },
  };
}

/** ajv compiles by building source text and evaluating it: 40 ms and a compiler that no host needs. */
function compiledSchema({ schemaValidator }: Generated): Patch {
  return {
    name: 'compiled schema',
    library: 'agent/config/',
    file: /\/agent\/config\/validator\.ts$/,
    edit: (text, file) => {
      if (!text.includes('export const validateClusterFile')) {
        throw new Error(`${file} exports no validateClusterFile: adapt packaging/generate.ts`);
      }
      return `export { validateClusterFile } from ${JSON.stringify(schemaValidator)};`;
    },
  };
}

/** Modules that are named by code we never reach: docker over ssh with its native parts, and the .proto loader. */
const leaveOut: Plugin = {
  name: 'leave out',
  setup(setup) {
    setup.onResolve({ filter: /^(ssh2|cpu-features|@grpc\/proto-loader)$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }));
    setup.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => {
      const refusal = JSON.stringify(`${path} is not part of diyc-agent`);
      // libraries pick their pieces at load time and call them only when asked for: the refusal is in the call
      const contents = `module.exports = new Proxy({}, { get: () => function () { throw new Error(${refusal}); } });`;
      return { contents, loader: 'js' };
    });
  },
};

/** What must never get in again; each line is a fault that was there once. */
const unwanted: readonly (readonly [string, string])[] = [
  [
    'node_modules/ajv/dist/core',
    'the binary must not compile schemas; import types only, and the validator from agent/config/validator.ts',
  ],
  ['node_modules/ssh2/', 'docker over ssh is not used'],
  ['node_modules/protobufjs/src/parse.js', 'a .proto file would be parsed at run time'],
  ['node_modules/json-schema-to-ts/', 'types only: use `import type`'],
];
