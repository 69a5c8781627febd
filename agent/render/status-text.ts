// A status report as one screen for people, worst first.

import { type Condition, type Summary, worstFirst } from '../model/condition.ts';
import { printable } from '../model/printable.ts';
import type { StatusReport } from '../model/readiness.ts';

export interface StatusTextOptions {
  readonly color: boolean;
  /** Milliseconds since a time of the report, for ages. */
  readonly ageMs: (timestamp: string) => number;
  /** Where the report is from, when it is not of this moment: `as of 12 s ago`. */
  readonly staleness: string | null;
}

const marks = { True: 'ok', False: '!!', Unknown: '??' } as const;

/** The whole screen: who this host is, the verdict, then every condition with its remedy where it has one. */
export function statusText(report: StatusReport, options: StatusTextOptions): string {
  const paint = painter(options.color);
  const who =
    report.node === null
      ? 'this host is not identified'
      : `${report.node} (${report.address ?? 'no address'}), etcd ${report.etcdRole ?? 'unknown'} of cluster ${report.cluster ?? 'unknown'}, diyc-agent ${report.agent}`;
  const head = [
    `${paint(report.summary, report.summary.toUpperCase())}  ${who}`,
    ...(options.staleness === null ? [] : [`        ${options.staleness}`]),
    '',
  ];
  const width = Math.max(...report.conditions.map((c) => c.type.length), 0);
  const lines = worstFirst(report.conditions).flatMap((c) => conditionLines(c, width, options, paint));
  return `${[...head, ...lines].join('\n')}\n`;
}

function conditionLines(c: Condition, width: number, options: StatusTextOptions, paint: Paint): string[] {
  const age = c.since === undefined ? '' : ageText(options.ageMs(c.since));
  const tone: Summary = c.status === 'True' ? 'ready' : c.severity === 'info' ? 'ready' : c.severity;
  // What never makes a host unready is no alarm: a release that is staged, a reboot that waits for its window.
  const mark = c.status === 'False' && c.severity === 'info' ? '--' : marks[c.status];
  const first = `  ${paint(tone, mark)}  ${c.type.padEnd(width)}  ${age.padStart(5)}  ${printable(c.message)}`;
  return c.status === 'True' || c.hint === undefined
    ? [first]
    : [first, `      ${' '.repeat(width)}         -> ${printable(c.hint)}`];
}

type Paint = (tone: Summary, text: string) => string;

function painter(color: boolean): Paint {
  const codes: Record<Summary, string> = { ready: '32', waiting: '33', degraded: '33;1', failed: '31;1' };
  return (tone, text) => (color ? `\u001b[${codes[tone]}m${text}\u001b[0m` : text);
}

/** `8s`, `12m`, `3h`, `41d`: the largest whole unit. Clocks that differ make no negative ages. */
export function ageText(ms: number): string {
  if (Number.isNaN(ms)) return '-';
  const secs = Math.max(0, Math.floor(ms / 1000));
  if (secs < 120) return `${secs}s`;
  if (secs < 2 * 3600) return `${Math.floor(secs / 60)}m`;
  if (secs < 48 * 3600) return `${Math.floor(secs / 3600)}h`;
  return `${Math.floor(secs / 86400)}d`;
}
