// Cluster texts to start a test from, and a resolution that insists on what holds for every finding.

import { expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { ClusterDocument, DocumentLayer } from '../../../agent/config/documents.ts';
import { type Resolution, resolveCluster } from '../../../agent/config/resolve.ts';
import { type Diagnostic, hasErrors } from '../../../agent/model/diagnostic.ts';

const clusterFile = '/etc/diyc-agent/cluster.yaml';

/** One section per key, each on one line in this order; a test replaces the sections it is about. */
const healthySections = {
  version: 'version: 1',
  cluster: 'cluster: diy-cluster',
  nodes: 'nodes: { a1: { address: 192.168.99.51 }, a2: { address: 192.168.99.52 }, a3: { address: 192.168.99.53 } }',
  flannel: 'flannel: { network: 172.18.0.0/16 }',
};

export type Sections = Partial<typeof healthySections> & { readonly [section: string]: string };

/** The text of a healthy three-node file, with some sections replaced or added; an empty section is left out. */
export function clusterText(sections: Sections = {}): string {
  const lines = Object.values({ ...healthySections, ...sections }).filter((line) => line !== '');
  return `${lines.join('\n')}\n`;
}

export function documentOf(text: string, layer: DocumentLayer = 'etc', file: string = clusterFile): ClusterDocument {
  return { file, text, layer, dropIn: file.includes('/cluster.d/') ? (file.split('/').at(-1) ?? '') : null };
}

/** Resolve documents; whatever they are, each finding is complete, and there is a configuration unless there is an error. */
export function resolveAll(documents: readonly ClusterDocument[]): Resolution {
  const resolution = resolveCluster(documents, ['/etc/diyc-agent/cluster.yaml', '/usr/lib/diyc-agent/cluster.yaml']);
  const lineCounts = new Map(documents.map((d) => [d.file, d.text.split(/\r\n|\r|\n/).length]));
  for (const d of resolution.diagnostics) expectComplete(d, lineCounts.get(d.file) ?? null);
  expect(resolution.config === null).toBe(hasErrors(resolution.diagnostics));
  return resolution;
}

export function resolveText(text: string): Resolution {
  return resolveAll([documentOf(text)]);
}

function expectComplete(d: Diagnostic, lineCount: number | null): void {
  expect(d.remedy.trim()).not.toBe('');
  expect(d.message.trim()).not.toBe('');
  expect(d.message).not.toContain('undefined');
  expect(d.remedy).not.toContain('undefined');
  expect(d.rule).toMatch(/^[a-z]+(-[a-z]+)*$/);
  if (d.line === null || lineCount === null) return;
  expect(d.line).toBeGreaterThanOrEqual(1);
  expect(d.line).toBeLessThanOrEqual(lineCount);
  expect(d.column).toBeGreaterThanOrEqual(1);
}

/** One finding per line, short: `error 3:9 unknown-key flannel.netwrk`. */
export function summaries(resolution: Resolution): string[] {
  return resolution.diagnostics.map((d) => `${d.severity} ${d.line}:${d.column} ${d.rule} ${d.path}`.trim());
}

export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/config/${name}`, import.meta.url), 'utf8');
}
