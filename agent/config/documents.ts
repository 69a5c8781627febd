// A cluster document is one text that may describe the cluster, and this file says which one wins over which.

import type { Diagnostic } from '../model/diagnostic.ts';
import { type AbsolutePath, clusterDirectories, under } from '../model/paths.ts';

/*
 * The rules, from the weakest to the strongest:
 *
 *   1. /usr/lib/diyc-agent/cluster.yaml, then /usr/lib/diyc-agent/cluster.d/*.yaml    baked into an image
 *   2. cluster.yaml in the NoCloud seed directory, beside the meta-data
 *   3. the `diyc:` key of this instance's cloud-config user-data
 *   4. /run/diyc-agent/cluster.yaml, then /run/diyc-agent/cluster.d/*.yaml
 *   5. /etc/diyc-agent/cluster.yaml, then /etc/diyc-agent/cluster.d/*.yaml
 *
 *   --config FILE stands alone: with it, nothing else is read.
 *
 * Files in cluster.d are taken in the order of their names, compared byte by byte. A file in cluster.d masks a file
 * of the same name in a weaker directory, as systemd's drop-ins do; an empty file therefore removes what an image
 * brings. Unlike systemd, the directory counts before the name: nothing below /usr/lib wins over /etc/…/cluster.yaml.
 *
 * Mappings merge key by key; scalars and lists replace what a weaker document said. Two exceptions: a flannel backend
 * of another type replaces the weaker one whole, because the fields of one type mean nothing to another; and an iSCSI
 * portal replaces the weaker document's portals, and portals its portal. A node's own storage is laid over the storage
 * of all nodes by the same rules, after all documents are merged.
 */

export type DocumentLayer = 'usr-lib' | 'seed' | 'user-data' | 'run' | 'etc' | 'option';

export interface ClusterDocument {
  /** The file as the operator would open it. */
  readonly file: string;
  readonly text: string;
  readonly layer: DocumentLayer;
  /** The file's name when it lies in a cluster.d directory; null for every other document. */
  readonly dropIn: string | null;
}

/** One directory that holds cluster files, and the layer its files belong to. */
export interface DocumentDirectory {
  readonly layer: DocumentLayer;
  readonly clusterFile: AbsolutePath;
  readonly dropInDirectory: AbsolutePath;
}

/** The agent's own directories, from the weakest to the strongest. */
export const documentDirectories: readonly DocumentDirectory[] = [
  directoryOf('usr-lib', clusterDirectories.usrLib),
  directoryOf('run', clusterDirectories.run),
  directoryOf('etc', clusterDirectories.etc),
];

function directoryOf(layer: DocumentLayer, directory: AbsolutePath): DocumentDirectory {
  return {
    layer,
    clusterFile: under(directory, 'cluster.yaml'),
    dropInDirectory: under(directory, 'cluster.d'),
  };
}

const rank: Readonly<Record<DocumentLayer, number>> = {
  'usr-lib': 0,
  seed: 1,
  'user-data': 2,
  run: 3,
  etc: 4,
  option: 5,
};

export interface OrderedDocuments {
  /** From the weakest to the strongest, masked ones left out. */
  readonly documents: readonly ClusterDocument[];
  /** Files in cluster.d that somebody may believe to be read. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Put documents in the order in which they are merged, leave masked ones out, and warn of those that are not read. */
export function orderDocuments(documents: readonly ClusterDocument[]): OrderedDocuments {
  const alone = documents.filter((d) => d.layer === 'option');
  if (alone.length > 0) return { documents: alone, diagnostics: [] };
  const read = documents.filter((d) => d.dropIn === null || isDropInName(d.dropIn));
  return {
    documents: read.filter((d) => !isMasked(d, read)).toSorted(byStrength),
    diagnostics: documents.filter((d) => d.dropIn !== null && looksLikeDropIn(d.dropIn)).map(ignoredFile),
  };
}

function byStrength(a: ClusterDocument, b: ClusterDocument): number {
  if (a.layer !== b.layer) return rank[a.layer] - rank[b.layer];
  const nameA = a.dropIn ?? '';
  const nameB = b.dropIn ?? '';
  return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
}

function isMasked(document: ClusterDocument, all: readonly ClusterDocument[]): boolean {
  return (
    document.dropIn !== null && all.some((d) => d.dropIn === document.dropIn && rank[d.layer] > rank[document.layer])
  );
}

/** Whether a file of this name in cluster.d is read: `*.yaml`, hidden files left out. */
function isDropInName(name: string): boolean {
  return name.endsWith('.yaml') && !name.startsWith('.');
}

function looksLikeDropIn(name: string): boolean {
  return /\.(yml|json|conf)$/i.test(name) && !name.startsWith('.');
}

function ignoredFile(document: ClusterDocument): Diagnostic {
  const better = (document.dropIn ?? '').replace(/\.[^.]*$/, '.yaml');
  return {
    severity: 'warning',
    file: document.file,
    line: null,
    column: null,
    path: '',
    value: document.dropIn,
    rule: 'ignored-file',
    message: 'this file is not read: files in cluster.d are named *.yaml',
    remedy: `rename it to ${better}, or remove it`,
  };
}
