// Upgrades and reboots of the fleet as text: who is where, who holds a slot, what was proven, what is denied.

import type { Candidate } from '../model/deployment.ts';
import { printableLine } from '../model/printable.ts';
import { objections, type Proof } from '../model/proof.ts';
import { isCalled } from '../model/release.ts';
import type { Semaphore } from '../model/semaphore.ts';
import type { Denial, Hold, UpgradeTarget, UpgradeView } from '../model/upgrade.ts';
import type { NodeRow } from './nodes-text.ts';
import { ageText } from './status-text.ts';
import { renderTable } from './table.ts';

/** One group as `upgrade status` shows it. */
export interface GroupView {
  readonly name: string;
  readonly rows: readonly NodeRow[];
  readonly hold: Hold | null;
  readonly target: UpgradeTarget | null;
  readonly denied: readonly Denial[];
  readonly semaphore: Semaphore;
  /** The last one of each node that ever came as far as its reboot. */
  readonly proofs: readonly Proof[];
  /** Null where the cluster file does not speak of upgrades. */
  readonly policy: {
    readonly strategy: string;
    readonly slots: number;
    readonly automatic: string;
    readonly canary: readonly string[];
    readonly windows: readonly string[];
    readonly timeZone: string;
  } | null;
}

type Age = (timestamp: string) => number;

/** The fleet, group by group: progress, then the nodes, then what is denied. */
export function upgradeText(groups: readonly GroupView[], ageMs: Age): string {
  return groups
    .map((group) => [headOf(group, ageMs), nodesOf(group, ageMs), deniedOf(group, ageMs)].join(''))
    .join('\n');
}

/** Slots, group by group: holders, what happened lately, and the last proofs. */
export function rebootText(groups: readonly GroupView[], ageMs: Age): string {
  return groups
    .map((group) =>
      [headOf(group, ageMs), holdersOf(group, ageMs), logOf(group, ageMs), proofsOf(group, ageMs)].join(''),
    )
    .join('\n');
}

function headOf({ name, policy, hold, target, rows, semaphore }: GroupView, ageMs: Age): string {
  const lines = [
    policy === null
      ? `group ${name}: nothing is declared, so nothing happens by itself`
      : `group ${name}: ${[
          policy.strategy,
          `${policy.slots} ${policy.slots === 1 ? 'slot' : 'slots'}`,
          `automatic: ${policy.automatic}`,
          ...(policy.windows.length === 0 ? [] : [`${policy.windows.join(', ')} (${policy.timeZone})`]),
          ...(policy.canary.length === 0 ? [] : [`canary ${policy.canary.join(', ')}`]),
        ].join(', ')}`,
    ...(hold === null ? [] : [`  on hold for ${ageText(ageMs(hold.at))}: ${hold.reason} (${hold.by})`]),
    ...(target === null ? [] : [`  target: ${target.release} (${target.by}, ${ageText(ageMs(target.at))} ago)`]),
    `  ${progressOf(rows, target)}`,
    ...semaphore.holders.map((h) => `  slot: ${h.id}, ${h.stage}, for ${ageText(ageMs(h.since))}: ${h.reason}`),
  ];
  return `${lines.map(printableLine).join('\n')}\n`;
}

/** How many nodes have proven themselves in the target or, without one, in what most of them run or are about to run. */
function progressOf(rows: readonly NodeRow[], target: UpgradeTarget | null): string {
  const views = rows.flatMap(({ record }) => (record?.upgrade === undefined ? [] : [record.upgrade]));
  const wanted = views.map((v) => v.staged ?? v.booted).filter((r) => r !== null);
  const aim = wanted.find((r) => target !== null && isCalled(r, r.text.split(' ')[0] ?? null, target.release));
  const newest = aim?.id ?? mostCommon(wanted.map((r) => r.id));
  const text = wanted.find((r) => r.id === newest)?.text;
  if (text === undefined) {
    return rows.length === 1
      ? '1 node, which reports no deployment'
      : `${rows.length} nodes, none of which reports a deployment`;
  }
  if (target !== null && target.release !== 'latest' && aim === undefined) {
    return `no node has ${target.release} staged or booted yet`;
  }
  const done = views.filter((v) => v.verified === newest).length;
  return `${done} of ${rows.length} nodes have proven themselves in ${text}`;
}

function mostCommon(ids: readonly string[]): string | null {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

function nodesOf({ rows }: GroupView, ageMs: Age): string {
  if (rows.length === 0) return '';
  const body = rows.map(({ name, record }) => {
    if (record === null) return [name, 'absent', '-', '-', '-', '-', 'does not report'];
    const view = record.upgrade;
    if (view === undefined) return [name, record.summary, '-', '-', '-', '-', 'says nothing of deployments'];
    return [
      name,
      record.summary,
      view.phase,
      ageText(ageMs(view.since)),
      `${view.booted?.text ?? '-'}${view.booted !== null && view.verified === view.booted.id ? ' (proven)' : ''}`,
      view.staged?.text ?? '-',
      view.waiting ?? '',
    ];
  });
  const head = ['NODE', 'STATE', 'UPGRADE', 'SINCE', 'BOOTED', 'STAGED', 'WAITS FOR'];
  return renderTable([head, ...body.map((row) => row.map(printableLine))]);
}

function deniedOf({ denied }: GroupView, ageMs: Age): string {
  return denied
    .map((d) => `denied: ${d.release.text}: ${d.reason} (${d.by}, ${ageText(ageMs(d.at))} ago)`)
    .map((line) => `${printableLine(line)}\n`)
    .join('');
}

function holdersOf({ semaphore }: GroupView, ageMs: Age): string {
  if (semaphore.holders.length === 0) return '  no slot is held\n';
  const head = ['HOLDER', 'STAGE', 'FOR', 'SINCE', 'BOOT', 'REASON'];
  const rows = semaphore.holders.map((h) => [
    h.id,
    h.stage,
    ageText(ageMs(h.since)),
    h.since,
    h.bootId?.slice(0, 8) ?? '-',
    h.reason,
  ]);
  return renderTable([head, ...rows.map((row) => row.map(printableLine))]);
}

const shownEvents = 10;

function logOf({ semaphore }: GroupView, ageMs: Age): string {
  return semaphore.log
    .slice(-shownEvents)
    .map(
      (e) =>
        `  ${ageText(ageMs(e.at)).padStart(4)} ago  ${e.what}: ${e.holder}${e.by === e.holder ? '' : `, by ${e.by}`}: ${e.why}`,
    )
    .map((line) => `${printableLine(line)}\n`)
    .join('');
}

function proofsOf({ proofs }: GroupView, ageMs: Age): string {
  return proofs
    .map((proof) => {
      const against = objections(proof);
      const verdict = against.length === 0 ? 'everything was right' : `${against.length} against it`;
      return `\n  proof of ${printableLine(proof.node)}, ${ageText(ageMs(proof.at))} ago: ${verdict}\n${proofText(proof)}`;
    })
    .join('');
}

/** The proof question by question, each with its answer and, where it is not yes, the remedy. */
export function proofText(proof: Proof): string {
  const mark = { yes: 'ok', no: '!!', unknown: '??' } as const;
  const width = Math.max(...proof.items.map((item) => item.question.length), 0);
  return proof.items
    .map((item) => {
      const line = `  ${mark[item.answer]}  ${item.question.padEnd(width)}  ${printableLine(item.message)}\n`;
      const hint = item.hint === undefined ? '' : `      ${' '.repeat(width)}  -> ${printableLine(item.hint)}\n`;
      return line + hint;
    })
    .join('');
}

/** `upgrade check`: what runs, what could, what is against it. */
export function checkText(found: {
  readonly candidate: Candidate | null;
  readonly view: UpgradeView;
  readonly denied: readonly Denial[];
  readonly proof: Proof;
}): string {
  const { candidate, view, denied, proof } = found;
  const offered = candidate === null ? 'nothing newer' : (candidate.version ?? candidate.base ?? 'something newer');
  const denial = denied.find((d) => d.release.id === candidate?.base);
  const lines = [
    `booted    ${view.booted?.text ?? 'unknown'}`,
    `staged    ${view.staged?.text ?? 'nothing'}`,
    `rollback  ${view.rollback?.text ?? 'nothing'}`,
    `offered   ${offered}${denial === undefined ? '' : `, which is denied: ${denial.reason} (${denial.by})`}`,
    ...view.conflicts.flatMap((c) => [`${c.blocks ? '!!' : '  '} ${c.message}`, `   -> ${c.hint}`]),
  ];
  const what = view.staged === null ? 'a reboot of this node now' : `booting ${view.staged.text} now`;
  return `${lines.map(printableLine).join('\n')}\n\n${printableLine(what)}:\n${proofText(proof)}`;
}
