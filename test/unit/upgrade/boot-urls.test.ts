// Where a host came from, out of kernel lines as they are found on hosts.

import { expect, test } from 'bun:test';
import { bootUrlsOf } from '../../../agent/upgrade/boot-urls.ts';
import { randomTexts } from '../../support/random-text.ts';

test.each<[string, string, readonly string[]]>([
  ['an installed host', 'BOOT_IMAGE=(hd0,gpt3)/vmlinuz-6.11 root=UUID=0a-1b ro rootflags=subvol=root quiet\n', []],
  [
    'a live root',
    'initrd=i.img root=live:http://b.lan/f41/squashfs.img rd.live.image ip=dhcp',
    ['http://b.lan/f41/squashfs.img'],
  ],
  ['a live root on a disk', 'root=live:CDLABEL=Fedora-41 rd.live.image', []],
  ['a live root by nfs', 'root=live:nfs:10.0.0.1:/x', []],
  ['CoreOS', 'coreos.live.rootfs_url=https://b.lan/rootfs.img ignition.firstboot', ['https://b.lan/rootfs.img']],
  ['a seed of cloud-init', 'root=UUID=x ds=nocloud-net;seedfrom=http://b.lan/seed/', ['http://b.lan/seed/']],
  ['its short form', 'ds=nocloud;s=http://b.lan/seed/;h=a1', ['http://b.lan/seed/']],
  ['its short form, with the host first', 'ds=nocloud;h=a1;i=iid;s=http://b.lan/seed/', ['http://b.lan/seed/']],
  [
    'quoted as GRUB wants it',
    'root=live:http://b.lan/r.img "ds=nocloud-net;s=http://b.lan/s/"',
    ['http://b.lan/r.img', 'http://b.lan/s/'],
  ],
  ['quoted after the sign', 'ds="nocloud;s=http://b.lan/s/"', ['http://b.lan/s/']],
  ['a seed in a directory', 'ds=nocloud;s=file:///var/seed/', []],
  ['another source', 'ds=ec2', []],
  ['the same twice', 'root=live:http://b.lan/x ds=nocloud;s=http://b.lan/x', ['http://b.lan/x']],
  ['a URL with an equals sign', 'root=live:http://b.lan/x?a=b', ['http://b.lan/x?a=b']],
  ['a URL without a host', 'root=live:http:///x', []],
  ['nothing', '', []],
])('%s', (_name, line, urls) => {
  expect(bootUrlsOf(line)).toEqual([...urls]);
});

test('no kernel line does any harm', () => {
  for (const line of randomTexts(1_000, 8, [
    'root=',
    'live:',
    'ds=',
    'nocloud;',
    's=',
    'http://b',
    ';',
    '"',
    ' ',
    '=',
  ])) {
    for (const url of bootUrlsOf(line)) expect(url).toMatch(/^https?:\/\//);
  }
});
