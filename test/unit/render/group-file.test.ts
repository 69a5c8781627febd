// Groups: members are added, nothing is taken away, and a group of the base system keeps its gid.

import { describe, expect, test } from 'bun:test';
import { withGroup, withShadowGroup } from '../../../agent/render/group-file.ts';

const etc = 'root:x:0:\nwheel:x:10:fedora\n';

describe('/etc/group', () => {
  test('gets the group with its members, and a system gid from the top', () => {
    expect(withGroup(etc, null, 'docker', ['fedora', 'core'])).toBe(`${etc}docker:x:999:fedora,core\n`);
  });
  test('takes the first gid that neither file has', () => {
    expect(withGroup(`${etc}a:x:999:\n`, 'b:x:998:\nc:x:997:\n', 'docker', [])).toEndWith('docker:x:996:\n');
  });
  test('takes gid and members over from /usr/lib/group, where ostree keeps the groups of the base', () => {
    expect(withGroup(etc, 'docker:x:978:core\n', 'docker', ['fedora', 'core'])).toBe(
      `${etc}docker:x:978:core,fedora\n`,
    );
  });
  test('keeps present members and adds the missing ones only', () => {
    const text = `${etc}docker:x:123:alice\nlast:x:5:\n`;
    expect(withGroup(text, 'docker:x:978:\n', 'docker', ['fedora', 'alice'])).toBe(
      `${etc}docker:x:123:alice,fedora\nlast:x:5:\n`,
    );
  });
  test('stays the same text when nothing is missing, whatever it looks like', () => {
    for (const text of [`${etc}docker:x:1:fedora\n`, `${etc}docker:x:1:a,fedora`, '# odd\n\ndocker:x:1:fedora\n']) {
      expect(withGroup(text, null, 'docker', ['fedora'])).toBe(text);
      expect(withGroup(text, null, 'docker', [])).toBe(text);
    }
  });
  test('does not take a group for another whose name begins alike', () => {
    expect(withGroup('docker-root:x:5:\n', null, 'docker', [])).toBe('docker-root:x:5:\ndocker:x:999:\n');
  });
  test('gets its last line ended before one is added', () => {
    expect(withGroup('root:x:0:', null, 'docker', [])).toBe('root:x:0:\ndocker:x:999:\n');
    expect(withGroup('', null, 'docker', ['a'])).toBe('docker:x:999:a\n');
  });
  test('lines that are none are left as they are', () => {
    expect(withGroup('+::::\nbroken\nx:y:z\n', null, 'docker', [])).toBe('+::::\nbroken\nx:y:z\ndocker:x:999:\n');
  });
  test('a short line of the group is completed', () => {
    expect(withGroup('docker:x:5\n', null, 'docker', ['a'])).toBe('docker:x:5:a\n');
  });
  test('twice is as once', () => {
    const once = withGroup(etc, 'docker:x:978:\n', 'docker', ['a', 'b']);
    expect(withGroup(once, 'docker:x:978:\n', 'docker', ['a', 'b'])).toBe(once);
  });
});

describe('/etc/gshadow', () => {
  test('gets a locked line', () => {
    expect(withShadowGroup('root:::\n', 'docker', ['fedora'])).toBe('root:::\ndocker:!::fedora\n');
  });
  test('keeps password and administrators of a line that is there', () => {
    expect(withShadowGroup('docker:$6$x:admin:a\n', 'docker', ['b', 'a'])).toBe('docker:$6$x:admin:a,b\n');
  });
  test('stays the same text when nothing is missing', () => {
    expect(withShadowGroup('docker:!::a', 'docker', ['a'])).toBe('docker:!::a');
  });
});
