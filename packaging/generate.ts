// Code made from other people's files at build time: etcd's protobuf messages and the validator of the cluster schema.
//
// Everything lands in build/generated/, which git ignores: a clean clone has nothing that could be stale, and the
// sources (`bun test`) run on what the libraries do by themselves. test/gates/generated.test.ts compares the two.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';
import protobuf from 'protobufjs';
import { main as pbjs } from 'protobufjs-cli/pbjs.js';
import { ajvOptions } from '../agent/config/validator.ts';
import { clusterSchema } from '../agent/model/cluster-schema.ts';

const root = resolve(import.meta.dirname, '..');
const etcdProto = join(root, 'node_modules/etcd3/proto/rpc.proto');

export const generatedFolder = join(root, 'build/generated');

export interface Generated {
  /** what grpc's loadPackageDefinition takes, without parsing a .proto file when the program starts */
  readonly etcdServices: string;
  /** the validator of the cluster file as plain code */
  readonly schemaValidator: string;
}

/** Write everything that is generated. @returns the files, by what they are for */
export async function generate(folder = generatedFolder): Promise<Generated> {
  mkdirSync(folder, { recursive: true });
  const messages = join(folder, 'etcd-messages.cjs');
  const etcdServices = join(folder, 'etcd-services.cjs');
  const schemaValidator = join(folder, 'schema-validator.cjs');
  writeFileSync(messages, await etcdMessages());
  writeFileSync(etcdServices, etcdServiceTable());
  writeFileSync(schemaValidator, schemaValidatorCode());
  return { etcdServices, schemaValidator };
}

/** Encoders and decoders of etcd's messages, without the checks, factories and services that etcd3 never calls. */
function etcdMessages(): Promise<string> {
  const leaveOut = ['create', 'verify', 'delimited', 'typeurl', 'service', 'comments'].map((part) => `--no-${part}`);
  // etcd3 speaks the field names of the .proto file: without --keep-case range_end would become rangeEnd
  const argv = ['--target', 'static-module', '--wrap', 'commonjs', '--keep-case', ...leaveOut, etcdProto];
  return new Promise((done, fail) => {
    pbjs(argv, (error, output) => (error ? fail(error) : done(output ?? '')));
  });
}

/**
 * The table that `@grpc/proto-loader` would compute: per service and method its path, kinds of stream, and how to
 * serialize both sides. The conversion must be the one etcd3 asks the loader for: 64-bit numbers and enums as text
 * (a lease id does not fit a double), absent fields with their defaults.
 */
function etcdServiceTable(): string {
  const definitions = protobuf.loadSync(etcdProto);
  definitions.resolveAll();
  const services = definitions.nestedArray
    .flatMap((space) => (space instanceof protobuf.Namespace ? space.nestedArray : []))
    .filter((thing) => thing instanceof protobuf.Service);
  if (services.length === 0) throw new Error(`no service found in ${etcdProto}: did etcd3 move its definitions?`);
  const known = loadedMethods();
  const entries = services.map((service) => {
    const name = service.fullName.slice(1);
    const methods = service.methodsArray.map((method) => {
      const { resolvedRequestType: request, resolvedResponseType: response } = method;
      if (!request || !response) throw new Error(`${method.fullName} has a type that is not defined`);
      const { path, originalName, requestStream, responseStream } = known(name, method.name);
      const facts = `'${path}', '${originalName}', ${requestStream}, ${responseStream}`;
      const types = `messages${request.fullName}, messages${response.fullName}`;
      return `    ${method.name}: method(${facts}, ${types}),`;
    });
    return `  '${name}': {\n${methods.join('\n')}\n  },`;
  });
  return `'use strict';
const messages = require('./etcd-messages.cjs');
const asEtcd3Wants = { longs: String, enums: String, defaults: true, oneofs: true };
const serialize = (type) => (value) => Buffer.from(type.encode(type.fromObject(value)).finish());
const deserialize = (type) => (bytes) => type.toObject(type.decode(bytes), asEtcd3Wants);
const method = (path, originalName, requestStream, responseStream, request, response) => ({
  path, originalName, requestStream, responseStream,
  requestSerialize: serialize(request), requestDeserialize: deserialize(request),
  responseSerialize: serialize(response), responseDeserialize: deserialize(response),
});
module.exports = {
${entries.join('\n')}
};
`;
}

interface KnownMethod {
  readonly path: string;
  readonly originalName: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** What the loader itself says of a method: its rule for `originalName` (HashKV is hashKv) is not worth a second home. */
function loadedMethods(): (service: string, method: string) => KnownMethod {
  // the loader that etcd3 resolves, which need not be the one at the top of node_modules
  const loader = createRequire(etcdProto)('@grpc/proto-loader');
  const definition = loader.loadSync(etcdProto, { keepCase: true });
  return (service, method) => {
    const known: KnownMethod | undefined = definition[service]?.[method];
    if (known === undefined) throw new Error(`@grpc/proto-loader does not know ${service}.${method}`);
    return known;
  };
}

/** What takes the place of agent/config/validator.ts in the binary: same export, nothing to compile. */
function schemaValidatorCode(): string {
  const ajv = new Ajv({ ...ajvOptions, code: { source: true, lines: true } });
  const code = standaloneCode.default(ajv, ajv.compile(clusterSchema));
  const ending = /module\.exports = (validate\d+);\s*module\.exports\.default = \1;/;
  if (!ending.test(code))
    throw new Error("ajv's standalone code no longer exports as it did: adapt packaging/generate.ts");
  return `${code.replace(ending, 'const validate = $1;')}\nmodule.exports = { validateClusterFile: validate };\n`;
}
