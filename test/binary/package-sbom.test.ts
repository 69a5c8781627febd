// The bill of materials names every library that is in the binary, says what SPDX 2.3 requires, and fits the RPM's licence.

import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Materials, sbom } from '../../packaging/sbom.ts';
import { packageVersion } from '../../packaging/source.ts';

const repository = join(import.meta.dirname, '../..');
const dist = join(repository, 'dist');
const read = (file: string): string => readFileSync(join(dist, file), 'utf8');

interface Package {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly downloadLocation: string;
  readonly filesAnalyzed: boolean;
  readonly licenseConcluded: string;
  readonly licenseDeclared: string;
  readonly copyrightText: string;
  readonly checksums: readonly { readonly algorithm: string; readonly checksumValue: string }[];
  readonly externalRefs?: readonly { readonly referenceType: string; readonly referenceLocator: string }[];
}

interface Document {
  readonly spdxVersion: string;
  readonly dataLicense: string;
  readonly SPDXID: string;
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages: readonly Package[];
  readonly relationships: readonly Readonly<
    Record<'spdxElementId' | 'relationshipType' | 'relatedSpdxElement', string>
  >[];
}

const document = JSON.parse(read('diyc-agent.spdx.json')) as Document;
const [agent, ...others] = document.packages;

describe('the SBOM', () => {
  test('lists the agent by the digest of its binary', () => {
    const digest = createHash('sha256')
      .update(readFileSync(join(dist, 'diyc-agent')))
      .digest('hex');
    expect(agent).toMatchObject({ name: 'diyc-agent', versionInfo: packageVersion(), licenseDeclared: 'Apache-2.0' });
    expect(agent?.checksums).toEqual([{ algorithm: 'SHA256', checksumValue: digest }]);
  });

  test('has every library of the notices, with its version and licence, and the runtime', () => {
    const noticed = [...read('THIRD-PARTY-NOTICES').matchAll(/^-{80}\n\n(\S+) (\S+)\nLicense: (.*)$/gm)].map(
      ([, name, version, license]) => `${name} ${version} ${license}`,
    );
    expect(noticed.length).toBeGreaterThan(20);
    const listed = others.map((it) => `${it.name} ${it.versionInfo} ${it.licenseDeclared}`);
    expect(listed.slice(0, -1).sort()).toEqual(noticed.sort());
    const bun = JSON.parse(readFileSync(join(repository, 'node_modules/bun/package.json'), 'utf8')) as {
      version: string;
    };
    expect(others.at(-1)?.name).toMatch(/^@oven\/bun-linux-/);
    expect(others.at(-1)?.versionInfo).toBe(bun.version);
  });

  test('names each npm package by a purl and by the digest of package-lock.json', () => {
    const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
    };
    const known = new Set(
      Object.entries(packages).map(([folder, { version, integrity }]) => {
        const name = folder.split('node_modules/').at(-1) ?? '';
        return `${name}@${version} ${Buffer.from(integrity?.slice(7) ?? '', 'base64').toString('hex')}`;
      }),
    );
    for (const { name, versionInfo, checksums, externalRefs } of others) {
      expect(known).toContain(`${name}@${versionInfo} ${checksums[0]?.checksumValue}`);
      expect(externalRefs?.[0]).toMatchObject({
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${name.replace('@', '%40')}@${versionInfo}`,
      });
    }
  });

  test('has what SPDX 2.3 requires of a document and of a package', () => {
    expect(document).toMatchObject({ spdxVersion: 'SPDX-2.3', dataLicense: 'CC0-1.0', SPDXID: 'SPDXRef-DOCUMENT' });
    expect(document.name).not.toBe('');
    // clause 6.5: a URI, unique, without a fragment
    expect(document.documentNamespace).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(document.creationInfo.created).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
    expect(document.creationInfo.creators).toEqual([expect.stringMatching(/^Tool: \S+$/)]);
    for (const it of document.packages) {
      expect(it.SPDXID).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
      expect(it.filesAnalyzed).toBe(false);
      for (const field of [it.name, it.versionInfo, it.downloadLocation, it.licenseConcluded, it.copyrightText]) {
        expect(field).not.toBe('');
      }
      expect(it.licenseDeclared).toMatch(/^\(?[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*\)?$/);
      for (const { algorithm, checksumValue } of it.checksums) {
        expect(checksumValue).toMatch(algorithm === 'SHA256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{128}$/);
      }
    }
    const identifiers = document.packages.map(({ SPDXID }) => SPDXID);
    expect(new Set(identifiers).size).toBe(identifiers.length);
  });

  test('relates everything to the agent, and the agent to the document', () => {
    expect(
      document.relationships.map((it) => `${it.spdxElementId} ${it.relationshipType} ${it.relatedSpdxElement}`),
    ).toEqual([
      'SPDXRef-DOCUMENT DESCRIBES SPDXRef-diyc-agent',
      ...others.map(({ SPDXID }) => `SPDXRef-diyc-agent CONTAINS ${SPDXID}`),
    ]);
  });

  test('names no licence that the RPM does not', () => {
    const spec = readFileSync(join(repository, 'rpm.spec'), 'utf8');
    const said = (/^License:\s+(.*)$/m.exec(spec)?.[1] ?? '').split(' AND ');
    const missing = document.packages.filter(({ licenseDeclared }) => {
      // of a choice, one is enough
      const choice = licenseDeclared.replaceAll(/[()]/g, '').split(' OR ');
      return !choice.some((license) => license.split(' AND ').every((part) => said.includes(part)));
    });
    expect(missing.map(({ name, licenseDeclared }) => `${name}: ${licenseDeclared}`)).toEqual([]);
  });

  test('is the same for the same binary, and another document for another one', () => {
    const materials: Materials = {
      version: '1.2.3',
      license: 'Apache-2.0',
      architecture: 'x86_64',
      sha256: 'a'.repeat(64),
      epoch: 0,
      libraries: [],
      runtime: {
        package: '@oven/bun-linux-x64',
        version: '1',
        license: 'MIT',
        integrity: `sha512-${'A'.repeat(86)}==`,
      },
    };
    expect(sbom(materials)).toBe(sbom({ ...materials }));
    const namespaceOf = (text: string) => (JSON.parse(text) as Document).documentNamespace;
    expect(namespaceOf(sbom({ ...materials, sha256: 'b'.repeat(64) }))).not.toBe(namespaceOf(sbom(materials)));
  });
});
