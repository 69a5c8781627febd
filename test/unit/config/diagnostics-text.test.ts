// Findings as people read them.

import { describe, expect, test } from 'bun:test';
import { diagnosticsText, summaryLine } from '../../../agent/config/diagnostics-text.ts';
import { clusterText, fixture, resolveText } from './resolved-text.ts';

describe('the text of diagnostics', () => {
  test('all faults of a bad file at once, each with its line, rule and remedy', () => {
    const { diagnostics, documents } = resolveText(fixture('ten-faults.yaml'));
    expect(diagnostics.filter((d) => d.severity === 'error').length).toBeGreaterThanOrEqual(10);
    expect(diagnosticsText(diagnostics, documents)).toBe(fixture('ten-faults.txt'));
  });

  test('without the documents no line is quoted', () => {
    const { diagnostics } = resolveText(clusterText({ version: 'version: 2' }));
    expect(diagnosticsText(diagnostics)).toBe(
      [
        '/etc/diyc-agent/cluster.yaml:1:10: error: this agent reads version 1 of the cluster file, and the number 2 stands here [version]',
        '  found:  version: 2',
        '  remedy: write 1',
        '',
        '1 error',
        '',
      ].join('\n'),
    );
  });

  test('a line that holds a secret is not quoted, whatever the finding is about', () => {
    const storage =
      'storage: { iscsi: { portal: 10.0.0.9, target: iqn.x, chapp: 1, chap: { username: u, password: hunter2 } } }';
    for (const text of [clusterText({ storage }), `${clusterText()}psk:\n\thunter2`]) {
      const { diagnostics, documents } = resolveText(text);
      expect(diagnosticsText(diagnostics, documents)).not.toContain('hunter2');
    }
  });

  test('nothing to say is no text', () => {
    expect(diagnosticsText([])).toBe('');
    expect(summaryLine([])).toBe('no errors');
  });

  test('the summary counts errors and warnings', () => {
    const { diagnostics } = resolveText(
      clusterText({ version: 'version: 2', cluster: 'cluster: ""', storage: 'storage: {}' }),
    );
    expect(summaryLine(diagnostics)).toBe('2 errors, 1 warning');
  });
});
