// The contract of the Iscsi port, held against iscsiadm (a stub that keeps records and sessions) and against the fake.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { iscsiInitiator } from '../../agent/host/iscsiadm.ts';
import { rootedFiles } from '../../agent/host/rooted-files.ts';
import { under } from '../../agent/model/paths.ts';
import { Secret } from '../../agent/model/secret.ts';
import type { IscsiConfig } from '../../agent/model/storage.ts';
import type { Files } from '../../agent/ports/files.ts';
import type { Iscsi } from '../../agent/ports/storage.ts';
import { renderInitiatorName } from '../../agent/render/initiator-name.ts';
import {
  editIscsiRecord,
  iscsiRecordSecrets,
  iscsiRecordSettings,
  parseIscsiRecord,
  recordFileOf,
} from '../../agent/render/iscsi-record.ts';
import { effectLog } from '../support/effect-log.ts';
import { fakeFiles } from '../support/fake-files.ts';
import { fakeIscsi } from '../support/fake-iscsi.ts';
import { refusal } from '../support/refusal.ts';
import { type StubPrograms, stubPrograms } from '../support/stub-programs.ts';
import { virtualClock } from '../support/virtual-clock.ts';

const target = 'iqn.2015-05.lab.diyc:a1';
const open = 'iqn.2015-05.lab.diyc:free';
const portal = '192.168.98.253:3260';
const deadPortal = '192.168.98.254:3260';
const ownName = 'iqn.2015-05.lab:cluster:a1';
const node = { portal, target };
const secret = 'fourteen-chars';

/**
 * iscsiadm 2.1.8 as captured: two targets at one portal, of which one wants the CHAP user node-a1, and nobody at any
 * other. Below $root it keeps records and makes the files of /sys that the kernel would make.
 */
const iscsiadm = (root: string): string => `
root='${root}'; nodes="$root/etc/iscsi/nodes"; sys="$root/sys/class"
mode= target= portal= op= verb= sid=
while [ $# -gt 0 ]; do
  case $1 in
  -m) mode=$2; shift ;; -T) target=$2; shift ;; -p) portal=$2; shift ;; -o) op=$2; shift ;; -r) sid=$2; shift ;; -t) shift ;;
  --login|--logout|--discover|-R) verb=$1 ;;
  *) echo "iscsiadm: unrecognized option '$1'" >&2; exit 7 ;;
  esac
  shift
done
address=\${portal%:*} port=\${portal##*:} file="$nodes/$target/\${portal%:*},\${portal##*:}"
refused() { printf 'iscsiadm: Could not login to [iface: default, target: %s, portal: %s,%s].\\niscsiadm: initiator reported error (%s - %s)\\niscsiadm: Could not log into all portals\\n' "$target" "$address" "$port" "$1" "$2" >&2; exit $1; }
value() { sed -n "s/^node.session.auth.$1 = //p" "$file"; }
session_of() { for s in "$sys"/iscsi_session/session*; do [ "$(cat "$s/targetname" 2>/dev/null)" = "$target" ] && echo "\${s##*session}"; done; }
case $mode$verb$op in
discoverydb--discovernonpersistent)
  [ "$portal" = ${portal} ] || { printf 'iscsiadm: cannot make connection to %s: Connection refused\\niscsiadm: connection login retries (reopen_max) 5 exceeded\\niscsiadm: Could not perform SendTargets discovery: iSCSI PDU timed out\\n' "$address" >&2; exit 11; }
  echo "$portal,1 ${target}"; echo "$portal,1 ${open}" ;;
nodenew)
  mkdir -p "$nodes/$target"; cat '${fileURLToPath(new URL('../fixtures/iscsi/record-new.txt', import.meta.url))}' >"$file"
  echo "New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] $address,$port,-1 $target] added" ;;
node)
  if [ -n "$target" ]; then
    [ -f "$file" ] || { echo 'iscsiadm: No records found' >&2; exit 21; }
    sed 's/\\(auth.password[a-z_]*\\) = .*/\\1 = ********/' "$file"; exit 0
  fi
  found=no
  for record in "$nodes"/*/*; do
    [ -f "$record" ] || continue
    found=yes; name=\${record##*/} of=\${record%/*}; echo "\${name%,*}:\${name##*,},4294967295 \${of##*/}"
  done
  [ $found = yes ] || { echo 'iscsiadm: No records found' >&2; exit 21; } ;;
node--login)
  [ -f "$file" ] || { echo 'iscsiadm: No records found' >&2; exit 21; }
  [ -z "$(session_of)" ] || { printf 'iscsiadm: default: 1 session requested, but 1 already present.\\niscsiadm: Could not log into all portals\\n' >&2; exit 15; }
  echo "Logging in to [iface: default, target: $target, portal: $address,$port]"
  [ "$portal" = ${portal} ] || refused 8 'connection timed out'
  if [ "$target" = ${target} ]; then
    [ "$(value authmethod) $(value username) $(value password)" = "CHAP node-a1 ${secret}" ] || refused 24 'iSCSI login failed due to authorization failure'
    [ -z "$(value username_in)" ] || [ "$(value username_in) $(value password_in)" = "store store-secret-12" ] || refused 19 'encountered non-retryable iSCSI login failure'
  elif [ "$target" != ${open} ]; then refused 19 'encountered non-retryable iSCSI login failure'; fi
  id=1; while [ -d "$sys/iscsi_session/session$id" ]; do id=$((id+1)); done
  s="$sys/iscsi_session/session$id" c="$sys/iscsi_connection/connection$id:0"; mkdir -p "$s" "$c"
  echo "$target" >"$s/targetname"; echo LOGGED_IN >"$s/state"; sed -n 's/^InitiatorName=//p' "$root/etc/iscsi/initiatorname.iscsi" >"$s/initiatorname"
  echo "$address" >"$c/persistent_address"; echo "$port" >"$c/persistent_port"
  echo "Login to [iface: default, target: $target, portal: $address,$port] successful." ;;
node--logout)
  id=$(session_of); [ -n "$id" ] || { echo 'iscsiadm: No matching sessions found' >&2; exit 21; }
  rm -r "$sys/iscsi_session/session$id" "$sys/iscsi_connection/connection$id:0" ;;
session-R)
  [ -d "$sys/iscsi_session/session$sid" ] || { printf 'iscsiadm: could not read session targetname: 5\\niscsiadm: Could not get session info for sid %s\\n' "$sid" >&2; exit 22; }
  echo "Rescanning session [sid: $sid]" ;;
*) echo 'iscsiadm: invalid request' >&2; exit 7 ;;
esac
`;

interface Subject {
  readonly iscsi: Iscsi;
  readonly files: Files;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function stubbed(
  shell: (root: string) => string,
): Promise<Subject & StubPrograms & { readonly directory: string }> {
  const directory = await mkdtemp(`${tmpdir()}/diyc-agent-iscsi-`);
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  await mkdir(`${directory}/etc/iscsi`, { recursive: true });
  await writeFile(`${directory}/etc/iscsi/initiatorname.iscsi`, renderInitiatorName(ownName));
  const programs = await stubPrograms(directory, { iscsiadm: shell(directory) });
  const files = rootedFiles({ root: directory });
  return { ...programs, directory, files, iscsi: iscsiInitiator(programs.exec, files) };
}

async function fake(): Promise<Subject> {
  const [clock, log] = [virtualClock(), effectLog()];
  const files = fakeFiles({ clock, log, tree: { '/etc/iscsi/initiatorname.iscsi': renderInitiatorName(ownName) } });
  const targets = [
    {
      target,
      portals: [portal],
      luns: {},
      chap: { username: 'node-a1', secret },
      mutualChap: { username: 'store', secret: 'store-secret-12' },
    },
    { target: open, portals: [portal], luns: {} },
  ];
  const iscsi = fakeIscsi({ files, log, targets, plug: () => undefined, unplug: () => undefined });
  return { iscsi, files };
}

const config: IscsiConfig = {
  portals: [portal],
  target,
  initiatorName: ownName,
  discovery: 'sendtargets',
  chap: { username: 'node-a1', passwordFile: '/etc/diyc-agent/chap' },
  mutualChap: null,
  replacementTimeoutSecs: 86_400,
};

async function setRecord({ files }: Subject, changed: IscsiConfig, chap: string, mutual?: string): Promise<void> {
  const directory = under('/etc/iscsi/nodes', changed.target);
  const record = { portal, target: changed.target };
  const path = await recordFileOf(directory, await files.list(directory), record, (p) => files.list(p));
  const text = await files.readText(path);
  const secrets = iscsiRecordSecrets({
    chap: new Secret(chap),
    mutualChap: mutual === undefined ? null : new Secret(mutual),
  }).map(([key, value]) => [key, value?.reveal() ?? null] as const);
  const edited = editIscsiRecord(text ?? '', [...iscsiRecordSettings(changed), ...secrets]);
  await files.replace(path, edited, { mode: 0o600, owner: null }, text);
}

for (const [name, make] of [
  ['iscsiadm', (): Promise<Subject> => stubbed(iscsiadm)],
  ['the fake initiator', fake],
] as const) {
  describe(name, () => {
    test('without records and sessions there are none, which is no failure', async () => {
      const { iscsi } = await make();
      expect(await iscsi.records()).toEqual([]);
      expect(await iscsi.sessions()).toEqual([]);
      await iscsi.logout(node);
      await iscsi.rescan(target);
    });

    test('a portal says what it offers, and no record comes of it', async () => {
      const { iscsi } = await make();
      expect(await iscsi.discover(portal)).toEqual([node, { portal, target: open }]);
      expect(await iscsi.records()).toEqual([]);
    });

    test('a portal where nobody listens is unavailable for now', async () => {
      const { iscsi } = await make();
      const error = await refusal(() => iscsi.discover(deadPortal));
      expect([error.kind, error.retryable]).toEqual(['unavailable', true]);
      expect(error.message).toContain(deadPortal);
      expect(error.message).toContain('Connection refused');
    });

    test('a record is added once; one that is there keeps its settings', async () => {
      const subject = await make();
      const { iscsi, files } = subject;
      await iscsi.addRecord(node);
      await setRecord(subject, config, secret);
      const path = under('/etc/iscsi/nodes', target, '192.168.98.253,3260');
      const before = await files.readText(path);
      await iscsi.addRecord(node);
      expect(await files.readText(path)).toBe(before);
      expect(await iscsi.records()).toEqual([node]);
      expect(parseIscsiRecord(before ?? '').get('node.session.timeo.replacement_timeout')).toBe('86400');
    });

    test('a login without a record may come right: the record is made anew', async () => {
      const { iscsi } = await make();
      const error = await refusal(() => iscsi.login(node));
      expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
    });

    test('a login makes a session under the own name, twice makes one; a logout ends it', async () => {
      const subject = await make();
      const { iscsi } = subject;
      await iscsi.addRecord(node);
      await setRecord(subject, config, secret);
      await iscsi.login(node);
      await iscsi.login(node);
      expect(await iscsi.sessions()).toEqual([{ id: 1, portal, target, initiatorName: ownName, state: 'LOGGED_IN' }]);
      await iscsi.rescan(target);
      await iscsi.logout(node);
      await iscsi.logout(node);
      expect(await iscsi.sessions()).toEqual([]);
      expect(await iscsi.records()).toEqual([node]);
    });

    test('a target that wants CHAP refuses a record without it, for good, and says what to declare', async () => {
      const { iscsi } = await make();
      await iscsi.addRecord(node);
      const error = await refusal(() => iscsi.login(node));
      expect([error.kind, error.retryable]).toEqual(['config', false]);
      expect(error.message).toContain('the record has no CHAP user');
      expect(error.hint).toContain('storage.iscsi.chap');
    });

    test('a wrong secret is refused for good; the user is named, the secret never', async () => {
      const subject = await make();
      const { iscsi } = subject;
      await iscsi.addRecord(node);
      await setRecord(subject, config, 'not-the-secret');
      const error = await refusal(() => iscsi.login(node));
      expect([error.kind, error.retryable]).toEqual(['config', false]);
      expect(error.message).toContain('"node-a1"');
      expect(error.message).toContain('authorization failure');
      expect(error.hint).toContain('storage.iscsi.chap.passwordFile');
      expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('not-the-secret');
    });

    test('a target that cannot prove itself is refused for good, and the way back is named', async () => {
      const subject = await make();
      const { iscsi } = subject;
      const mutual = { ...config, mutualChap: { username: 'store', passwordFile: '/etc/diyc-agent/store' } } as const;
      await iscsi.addRecord(node);
      await setRecord(subject, mutual, secret, 'not-the-secret');
      const error = await refusal(() => iscsi.login(node));
      expect([error.kind, error.retryable]).toEqual(['config', false]);
      expect(error.message).toContain('"store"');
      expect(`${error.message} ${error.hint}`).not.toContain('not-the-secret');
      await setRecord(subject, mutual, secret, 'store-secret-12');
      await iscsi.login(node);
      expect(await iscsi.sessions()).toHaveLength(1);
    });

    test('a target that is not there may come; a portal that is not there too', async () => {
      const { iscsi } = await make();
      const other = { portal, target: 'iqn.2015-05.lab.diyc:none' };
      await iscsi.addRecord(other);
      const none = await refusal(() => iscsi.login(other));
      expect([none.kind, none.retryable]).toEqual(['config', true]);
      const elsewhere = { portal: deadPortal, target };
      await iscsi.addRecord(elsewhere);
      const dead = await refusal(() => iscsi.login(elsewhere));
      expect([dead.kind, dead.retryable]).toEqual(['unavailable', true]);
      expect(dead.message).toContain(deadPortal);
    });

    test('a session of another target is not asked for its LUNs', async () => {
      const { iscsi } = await make();
      await iscsi.addRecord({ portal, target: open });
      await iscsi.login({ portal, target: open });
      await iscsi.rescan(target);
      expect((await iscsi.sessions()).map((s) => s.target)).toEqual([open]);
    });
  });
}

describe('iscsiadm alone', () => {
  test('a discovery never touches records, and no secret is on a command line', async () => {
    const subject = await stubbed(iscsiadm);
    const { iscsi, calls } = subject;
    await iscsi.discover(portal);
    await iscsi.addRecord(node);
    await setRecord(subject, config, secret);
    await iscsi.login(node);
    await iscsi.rescan(target);
    expect(await calls('iscsiadm')).toEqual([
      `-m discoverydb -t st -p ${portal} -o nonpersistent --discover`,
      '-m node',
      `-m node -T ${target} -p ${portal} -o new`,
      `-m node -T ${target} -p ${portal} --login`,
      '-m session -r 1 -R',
    ]);
  });

  test('sessions are read without a program: of several connections, IPv6, half made, lost', async () => {
    const { iscsi, directory, calls } = await stubbed(iscsiadm);
    const put = async (path: string, text: string): Promise<void> => {
      await mkdir(dirname(`${directory}/sys/class/${path}`), { recursive: true });
      await writeFile(`${directory}/sys/class/${path}`, `${text}\n`);
    };
    for (const [path, text] of [
      ['iscsi_session/session12/targetname', 'iqn.2024-01.lab:v6'],
      ['iscsi_session/session12/state', 'FAILED'],
      ['iscsi_session/session12/initiatorname', '(null)'],
      ['iscsi_connection/connection12:0/persistent_address', 'FD00:0:0::1'],
      ['iscsi_connection/connection12:0/persistent_port', '3261'],
      ['iscsi_session/session1/targetname', 'iqn.2024-01.lab:x'],
      ['iscsi_session/session1/state', 'LOGGED_IN'],
      ['iscsi_session/session1/initiatorname', ownName],
      ['iscsi_connection/connection1:0/persistent_address', '10.0.0.1'],
      ['iscsi_connection/connection1:0/persistent_port', '3260'],
      ['iscsi_session/session2/targetname', '(null)'],
      ['iscsi_session/session2/state', 'FREE'],
    ] as const)
      await put(path, text);
    expect(await iscsi.sessions()).toEqual([
      { id: 1, portal: '10.0.0.1:3260', target: 'iqn.2024-01.lab:x', initiatorName: ownName, state: 'LOGGED_IN' },
      { id: 12, portal: '[fd00::1]:3261', target: 'iqn.2024-01.lab:v6', initiatorName: null, state: 'FAILED' },
    ]);
    expect(await calls('iscsiadm')).toEqual([]);
    const error = await refusal(() => iscsi.rescan('iqn.2024-01.lab:v6'));
    expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
    expect(error.message).toContain('FAILED');
    expect(await calls('iscsiadm')).toEqual([]);
  });

  test('a lock that somebody left says where it is', async () => {
    const words =
      'iSCSI ERROR: Timeout on acquiring lock on DB: /run/lock/iscsi/lock.write, errno: 17 File exists # idbm.c:_idbm_lock():355';
    const { iscsi } = await stubbed(() => `echo '${words}' >&2; exit 6`);
    for (const attempt of [() => iscsi.records(), () => iscsi.addRecord(node)]) {
      const error = await refusal(attempt);
      expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
      expect(error.hint).toContain('rm -f /run/lock/iscsi/lock.write');
    }
  });

  test('without root the database is refused as such', async () => {
    const words =
      'iSCSI ERROR: Maybe you are not root? Could not lock discovery DB: /run/lock/iscsi/lock.write: 13 Permission denied # idbm.c:_idbm_lock():342';
    const { iscsi } = await stubbed(() => `echo '${words}' >&2; exit 6`);
    expect((await refusal(() => iscsi.records())).kind).toBe('noperm');
  });

  test('a refused login stays one when the record cannot be read', async () => {
    const { iscsi } = await stubbed(() => 'case "$*" in *--login) exit 24 ;; *) exit 6 ;; esac');
    const error = await refusal(() => iscsi.login(node));
    expect([error.kind, error.retryable]).toEqual(['config', false]);
    expect(error.message).toContain(`log in to ${target} at ${portal}`);
  });

  test('what no version does, and a signal, are told as they are', async () => {
    const { iscsi, does } = await stubbed(() => 'exit 77');
    expect((await refusal(() => iscsi.login(node))).message).toContain('exited with 77');
    await does('iscsiadm', 'kill -9 $$');
    const error = await refusal(() => iscsi.logout(node));
    expect([error.kind, error.retryable]).toEqual(['tempfail', true]);
    expect(error.message).toContain('SIGKILL');
  });
});

describe('the fake initiator alone', () => {
  const disk = (name: string): { readonly name: string } => ({ name });

  test('disks come at the login, new LUNs at a rescan, and all go at the logout or the boot', async () => {
    const [clock, log] = [virtualClock(), effectLog()];
    const files = fakeFiles({ clock, log });
    const plugged = new Map<string, string>();
    const iscsi = fakeIscsi({
      files,
      log,
      targets: [{ target: open, portals: [portal], luns: { 1: disk('one') } }],
      plug: (path, { name }) => void plugged.set(path, name),
      unplug: (path) => void plugged.delete(path),
    });
    const path = `/dev/disk/by-path/ip-${portal}-iscsi-${open}-lun`;
    await iscsi.addRecord({ portal, target: open });
    await iscsi.login({ portal, target: open });
    expect([...plugged]).toEqual([[`${path}-1`, 'one']]);
    iscsi.setTarget({ target: open, portals: [portal], luns: { 1: disk('one, grown'), 2: disk('two') } });
    expect([...plugged.values()]).toEqual(['one']);
    await iscsi.rescan(open);
    expect([...plugged]).toEqual([
      [`${path}-1`, 'one, grown'],
      [`${path}-2`, 'two'],
    ]);
    await iscsi.logout({ portal, target: open });
    expect(plugged.size).toBe(0);
    await iscsi.login({ portal, target: open });
    iscsi.boot();
    expect([plugged.size, (await iscsi.sessions()).length]).toEqual([0, 0]);
    expect(log.lines.filter((l) => l.startsWith('iscsi'))).toEqual([
      `iscsi record ${open} ${portal}`,
      `iscsi login ${open} ${portal}`,
      `iscsi rescan ${open} ${portal}`,
      `iscsi logout ${open} ${portal}`,
      `iscsi login ${open} ${portal}`,
    ]);
  });

  test('an initiator that is not on the list is not let in, nor shown the target', async () => {
    const [clock, log] = [virtualClock(), effectLog()];
    const files = fakeFiles({ clock, log, tree: { '/etc/iscsi/initiatorname.iscsi': renderInitiatorName(ownName) } });
    const closed = { target: open, portals: [portal], luns: {}, acl: [ownName] };
    const iscsi = fakeIscsi({ files, log, targets: [closed], plug: () => undefined, unplug: () => undefined });
    await iscsi.addRecord({ portal, target: open });
    iscsi.setDaemonName('iqn.1993-08.org.debian:01:image');
    expect(await iscsi.discover(portal)).toEqual([]);
    expect((await refusal(() => iscsi.login({ portal, target: open }))).kind).toBe('config');
    iscsi.setDaemonName(null);
    expect(await iscsi.discover(portal)).toEqual([{ portal, target: open }]);
    await iscsi.login({ portal, target: open });
    iscsi.setState(open, 'FAILED');
    expect((await iscsi.sessions())[0]?.state).toBe('FAILED');
    expect((await refusal(() => iscsi.rescan(open))).retryable).toBe(true);
    iscsi.setPortal(portal, 'down');
    expect((await refusal(() => iscsi.discover(portal))).kind).toBe('unavailable');
  });
});

test('the fixture that the stub writes is a record', async () => {
  const text = await readFile(new URL('../fixtures/iscsi/record-new.txt', import.meta.url), 'utf8');
  expect(parseIscsiRecord(text).get('node.tpgt')).toBe('-1');
});
