// The cluster file's schema as a function; the bundle has this module replaced by code generated from the same options.

import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { clusterSchema } from '../model/cluster-schema.ts';

/** How the schema is compiled, here and at build time. The format is a pattern, so that generated code contains it. */
export const ajvOptions = {
  allErrors: true,
  strict: true,
  // `backend` requires `type`, which only its alternatives describe.
  strictRequired: false,
  ownProperties: true,
  formats: {
    // The same addresses as parseAddress takes: four decimal octets without leading zeros.
    ipv4: /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/,
  },
} as const satisfies Options;

export const validateClusterFile: ValidateFunction = new Ajv(ajvOptions).compile(clusterSchema);
