// The kernel command line: its words, and NoCloud's keys among them.

import { describe, expect, test } from 'bun:test';
import { parseKernelWords, parseNoCloudArguments, readNoCloudArguments } from '../../../agent/metadata/kernel-args.ts';
import { memoryFiles } from '../../support/memory-files.ts';
import { randomTexts } from '../../support/random-text.ts';
import { refusal } from '../../support/refusal.ts';

const parse = (line: string) => parseNoCloudArguments(line, '/proc/cmdline');
const nothing = { localHostname: null, instanceId: null, seedfrom: null, needsNewCloudInit: false };

test('words are split at whitespace, quotes group, NUL and newline at the end are no words', () => {
  expect(parseKernelWords('quiet  a="b c" "d e=f"\tg\n\0')).toEqual(['quiet', 'a=b c', 'd e=f', 'g']);
});

describe('ds=nocloud', () => {
  test('short and long names of keys', () => {
    expect(parse('ro ds=nocloud;h=a1;i=iid-1;s=/var/cloud-init/ quiet\n')).toEqual({
      localHostname: 'a1',
      instanceId: 'iid-1',
      seedfrom: '/var/cloud-init/',
      needsNewCloudInit: false,
    });
    expect(parse('ds=nocloud-net;local-hostname=a1;instance-id=i;seedfrom=http://boothost/?h=x')).toEqual({
      localHostname: 'a1',
      instanceId: 'i',
      seedfrom: 'http://boothost/?h=x',
      needsNewCloudInit: false,
    });
  });
  test('a URL in the new spelling is nothing that cloud-init below 23.2 would fetch', () => {
    expect(parse('ds=nocloud;s=http://boothost/a1/')?.needsNewCloudInit).toBe(true);
    expect(parse('ds=nocloud-net;s=http://boothost/a1/')?.needsNewCloudInit).toBe(false);
    expect(parse('ds=nocloud;s=/var/cloud-init/')?.needsNewCloudInit).toBe(false);
  });
  test("seed A's line, with and without the boot loader's backslash", () => {
    const wanted = { ...nothing, seedfrom: '/var/cloud-init/' };
    expect(parse('BOOT_IMAGE=/vmlinuz ds=nocloud;seedfrom=/var/cloud-init/')).toEqual(wanted);
    expect(parse('BOOT_IMAGE=/vmlinuz ds=nocloud\\;seedfrom=/var/cloud-init/')).toEqual(wanted);
  });
  test('in quotes', () => {
    expect(parse('ro "ds=nocloud;h=a1"')?.localHostname).toBe('a1');
  });
  test('the last of several wins', () => {
    expect(parse('ds=nocloud;h=a1 ds=nocloud-net;h=a2')?.localHostname).toBe('a2');
  });
  test('alone, or chosen by ci.ds=, it gives no keys', () => {
    expect(parse('ds=nocloud')).toEqual(nothing);
    expect(parse('ci.ds=NoCloud;h=a1')).toEqual(nothing);
    expect(parse('ci.datasource=nocloud')).toEqual(nothing);
  });
  test('an empty key is no key', () => {
    expect(parse('ds=nocloud;h=;;i')).toEqual(nothing);
  });
  test('other datasources and words that only look like it are not it', () => {
    for (const line of ['', 'ro quiet', 'ds=ec2;h=a1', 'ds=nocloudy;h=a1', 'xds=nocloud;h=a1', 'h=a1', 'DS=nocloud']) {
      expect(parse(line)).toBeNull();
    }
  });
});

test('a line that the kernel may have cut within the name is refused', async () => {
  const tail = ' ds=nocloud;h=a1';
  const cut = 'x'.repeat(2047 - tail.length) + tail;
  expect((await refusal(() => parse(`${cut}\n`))).message).toContain('cut');
  expect(parse(`${cut.slice(1)}\n`)?.localHostname).toBe('a1');
  expect(parse(`ds=nocloud;h=a1 ${'x'.repeat(2047 - 16)}`)?.localHostname).toBe('a1');
});

test("in a container the line of process 1 counts, not that of the host's kernel", async () => {
  const files = { '/proc/cmdline': 'ds=nocloud;h=host\n', '/proc/1/cmdline': '/sbin/init\0ds=nocloud;h=guest\0' };
  expect((await readNoCloudArguments(memoryFiles(files)))?.localHostname).toBe('host');
  const container = memoryFiles({ ...files, '/run/systemd/container': 'systemd-nspawn' });
  expect((await readNoCloudArguments(container))?.localHostname).toBe('guest');
});

test('a stray byte elsewhere on the line does no harm', async () => {
  const bytes = new Uint8Array([...new TextEncoder().encode('ds=nocloud;h=a1 x='), 0xff, 0x0a]);
  expect((await readNoCloudArguments(memoryFiles({ '/proc/cmdline': bytes })))?.localHostname).toBe('a1');
});

test('random lines never fail', () => {
  for (const line of randomTexts(3000, 3, ['ds=nocloud', ';', '=', ' ', '"', 'h', 's', '\\;', '\0', 'ci.ds=', '%s']))
    parse(line);
});
