// The Files port in memory: links, modes, owners and times included, held to the same contract as the real one.

import { AgentError } from '../../agent/model/errors.ts';
import { type AbsolutePath, under } from '../../agent/model/paths.ts';
import type { Clock } from '../../agent/ports/clock.ts';
import type { FileAttributes, FileStat, Files } from '../../agent/ports/files.ts';
import type { EffectLog } from './effect-log.ts';

/** What a test puts into the tree: text is a regular file 0644 of root. */
export type FakeEntry =
  | string
  | {
      readonly text?: string;
      readonly bytes?: Uint8Array;
      readonly link?: string;
      readonly directory?: true;
      readonly device?: true;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly modifiedMs?: number;
      /** Its text is made anew at each reading, as below /proc; it is no part of the snapshot. */
      readonly live?: () => string;
      /** Reading or writing it is refused. */
      readonly denied?: true;
    };

export type FakeTree = Readonly<Record<string, FakeEntry>>;

export interface FakeFiles extends Files {
  /** Put things there behind the agent's back; parents are made. */
  put(tree: FakeTree): void;
  /** Remove a path and all below it behind the agent's back. */
  drop(path: AbsolutePath): void;
  /** Every regular file and link, sorted by path: text, or `-> target`. */
  snapshot(): Record<string, string>;
}

interface Node {
  kind: FileStat['kind'];
  bytes: Uint8Array;
  target: string;
  entries: Map<string, Node>;
  mode: number;
  uid: number;
  gid: number;
  modifiedMs: number;
  denied: boolean;
  live: (() => string) | null;
}

interface Found {
  readonly path: AbsolutePath;
  readonly parent: Node | null;
  readonly name: string;
  readonly node: Node | null;
}

const maxTextBytes = 1024 * 1024;

export interface FakeFilesOptions {
  readonly tree?: FakeTree;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: EffectLog;
}

/** A file system in memory. */
export function fakeFiles({ tree = {}, clock, log }: FakeFilesOptions): FakeFiles {
  const root = directoryNode(0o755);

  function newNode(kind: Node['kind'], mode: number): Node {
    const bytes = new Uint8Array();
    return {
      kind,
      bytes,
      target: '',
      entries: new Map(),
      mode,
      uid: 0,
      gid: 0,
      modifiedMs: clock.now(),
      denied: false,
      live: null,
    };
  }

  function directoryNode(mode: number): Node {
    return newNode('directory', mode);
  }

  function put(entries: FakeTree): void {
    for (const [path, entry] of Object.entries(entries)) {
      const names = path.split('/').filter((n) => n !== '');
      let at = root;
      for (const name of names.slice(0, -1)) {
        const next = at.entries.get(name) ?? directoryNode(0o755);
        at.entries.set(name, next);
        at = next.kind === 'link' ? (resolve(under('/', ...names.slice(0, -1)), true).node ?? next) : next;
      }
      const node = nodeFor(entry);
      const last = names.at(-1);
      if (last === undefined) throw new Error(`fake files: "${path}" is no path for an entry`);
      const old = at.entries.get(last);
      if (old?.kind === 'directory' && node.kind === 'directory') Object.assign(old, node, { entries: old.entries });
      else at.entries.set(last, node);
    }
  }

  function nodeFor(entry: FakeEntry): Node {
    if (typeof entry === 'string') return { ...newNode('file', 0o644), bytes: Buffer.from(entry) };
    const kind = entry.link !== undefined ? 'link' : entry.directory ? 'directory' : entry.device ? 'other' : 'file';
    const node = newNode(kind, entry.mode ?? (kind === 'directory' ? 0o755 : kind === 'link' ? 0o777 : 0o644));
    node.bytes = entry.bytes ?? Buffer.from(entry.text ?? '');
    node.target = entry.link ?? '';
    node.uid = entry.uid ?? 0;
    node.gid = entry.gid ?? 0;
    node.modifiedMs = entry.modifiedMs ?? clock.now();
    node.denied = entry.denied ?? false;
    node.live = entry.live ?? null;
    return node;
  }

  /** Where a path ends; node null when nothing is there, parent null when the directory is not there either. */
  function resolve(path: AbsolutePath, followLast: boolean, forWriting = false): Found {
    let links = 0;
    function walk(at: readonly string[], names: readonly string[], via: string | null): Found {
      const nodeAt = nodeByNames(at);
      const [name, ...rest] = names;
      if (name === undefined) {
        const parent = at.length === 0 ? null : nodeByNames(at.slice(0, -1));
        return { path: under('/', ...at), parent, name: at.at(-1) ?? '', node: nodeAt };
      }
      if (name === '..') {
        if (at.length === 0) throw leadsOut(via ?? path);
        return walk(at.slice(0, -1), rest, via);
      }
      const node = nodeAt?.kind === 'directory' ? nodeAt.entries.get(name) : undefined;
      if (node === undefined) {
        if (via !== null && forWriting) throw dangling(via);
        const parent = rest.length === 0 && nodeAt?.kind === 'directory' ? nodeAt : null;
        return { path: under('/', ...at, name, ...rest), parent, name: rest.at(-1) ?? name, node: null };
      }
      if (node.kind !== 'link' || (rest.length === 0 && !followLast)) return walk([...at, name], rest, via);
      if (++links > 40)
        throw new AgentError('data', `cannot look up ${path}: too many links`, { hint: 'correct the links' });
      const link = under('/', ...at, name);
      const targetNames = node.target.split('/').filter((n) => n !== '' && n !== '.');
      const reached = walk(node.target.startsWith('/') ? [] : at, targetNames, link);
      if (rest.length === 0) return reached;
      if (reached.node === null) {
        if (forWriting) throw dangling(link);
        return { path: under(reached.path, ...rest), parent: null, name: rest.at(-1) ?? '', node: null };
      }
      return walk(namesOf(reached.path), rest, via);
    }
    return walk([], namesOf(path), null);
  }

  function nodeByNames(names: readonly string[]): Node | null {
    let at: Node | undefined = root;
    for (const name of names) at = at?.kind === 'directory' ? at.entries.get(name) : undefined;
    return at ?? null;
  }

  function leadsOut(link: string): AgentError {
    return new AgentError('data', `${link} is a symbolic link that leads out of the root`, {
      hint: 'correct the link',
    });
  }

  function dangling(link: string): AgentError {
    return new AgentError('data', `${link} is a symbolic link to something that does not exist below the root`, {
      hint: 'correct it',
    });
  }

  function ask(path: AbsolutePath, followLast: boolean): Node | null {
    log.assertAlive();
    return resolve(path, followLast).node;
  }

  function readBytes(path: AbsolutePath): Uint8Array | null {
    const node = ask(path, true);
    if (node === null) return null;
    if (node.denied)
      throw new AgentError('noperm', `cannot read ${path}: permission denied (EACCES)`, { hint: 'run as root' });
    if (node.kind !== 'file')
      throw new AgentError('data', `cannot read ${path}: no regular file`, { hint: 'move it away' });
    return node.live === null ? node.bytes : Buffer.from(node.live());
  }

  function readText(path: AbsolutePath): string | null {
    const bytes = readBytes(path);
    if (bytes === null) return null;
    if (bytes.length > maxTextBytes)
      throw new AgentError('data', `cannot read ${path}: larger than 1 MiB`, { hint: 'look at it' });
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new AgentError('data', `cannot read ${path}: it is not UTF-8 text`, { hint: 'convert it', cause });
    }
  }

  /** The regular file that is written by this path, links followed; parents as they will be. */
  function fileToWrite(path: AbsolutePath): Found {
    const found = resolve(path, true, true);
    assertParents(found.path);
    if (found.node !== null && found.node.kind !== 'file') {
      throw new AgentError('data', `cannot write ${path}: it is no regular file`, {
        hint: 'remove it when it is not wanted',
      });
    }
    if (found.node?.denied === true)
      throw new AgentError('noperm', `cannot write ${path}: permission denied (EACCES)`, { hint: 'run as root' });
    return found;
  }

  function assertParents(path: AbsolutePath): void {
    const names = namesOf(path);
    for (let depth = 1; depth < names.length; depth++) {
      const node = nodeByNames(names.slice(0, depth));
      if (node === null) return;
      if (node.kind !== 'directory') {
        throw new AgentError(
          'data',
          `cannot write ${path}: something that is no directory stands where a directory is needed`,
          {
            hint: 'move it away',
          },
        );
      }
    }
  }

  function parentMade(path: AbsolutePath): Node {
    let at = root;
    for (const name of namesOf(path).slice(0, -1)) {
      const next = at.entries.get(name) ?? directoryNode(0o755);
      if (!at.entries.has(name)) {
        at.entries.set(name, next);
        at.modifiedMs = clock.now();
      }
      at = next;
    }
    return at;
  }

  function store(path: AbsolutePath, node: Node): void {
    const parent = parentMade(path);
    parent.entries.set(lastName(path), node);
    parent.modifiedMs = clock.now();
  }

  /** What a kill in the middle of a write leaves: the parents and the temporary file, the old file untouched. */
  function leaveStray(path: AbsolutePath, content: string): void {
    const half = { ...newNode('file', 0o600), bytes: Buffer.from(content.slice(0, Math.floor(content.length / 2))) };
    parentMade(path).entries.set(`.${lastName(path)}.diyc-99999-000000000000`, half);
  }

  function removeStrays(path: AbsolutePath): void {
    const parent = parentMade(path);
    const prefix = `.${lastName(path)}.diyc-`;
    for (const name of [...parent.entries.keys()]) if (name.startsWith(prefix)) parent.entries.delete(name);
  }

  function setOn(node: Node, attributes: FileAttributes): void {
    node.mode = attributes.mode;
    if (attributes.owner !== null) {
      node.uid = attributes.owner.uid;
      node.gid = attributes.owner.gid;
    }
  }

  put(tree);

  return {
    put,
    drop(path) {
      const found = resolve(path, false);
      found.parent?.entries.delete(found.name);
    },
    snapshot() {
      const files: Record<string, string> = {};
      const visit = (node: Node, path: string): void => {
        if (node.kind === 'directory') for (const [name, child] of node.entries) visit(child, `${path}/${name}`);
        else if (node.live === null)
          files[path] = node.kind === 'link' ? `-> ${node.target}` : Buffer.from(node.bytes).toString('utf8');
      };
      visit(root, '');
      return Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
    },

    readText: async (path) => readText(path),
    readHead: async (path, maxBytes) => readBytes(path)?.slice(0, maxBytes) ?? null,
    async stat(path) {
      const node = ask(path, false);
      if (node === null) return null;
      const { kind, mode, uid, gid, modifiedMs } = node;
      return { kind, mode, uid, gid, sizeBytes: kind === 'link' ? node.target.length : node.bytes.length, modifiedMs };
    },
    async readLink(path) {
      const node = ask(path, false);
      return node?.kind === 'link' ? node.target : null;
    },
    exists: async (path) => ask(path, true) !== null,
    list: async (path) => [...(ask(path, true)?.entries.keys() ?? [])].sort(),

    async replace(path, content, attributes, expected) {
      log.assertAlive();
      const { path: target } = fileToWrite(path);
      if (expected !== undefined && readTextOrNothing(path) !== expected) {
        throw new AgentError(
          'tempfail',
          `did not write ${path}: it was changed by somebody else since the plan was made`,
          {
            hint: 'run the same command again',
            isConflict: true,
          },
        );
      }
      log.run(
        `write ${path} ${octal(attributes)}`,
        () => {
          removeStrays(target);
          const node = { ...newNode('file', attributes.mode), bytes: Buffer.from(content) };
          setOn(node, attributes);
          store(target, node);
        },
        () => leaveStray(target, content),
      );
    },
    async setAttributes(path, attributes) {
      log.assertAlive();
      const { node } = resolve(path, true, true);
      if (node === null)
        throw new AgentError('tempfail', `cannot set the attributes of ${path}: it is gone`, {
          hint: 'run again',
          isConflict: true,
        });
      log.run(`attributes ${path} ${octal(attributes)}`, () => setOn(node, attributes));
    },
    async makeDirectory(path, attributes) {
      log.assertAlive();
      const found = resolve(path, true, true);
      assertParents(found.path);
      if (found.node !== null && found.node.kind !== 'directory') {
        throw new AgentError('data', `cannot make the directory ${path}: something that is no directory stands there`, {
          hint: `move ${path} away`,
        });
      }
      const made = found.node ?? directoryNode(attributes.mode);
      log.run(
        `directory ${path} ${octal(attributes)}`,
        () => {
          setOn(made, attributes);
          if (found.node === null) store(found.path, made);
        },
        () => {
          // A kill between mkdir and chown: the directory is there, still of root.
          if (found.node === null) store(found.path, made);
        },
      );
    },
    async makeLink(path, target) {
      log.assertAlive();
      const found = resolve(path, false, true);
      assertParents(found.path);
      if (found.node !== null && found.node.kind !== 'link') {
        throw new AgentError('tempfail', `cannot make the link ${path}: something that is no link stands there`, {
          hint: `move ${path} away`,
          retryable: false,
        });
      }
      if (found.node?.target === target) return;
      log.run(`link ${path} -> ${target}`, () => store(found.path, { ...newNode('link', 0o777), target }));
    },
    async keepCopy(path, copy) {
      log.assertAlive();
      const place = resolve(copy, false, true);
      if (place.node !== null) return;
      assertParents(place.path);
      const source = resolve(path, true).node;
      if (source === null) {
        throw new AgentError('tempfail', `cannot keep a copy of ${path}: it is gone since the plan was made`, {
          hint: 'run again',
          isConflict: true,
        });
      }
      log.run(
        `keep ${path} as ${copy}`,
        () => {
          removeStrays(place.path);
          store(place.path, { ...source, entries: new Map(), modifiedMs: clock.now() });
        },
        () => leaveStray(place.path, Buffer.from(source.bytes).toString('utf8')),
      );
    },
    async append(path, text) {
      log.assertAlive();
      const { path: target, node } = fileToWrite(path);
      const half = text.slice(0, Math.floor(text.length / 2));
      const write = (added: string): void => {
        const old = node ?? newNode('file', 0o600);
        old.bytes = Buffer.concat([old.bytes, Buffer.from(added)]);
        old.modifiedMs = clock.now();
        if (node === null) store(target, old);
      };
      log.run(
        `append ${path}`,
        () => write(text),
        () => write(half),
      );
    },
    async remove(path) {
      log.assertAlive();
      const found = resolve(path, false);
      if (found.node === null) return;
      if (found.node.kind === 'directory') {
        throw new AgentError('data', `cannot remove ${path}: it is a directory`, { hint: 'look at what is in it' });
      }
      log.run(`remove ${path}`, () => found.parent?.entries.delete(found.name));
    },
  };

  /** As the real one does it: what is no text any more is not what the plan saw. */
  function readTextOrNothing(path: AbsolutePath): string | null | undefined {
    try {
      return readText(path);
    } catch {
      return undefined;
    }
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((n) => n !== '' && n !== '.');
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function octal({ mode, owner }: FileAttributes): string {
  return `0${mode.toString(8)}${owner === null ? '' : ` ${owner.name}`}`;
}
