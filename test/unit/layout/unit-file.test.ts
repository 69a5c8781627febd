// Unit files: systemd's syntax, and the links that enabling a unit makes.

import { describe, expect, test } from 'bun:test';
import {
  alsoEnabled,
  expandSpecifiers,
  installLinks,
  parseUnitFile,
  settingValue,
  settingValues,
  settingWords,
} from '../../../agent/layout/unit-file.ts';
import { randomTexts } from '../../support/random-text.ts';

const service = (text: string, key: string): string[] => settingValues(parseUnitFile(text), 'Service', key);

describe('syntax', () => {
  test('a repeated key is a list, an empty assignment resets it', () => {
    expect(service('[Service]\nEnvironment=A=1\nEnvironment = B=2\n', 'Environment')).toEqual(['A=1', 'B=2']);
    expect(service('[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n', 'ExecStart')).toEqual(['/bin/b']);
    expect(settingValue(parseUnitFile('[Service]\nUser=etcd\nUser=\n'), 'Service', 'User')).toBeNull();
  });
  test('a backslash joins lines, comments between them are skipped, two backslashes join nothing', () => {
    expect(
      service('[Service]\nExecStart=/bin/a \\\n# why\n   b \\\n; and\n   c\n', 'ExecStart')[0]?.split(/\s+/),
    ).toEqual(['/bin/a', 'b', 'c']);
    expect(service('[Service]\nExecStart=/bin/a \\\\\nUser=x\n', 'User')).toEqual(['x']);
    expect(service('[Service]\nExecStart=/bin/a \\', 'ExecStart')).toEqual(['/bin/a']);
  });
  test('comments, lines without =, and what stands before the first section are left out', () => {
    expect(parseUnitFile('A=1\n[Service]\n#B=2\n ;C=3\nnonsense\n=4\nD=5=6\n')).toEqual([
      { section: 'Service', key: 'D', value: '5=6' },
    ]);
  });
  test('the same key of another section is another setting', () => {
    expect(service('[Unit]\nUser=a\n[Service]\nUser=b\n[X-Ours]\nUser=c\n', 'User')).toEqual(['b']);
  });
  test('a section may come twice, and lines may end in CR LF', () => {
    expect(service('[Service]\r\nUser=a\r\n[Unit]\r\n[Service]\r\nGroup=b\r\n', 'Group')).toEqual(['b']);
  });
});

test('words are grouped by quotes', () => {
  expect(settingWords('"A=1 2" B=3 \'C=4 5\' D="x y" "E=\\"q\\""')).toEqual([
    'A=1 2',
    'B=3',
    'C=4 5',
    'D=x y',
    'E="q"',
  ]);
});

test('specifiers of the name are expanded, those only systemd knows are refused', () => {
  expect(expandSpecifiers('/etc/default/%p', 'etcd.service')).toBe('/etc/default/etcd');
  expect(expandSpecifiers('%n %N %i %%', 'a@b.service')).toBe('a@b.service a@b b %');
  expect(expandSpecifiers('/etc/%H', 'etcd.service')).toBeNull();
});

describe('links of systemctl enable', () => {
  const text = `[Install]
WantedBy=multi-user.target graphical.target
WantedBy=multi-user.target
RequiredBy=docker.service
Alias=flannel.service flanneld.service
Also=docker.socket %n
`;
  test('WantedBy, RequiredBy and Alias', () => {
    const path = '/usr/lib/systemd/system/flanneld.service';
    const at = '/etc/systemd/system';
    expect(installLinks('flanneld.service', text, path)).toEqual([
      { path: `${at}/flannel.service`, target: path },
      { path: `${at}/multi-user.target.wants/flanneld.service`, target: path },
      { path: `${at}/graphical.target.wants/flanneld.service`, target: path },
      { path: `${at}/docker.service.requires/flanneld.service`, target: path },
    ]);
    expect(alsoEnabled('flanneld.service', text)).toEqual(['docker.socket']);
  });
  test('a name that is none of a unit never becomes a path', () => {
    const hostile =
      '[Install]\nWantedBy=../../../tmp/x.target a/b.target x $(y).target\nAlias=../passwd .. /etc/shadow\n';
    expect(installLinks('a.service', hostile, '/usr/lib/systemd/system/a.service')).toEqual([]);
  });
  test('a unit without [Install] has none', () => {
    expect(installLinks('a.service', '[Unit]\nWantedBy=x.target\n', '/usr/lib/systemd/system/a.service')).toEqual([]);
  });
});

test('random texts never fail', () => {
  const pieces = [
    '[Service]',
    '[Install]',
    '\n',
    'WantedBy=',
    'ExecStart=',
    '\\\n',
    '#',
    '%p',
    '%',
    '"',
    "'",
    '=',
    'a.target',
    ' ',
  ];
  for (const text of randomTexts(3000, 4, pieces)) {
    for (const entry of parseUnitFile(text)) settingWords(entry.value);
    installLinks('a.service', text, '/usr/lib/systemd/system/a.service');
  }
});
