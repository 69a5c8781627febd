// The agent's own record of what it did: one JSON line before a run changes anything, one when it has ended.

import { AgentError } from '../model/errors.ts';
import { type AbsolutePath, journalFile } from '../model/paths.ts';
import type { Step } from '../model/step.ts';
import type { Files, ReadOnlyFiles } from '../ports/files.ts';

/** What a run was made from; a run with the same key and nothing to do writes nothing at all. */
export interface RunKey {
  readonly instanceId: string | null;
  readonly hardwareId: string | null;
  /** Digest of the cluster file, identity and layout. */
  readonly inputs: string;
  readonly agent: string;
}

/** Stands before the first change: after a crash it tells which contents are ours although the run never ended. */
interface IntentRecord {
  readonly v: 1;
  readonly record: 'intent';
  readonly run: string;
  readonly at: string;
  readonly verb: string;
  readonly key: RunKey;
  /** What is going to be done, for people and for `why`. */
  readonly steps: readonly {
    readonly kind: string;
    readonly component: string;
    readonly why: string;
    readonly path?: string;
    /** Disks that are given to LVM. */
    readonly devices?: readonly string[];
  }[];
  /** Digest of every content to be written, by path. */
  readonly writes: Readonly<Record<string, string>>;
}

interface CommitRecord {
  readonly v: 1;
  readonly record: 'commit';
  readonly run: string;
  readonly at: string;
  readonly outcome: 'done' | 'failed';
  readonly done: number;
}

/** Stands before a reboot is asked for, so that it is asked for once. */
interface RebootRecord {
  readonly v: 1;
  readonly record: 'reboot';
  readonly at: string;
  readonly key: RunKey;
}

type JournalRecord = IntentRecord | CommitRecord | RebootRecord;

/** What the journal says about the past. */
export interface Memory {
  /** Digests of everything the agent ever meant to write to a path, the newest last. */
  readonly written: ReadonlyMap<AbsolutePath, ReadonlySet<string>>;
  /** Paths that were certainly written: a run that was cut off may have come to a path or not. */
  readonly certain: ReadonlySet<AbsolutePath>;
  /** How far each instance and hardware id got: a run was begun, or one got to its end. */
  readonly progress: ReadonlyMap<string, 'begun' | 'configured'>;
  /** Instance and hardware ids for which a first-boot reboot was asked for. */
  readonly reboots: ReadonlySet<string>;
  /** The last run that changed something, and whether it got to its end. */
  readonly lastRun: { readonly at: string; readonly verb: string; readonly finished: boolean } | null;
  readonly sizeBytes: number;
}

/** Kept below this by dropping the oldest runs; digests of what was written are carried over. */
export const journalMaxBytes = 256 * 1024;

/** How many digests of a path outlive a shortening. */
const carriedDigests = 4;

export function rebootId(key: Pick<RunKey, 'instanceId' | 'hardwareId'>): string {
  return `${key.instanceId ?? ''}\n${key.hardwareId ?? ''}`;
}

/**
 * What the journal remembers. A last line that was torn by a power cut is passed over; damage anywhere else is not.
 *
 * @throws AgentError kind `data` when the journal cannot be understood: without it edits of people could not be told
 * from files of ours
 */
export async function recall(files: ReadOnlyFiles): Promise<Memory> {
  return remember((await files.readText(journalFile)) ?? '');
}

/**
 * Disks that a run was going to give to LVM and that no run is known to have given: a label without a group on one of
 * them is what that run left.
 *
 * @throws AgentError as `recall`
 */
export async function recallBegunDisks(files: ReadOnlyFiles): Promise<ReadonlySet<AbsolutePath>> {
  const begun = new Map<AbsolutePath, string>();
  const disksOf = (steps: unknown): AbsolutePath[] =>
    Array.isArray(steps) ? (steps as IntentRecord['steps']).flatMap((s) => (s.devices ?? []) as AbsolutePath[]) : [];
  for (const record of parse((await files.readText(journalFile)) ?? '')) {
    if (record.record === 'intent') for (const path of disksOf(record.steps)) begun.set(path, record.run);
    if (record.record === 'commit' && record.outcome === 'done')
      for (const [path, run] of begun) if (run === record.run) begun.delete(path);
  }
  return new Set(begun.keys());
}

/** Pure part of `recall`. */
export function remember(text: string): Memory {
  const written = new Map<AbsolutePath, Set<string>>();
  const certain = new Set<AbsolutePath>();
  const reboots = new Set<string>();
  const progress = new Map<string, 'begun' | 'configured'>();
  const intents = new Map<string, IntentRecord>();
  let lastRun = null as { at: string; verb: string; finished: boolean; run: string } | null;
  for (const record of parse(text)) {
    if (record.record === 'intent') {
      for (const [path, digest] of Object.entries(record.writes)) {
        const digests = written.get(path as AbsolutePath) ?? new Set<string>();
        digests.delete(digest);
        written.set(path as AbsolutePath, digests.add(digest));
      }
      intents.set(record.run, record);
      const id = rebootId(record.key);
      if (!progress.has(id)) progress.set(id, 'begun');
      lastRun = { at: record.at, verb: record.verb, finished: false, run: record.run };
    } else if (record.record === 'commit') {
      if (lastRun !== null && lastRun.run === record.run) lastRun.finished = record.outcome === 'done';
      const intent = intents.get(record.run);
      if (intent === undefined) continue;
      for (const path of writtenBy(intent, record)) certain.add(path);
      if (record.outcome === 'done') progress.set(rebootId(intent.key), 'configured');
    } else {
      reboots.add(rebootId(record.key));
    }
  }
  return { written, certain, progress, reboots, lastRun, sizeBytes: text.length };
}

/** Steps are done in order, and all files come before anything that may be passed over. */
function writtenBy(intent: IntentRecord, commit: CommitRecord): AbsolutePath[] {
  if (commit.outcome === 'done') return Object.keys(intent.writes) as AbsolutePath[];
  const steps = Array.isArray(intent.steps) ? intent.steps.slice(0, commit.done) : [];
  return steps.flatMap((s) => (s.kind === 'writeFile' && s.path !== undefined ? [s.path as AbsolutePath] : []));
}

function parse(text: string): JournalRecord[] {
  const lines = text.split('\n');
  const torn = lines.pop() ?? '';
  const records = lines
    .filter((line) => line !== '')
    .map((line, index) => {
      const record = parseLine(line);
      if (record === null && !isTorn(line)) {
        throw new AgentError('data', `${journalFile} has a line ${index + 1} that is not the agent's`, {
          hint: `move ${journalFile} away; files that differ are then kept as *.save-* before they are replaced`,
        });
      }
      return record;
    });
  return [...records, parseLine(torn)].filter((r) => r !== null);
}

/**
 * The beginning of a record of ours, whose end a power cut took; the next run began a new line after it. Some file
 * systems leave zeroes where the end should be. It says nothing and harms nothing.
 */
function isTorn(line: string): boolean {
  const begin = '{"v":1,';
  const text = line.replace(/\0+$/, '');
  return text.startsWith(begin) || begin.startsWith(text);
}

function parseLine(line: string): JournalRecord | null {
  try {
    const value = JSON.parse(line) as JournalRecord | null;
    if (value === null || typeof value !== 'object' || value.v !== 1) return null;
    if (value.record === 'intent')
      return typeof value.writes === 'object' && value.writes !== null ? (value as IntentRecord) : null;
    if (value.record === 'commit') return value as CommitRecord;
    if (value.record === 'reboot')
      return typeof value.key === 'object' && value.key !== null ? (value as RebootRecord) : null;
    return null;
  } catch {
    return null;
  }
}

/** A run that changes something, as the journal sees it. */
export interface RunRecord {
  readonly run: string;
  readonly verb: string;
  readonly key: RunKey;
}

/** Write down what is going to be done; fsynced before this returns, hence before the first change. */
export async function recordIntent(
  files: Files,
  memory: Memory,
  run: RunRecord,
  steps: readonly Step[],
  digest: (text: string) => string,
  now: string,
): Promise<void> {
  const writes: Record<string, string> = {};
  for (const step of steps) if (step.kind === 'writeFile') writes[step.path] = digest(step.content);
  const record: IntentRecord = {
    v: 1,
    record: 'intent',
    run: run.run,
    at: now,
    verb: run.verb,
    key: run.key,
    steps: steps.map((s) => ({
      kind: s.kind,
      component: s.component,
      why: s.why,
      ...('path' in s ? { path: s.path } : {}),
      ...('devices' in s ? { devices: s.devices } : {}),
    })),
    writes,
  };
  if (memory.sizeBytes > journalMaxBytes) await shorten(files, memory, record);
  else await append(files, memory, record);
}

export async function recordCommit(
  files: Files,
  run: RunRecord,
  outcome: 'done' | 'failed',
  done: number,
  now: string,
): Promise<void> {
  const record: CommitRecord = { v: 1, record: 'commit', run: run.run, at: now, outcome, done };
  await files.append(journalFile, `${JSON.stringify(record)}\n`);
}

export async function recordReboot(files: Files, key: RunKey, now: string): Promise<void> {
  const record: RebootRecord = { v: 1, record: 'reboot', at: now, key };
  await files.append(journalFile, `${JSON.stringify(record)}\n`);
}

async function append(files: Files, memory: Memory, record: IntentRecord): Promise<void> {
  // A line torn by a power cut has no end: ours begins on a new one.
  const text = (await files.readText(journalFile)) ?? '';
  const gap = memory.sizeBytes > 0 && !text.endsWith('\n') ? '\n' : '';
  await files.append(journalFile, `${gap}${JSON.stringify(record)}\n`);
}

function keyOf(id: string, other: RunKey): RunKey {
  const [instanceId, hardwareId] = id.split('\n');
  return { ...other, instanceId: instanceId || null, hardwareId: hardwareId || null };
}

/** Replace the journal by what it remembers plus the new intent. */
async function shorten(files: Files, memory: Memory, intent: IntentRecord): Promise<void> {
  const carried: JournalRecord[] = [];
  const at = intent.at;
  const carry = (run: string, key: RunKey, writes: Record<string, string>, isDone: boolean): void => {
    carried.push({ v: 1, record: 'intent', run, at, verb: 'shorten', key, steps: [], writes });
    if (isDone) carried.push({ v: 1, record: 'commit', run, at, outcome: 'done', done: 0 });
  };
  for (const [id, progress] of memory.progress) {
    carry(`carried-over-${carried.length}`, keyOf(id, intent.key), {}, progress === 'configured');
  }
  // The newest digests alone can be that of a write that never came about.
  for (let back = carriedDigests; back >= 1; back--) {
    for (const isCertain of [true, false]) {
      const writes: Record<string, string> = {};
      for (const [path, digests] of memory.written) {
        const digest = [...digests].at(-back);
        if (digest !== undefined && memory.certain.has(path) === isCertain) writes[path] = digest;
      }
      // Under the key of nobody: it says nothing about how far this host got.
      const key: RunKey = { ...intent.key, instanceId: null, hardwareId: null };
      if (Object.keys(writes).length > 0) carry(`carried-over-${carried.length}`, key, writes, isCertain);
    }
  }
  for (const id of memory.reboots) {
    carried.push({ v: 1, record: 'reboot', at, key: keyOf(id, intent.key) });
  }
  await files.replace(journalFile, [...carried, intent].map((r) => `${JSON.stringify(r)}\n`).join(''), {
    mode: 0o600,
    owner: null,
  });
}
