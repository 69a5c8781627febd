// Which document wins over which, and which are not read at all.

import { describe, expect, test } from 'bun:test';
import { orderDocuments } from '../../../agent/config/documents.ts';
import { documentOf } from './resolved-text.ts';

const files = (documents: readonly { readonly file: string }[]): string[] => documents.map((d) => d.file);

describe('order of documents', () => {
  test('runs from the image over seed, user-data and /run to /etc, and by name within cluster.d', () => {
    const ordered = orderDocuments([
      documentOf('', 'etc', '/etc/diyc-agent/cluster.d/20-b.yaml'),
      documentOf('', 'etc', '/etc/diyc-agent/cluster.d/10-a.yaml'),
      documentOf('', 'etc', '/etc/diyc-agent/cluster.yaml'),
      documentOf('', 'run', '/run/diyc-agent/cluster.yaml'),
      documentOf('', 'user-data', '/var/lib/cloud/instance/user-data.txt'),
      documentOf('', 'seed', '/var/cloud-init/cluster.yaml'),
      documentOf('', 'usr-lib', '/usr/lib/diyc-agent/cluster.d/90-z.yaml'),
      documentOf('', 'usr-lib', '/usr/lib/diyc-agent/cluster.yaml'),
    ]);
    expect(files(ordered.documents)).toEqual([
      '/usr/lib/diyc-agent/cluster.yaml',
      '/usr/lib/diyc-agent/cluster.d/90-z.yaml',
      '/var/cloud-init/cluster.yaml',
      '/var/lib/cloud/instance/user-data.txt',
      '/run/diyc-agent/cluster.yaml',
      '/etc/diyc-agent/cluster.yaml',
      '/etc/diyc-agent/cluster.d/10-a.yaml',
      '/etc/diyc-agent/cluster.d/20-b.yaml',
    ]);
  });

  test('a file in cluster.d masks its namesake in a weaker directory, and only there', () => {
    const ordered = orderDocuments([
      documentOf('', 'usr-lib', '/usr/lib/diyc-agent/cluster.d/10-a.yaml'),
      documentOf('', 'run', '/run/diyc-agent/cluster.d/10-a.yaml'),
      documentOf('', 'usr-lib', '/usr/lib/diyc-agent/cluster.d/20-b.yaml'),
    ]);
    expect(files(ordered.documents)).toEqual([
      '/usr/lib/diyc-agent/cluster.d/20-b.yaml',
      '/run/diyc-agent/cluster.d/10-a.yaml',
    ]);
  });

  test('--config stands alone', () => {
    const ordered = orderDocuments([documentOf('', 'etc'), documentOf('', 'option', '/root/try.yaml')]);
    expect(files(ordered.documents)).toEqual(['/root/try.yaml']);
  });

  test('files of cluster.d that look like cluster files but are not read get a warning, backups do not', () => {
    const ordered = orderDocuments([
      documentOf('nonsense: [', 'etc', '/etc/diyc-agent/cluster.d/10-a.yml'),
      documentOf('nonsense: [', 'etc', '/etc/diyc-agent/cluster.d/10-a.yaml~'),
      documentOf('nonsense: [', 'etc', '/etc/diyc-agent/cluster.d/.10-a.yaml.swp'),
    ]);
    expect(ordered.documents).toEqual([]);
    expect(ordered.diagnostics.map((d) => [d.file, d.rule, d.remedy])).toEqual([
      ['/etc/diyc-agent/cluster.d/10-a.yml', 'ignored-file', 'rename it to 10-a.yaml, or remove it'],
    ]);
  });
});
