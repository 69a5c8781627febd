// The bill of materials of one binary, as SPDX 2.3 JSON: the agent, every bundled library, the runtime.
//
// Made from what the bundler says went in, as the notices are. The same binary gives the same bytes: the time is that of
// the commit, the document's name in the world follows from the binary's digest.

import { createHash } from 'node:crypto';
import type { Library } from './libraries.ts';
import { type LockedPackage, sha512Of } from './locked.ts';

export interface Materials {
  readonly version: string;
  readonly license: string;
  readonly architecture: string;
  /** hexadecimal SHA-256 of the binary */
  readonly sha256: string;
  /** seconds since 1970 of the commit */
  readonly epoch: number;
  readonly libraries: readonly (Library & { readonly integrity: string })[];
  readonly runtime: LockedPackage & { readonly package: string };
}

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly downloadLocation: 'NOASSERTION';
  readonly filesAnalyzed: false;
  readonly licenseConcluded: string;
  readonly licenseDeclared: string;
  readonly copyrightText: 'NOASSERTION';
  readonly checksums: readonly { readonly algorithm: string; readonly checksumValue: string }[];
  readonly packageFileName?: string;
  readonly primaryPackagePurpose?: string;
  readonly comment?: string;
  readonly externalRefs?: readonly object[];
}

export function sbom(materials: Materials): string {
  const { version, architecture, sha256, epoch } = materials;
  const agent: SpdxPackage = {
    SPDXID: 'SPDXRef-diyc-agent',
    name: 'diyc-agent',
    versionInfo: version,
    packageFileName: '/usr/bin/diyc-agent',
    primaryPackagePurpose: 'APPLICATION',
    ...unknownPlace,
    licenseDeclared: materials.license,
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    comment: `one file for Linux on ${architecture} that needs glibc 2.17 and nothing else`,
  };
  const runtime: SpdxPackage = {
    ...npmPackage({ ...materials.runtime, name: materials.runtime.package }),
    comment:
      'Bun, the runtime that the binary is compiled with. It contains JavaScriptCore (LGPL-2.1) and other libraries, ' +
      'which its makers list with their sources at https://bun.com/docs/project/license',
  };
  const contained = [...materials.libraries.map(npmPackage), runtime];
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `diyc-agent-${version}-${architecture}`,
    documentNamespace: `urn:uuid:${uuidOf(sha256)}`,
    creationInfo: {
      created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: [`Tool: diyc-agent-build-${version}`],
    },
    packages: [agent, ...contained],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: agent.SPDXID,
      },
      ...contained.map(({ SPDXID }) => ({
        spdxElementId: agent.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** npm asks whichever registry is configured: where a package came from is not known, what it is is. */
const unknownPlace = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  // nobody has read the sources of all of them: what they declare is what there is
  licenseConcluded: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
} as const;

interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
  readonly integrity: string;
  readonly folder?: string;
}

function npmPackage({ name, version, license, integrity, folder }: NpmPackage): SpdxPackage {
  return {
    // one library may be inside twice, in two versions; identifiers may have letters, digits, points and dashes
    SPDXID: `SPDXRef-npm-${(folder?.replace(/^node_modules\//, '') ?? name).replaceAll(/[^A-Za-z0-9.]+/g, '-').replace(/^-/, '')}-${version}`,
    name,
    versionInfo: version,
    ...unknownPlace,
    licenseDeclared: license ?? 'NOASSERTION',
    checksums: [{ algorithm: 'SHA512', checksumValue: sha512Of(integrity) }],
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      },
    ],
  };
}

/** A UUID of version 8 (RFC 9562, section 5.8: contents of one's own making). */
function uuidOf(sha256: string): string {
  const hex = createHash('sha256').update(`diyc-agent SBOM ${sha256}`).digest('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
