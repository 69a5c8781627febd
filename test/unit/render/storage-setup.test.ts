// What docker-storage-setup is told and what it answers, and docker's own options for the same storage.

import { describe, expect, test } from 'bun:test';
import {
  dockerStorageOptions,
  parseDockerStorage,
  renderStorageSetup,
  storageSetupVerdict,
} from '../../../agent/render/storage-setup.ts';
import { declared } from '../../support/storage-builders.ts';

const devicemapper = declared({ driver: 'devicemapper' });
/** As container-storage-setup 0.11 writes it. */
const written = `DOCKER_STORAGE_OPTIONS="--storage-driver devicemapper --storage-opt dm.fs=xfs --storage-opt dm.thinpooldev=/dev/mapper/docker--images-docker--pool --storage-opt dm.use_deferred_removal=true --storage-opt dm.use_deferred_deletion=true"\n`;

describe('/etc/sysconfig/docker-storage-setup', () => {
  test('for a thin pool', () => {
    const text = renderStorageSetup(devicemapper);
    const settings = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(settings).toEqual([
      "VG='docker-images'",
      "STORAGE_DRIVER='devicemapper'",
      "SETUP_LVM_THIN_POOL='yes'",
      "DATA_SIZE='90%FREE'",
      "MIN_DATA_SIZE='256'",
      "CHUNK_SIZE='512K'",
      "AUTO_EXTEND_POOL='yes'",
      "POOL_AUTOEXTEND_THRESHOLD='60'",
      "POOL_AUTOEXTEND_PERCENT='20'",
      "DEVICE_WAIT_TIMEOUT='60'",
      "WIPE_SIGNATURES='false'",
      "GROWPART='false'",
    ]);
    expect(text).toContain('# DEVS stays unset');
  });

  test('for overlay2 there is no word of a pool', () => {
    const text = renderStorageSetup(declared());
    expect(text).toContain("STORAGE_DRIVER='overlay2'\n");
    expect(text).not.toMatch(/POOL|DATA_SIZE|^DEVS/m);
  });

  test('another file system in the containers is an option of its own', () => {
    expect(renderStorageSetup(declared({ driver: 'devicemapper', filesystem: 'ext4' }))).toContain(
      "EXTRA_STORAGE_OPTIONS='--storage-opt dm.fs=ext4'\n",
    );
  });

  test('a shell that reads it runs nothing and expands nothing', () => {
    const hostile = `a'b$(touch /tmp/x)\`id\`;"\\`;
    const text = renderStorageSetup(declared({ volumeGroup: hostile }));
    expect(text).toContain(`VG='a'\\''b$(touch /tmp/x)\`id\`;"\\'\n`);
  });
});

describe('/etc/sysconfig/docker-storage', () => {
  test('as it is written', () => {
    const options = parseDockerStorage(written);
    expect(options).toMatchObject({
      driver: 'devicemapper',
      thinPoolDevice: '/dev/mapper/docker--images-docker--pool',
    });
    expect(options?.words).toContain('dm.use_deferred_deletion=true');
    expect(parseDockerStorage('DOCKER_STORAGE_OPTIONS="--storage-driver overlay2 "\n')?.driver).toBe('overlay2');
  });

  test.each([
    ['-s devicemapper', 'devicemapper', null],
    ['--storage-driver=overlay2', 'overlay2', null],
    ['--storage-opt dm.thinpooldev=/dev/mapper/p', 'devicemapper', '/dev/mapper/p'],
    ['--storage-opt=dm.thinpooldev=vg-docker--pool', 'devicemapper', '/dev/mapper/vg-docker--pool'],
    ['--storage-opt dm.basesize=20G', null, null],
    ['--storage-driver', null, null],
  ])('in other forms: %s', (words, driver, thinPoolDevice) => {
    for (const value of [words, `"${words}"`, `'${words}'`, `"${words}" # as of today`]) {
      if (value === words && words.includes(' ')) continue;
      expect(parseDockerStorage(`DOCKER_STORAGE_OPTIONS=${value}\n`)).toMatchObject({ driver, thinPoolDevice });
    }
  });

  test('the last of several counts, comments do not', () => {
    const text =
      '# DOCKER_STORAGE_OPTIONS="-s aufs"\nDOCKER_STORAGE_OPTIONS="-s overlay"\nDOCKER_STORAGE_OPTIONS="-s overlay2"\n';
    expect(parseDockerStorage(text)?.driver).toBe('overlay2');
  });

  test('quotes within the value group a word', () => {
    const text = `DOCKER_STORAGE_OPTIONS='--storage-driver "overlay2" --storage-opt "overlay2.size=1 G"'\n`;
    expect(parseDockerStorage(text)?.words).toEqual([
      '--storage-driver',
      'overlay2',
      '--storage-opt',
      'overlay2.size=1 G',
    ]);
  });

  test('no file, no variable and no value are all nothing', () => {
    for (const text of [
      null,
      '',
      'DOCKER_STORAGE_OPTIONS=\n',
      'DOCKER_STORAGE_OPTIONS=""\n',
      'OTHER=1\n',
      "DOCKER_STORAGE_OPTIONS=' '\n",
    ])
      expect(parseDockerStorage(text)).toBeNull();
  });
});

describe('what came of it', () => {
  const verdict = (text: string | null, wanted = devicemapper) => storageSetupVerdict(parseDockerStorage(text), wanted);

  test('is as wanted', () => {
    expect(verdict(written)).toEqual({ kind: 'as wanted' });
    expect(verdict('DOCKER_STORAGE_OPTIONS="--storage-driver overlay2 "\n', declared())).toEqual({ kind: 'as wanted' });
  });

  test('is nothing', () => {
    expect(verdict('DOCKER_STORAGE_OPTIONS=\n')).toEqual({ kind: 'absent' });
  });

  test.each([
    ['a driver that was there before', '-s overlay', 'overlay'],
    [
      'a pool of another group',
      written.slice(24, -2).replace('docker--images', 'atomicos'),
      'devicemapper on /dev/mapper/atomicos-docker--pool',
    ],
    ['loopback', '-s devicemapper', 'devicemapper on files in /var/lib/docker (loopback)'],
    ['no driver', '--storage-opt dm.basesize=20G', 'options that name no driver (--storage-opt dm.basesize=20G)'],
  ])('is another thing: %s', (_what, words, found) => {
    expect(verdict(`DOCKER_STORAGE_OPTIONS="${words}"\n`)).toEqual({ kind: 'other', found });
  });

  test('is a pool where overlay2 was wanted', () => {
    expect(verdict(written, declared())).toMatchObject({ kind: 'other' });
  });
});

describe("docker's options", () => {
  test('for overlay2', () => {
    expect(dockerStorageOptions(declared())).toEqual(['--storage-driver=overlay2']);
  });

  test('for a thin pool, as docker-storage-setup writes them', () => {
    const options = dockerStorageOptions(devicemapper);
    expect(options).toEqual([
      '--storage-driver=devicemapper',
      '--storage-opt=dm.thinpooldev=/dev/mapper/docker--images-docker--pool',
      '--storage-opt=dm.fs=xfs',
      '--storage-opt=dm.use_deferred_removal=true',
    ]);
    const read = parseDockerStorage(`DOCKER_STORAGE_OPTIONS="${options.join(' ')}"\n`);
    expect(storageSetupVerdict(read, devicemapper)).toEqual({ kind: 'as wanted' });
  });

  test('leave out what docker 1.6 does not know', () => {
    for (const [version, isKnown] of [
      ['1.6.2', false],
      ['1.7.0', true],
      ['1.13.1', true],
      ['20.10.24', true],
      ['0.9', false],
    ] as const) {
      expect(dockerStorageOptions(devicemapper, version).some((o) => o.includes('deferred'))).toBe(isKnown);
    }
  });
});
