// Where open-iscsi keeps its records here, and which of its services are installed.

import type { IscsiLayout, Layout } from '../model/layout.ts';
import { type AbsolutePath, under } from '../model/paths.ts';
import type { ReadOnlyFiles } from '../ports/files.ts';
import { findUnit } from './installed-unit.ts';
import { findProgram } from './programs.ts';

/** Upstream's and the RPM's services are iscsi.service, Debian's open-iscsi.service; iscsiuio is for offloading cards. */
const unitNames = [
  'iscsid.socket',
  'iscsid.service',
  'iscsi.service',
  'open-iscsi.service',
  'iscsiuio.socket',
] as const;

const configuration: AbsolutePath = '/etc/iscsi';
const state: AbsolutePath = '/var/lib/iscsi';

/**
 * The layout of the initiator, in a few reads; no program is asked.
 *
 * The database is compiled into iscsiadm: `/etc/iscsi` in Debian's build (2.1.8) and upstream's until 2023,
 * `/var/lib/iscsi` in the RPM's and upstream's since (open-iscsi/open-iscsi#395). The package's own service names it
 * in the condition under which it starts, which is asked first; without one the directories that are there decide.
 *
 * @throws AgentError as ReadOnlyFiles
 */
export async function observeIscsi(files: ReadOnlyFiles, osFamily: Layout['osFamily']): Promise<IscsiLayout> {
  const [program, units, hasEtcNodes, hasVar, hasVarNodes] = await Promise.all([
    findProgram(files, 'iscsiadm'),
    Promise.all(unitNames.map((name) => findUnit(files, name))),
    files.exists(under(configuration, 'nodes')),
    files.exists(state),
    files.exists(under(state, 'nodes')),
  ]);
  const installed = units.filter((unit) => unit !== null);
  const named = installed.flatMap((unit) => databaseNamedIn(unit.text) ?? [])[0];
  const guessed = (): AbsolutePath => {
    if (hasEtcNodes !== hasVarNodes) return hasEtcNodes ? configuration : state;
    return osFamily === 'debian' || (hasEtcNodes && !hasVar) ? configuration : state;
  };
  return {
    installation: program === null ? 'absent' : 'packaged',
    database: named ?? guessed(),
    initiatorNameFile: under(configuration, 'initiatorname.iscsi'),
    units: installed.map((unit) => unit.name),
  };
}

/** `ConditionDirectoryNotEmpty=|/etc/iscsi/nodes`: a `|` before the path makes it one of several. */
function databaseNamedIn(unit: string): AbsolutePath | null {
  const directory = /^ConditionDirectoryNotEmpty=\|?(\/\S*)\/nodes\/?$/m.exec(unit)?.[1];
  return directory === undefined || directory === '' ? null : `/${directory.slice(1)}`;
}
