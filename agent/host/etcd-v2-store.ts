// etcd's v2 keys API over plain HTTP, for flannel below 0.18: reads with quorum, create only if absent.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { AgentError } from '../model/errors.ts';
import type { KeyStore, StoredValue } from '../ports/store.ts';
import { EndpointFailure, endpointFailover } from './endpoint-failover.ts';
import { errorCode } from './system-errors.ts';

export interface EtcdV2StoreOptions {
  /** In the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** For one call, all endpoints together. */
  readonly deadlineMs: number;
}

/** Error codes of the v2 API (etcd: Documentation/v2/errorcode.md). */
const keyNotFound = 100;
const notAFile = 102;
const nodeExists = 105;
const unauthorized = 110;

const maxBodyBytes = 64 * 1024 * 1024;

interface Answer {
  readonly endpoint: string;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A KeyStore over the v2 keys API. */
export function etcdV2Store({ endpoints, deadlineMs }: EtcdV2StoreOptions): KeyStore {
  const failover = endpointFailover({ endpoints, deadlineMs });

  function ask(attempted: string, method: 'GET' | 'PUT', path: string, form?: string): Promise<Answer> {
    return failover.run(attempted, async (endpoint, attemptMs) => {
      const reply = await send({ endpoint, method, path, form, deadlineMs: attemptMs });
      return understood(reply, attempted);
    });
  }

  async function read(key: string): Promise<string | null> {
    const attempted = `read ${key} from etcd (v2)`;
    const answer = await ask(attempted, 'GET', `/v2/keys${encodePath(key)}?quorum=true`);
    if (answer.body['errorCode'] === keyNotFound) return null;
    const node = nodeOf(answer, attempted);
    if (node.isDirectory) throw isDirectory(attempted);
    return node.value;
  }

  return {
    api: 'v2',
    read,

    async list(prefix) {
      const attempted = `list ${prefix} in etcd (v2)`;
      const directory = prefix.slice(0, prefix.lastIndexOf('/'));
      const answer = await ask(
        attempted,
        'GET',
        `/v2/keys${encodePath(directory)}?recursive=true&sorted=true&quorum=true`,
      );
      if (answer.body['errorCode'] === keyNotFound) return [];
      return leavesOf(answer.body['node'])
        .filter((leaf) => leaf.key.startsWith(prefix))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
    },

    async createIfAbsent(key, value) {
      const attempted = `create ${key} in etcd (v2)`;
      const answer = await ask(
        attempted,
        'PUT',
        `/v2/keys${encodePath(key)}?prevExist=false`,
        `value=${encodeURIComponent(value)}`,
      );
      const code = answer.body['errorCode'];
      if (code === notAFile) throw isDirectory(attempted);
      if (code !== nodeExists) {
        nodeOf(answer, attempted);
        return { created: true, current: value };
      }
      const current = await read(key);
      if (current !== null) return { created: false, current };
      throw new AgentError('tempfail', `cannot ${attempted}: the key was there, and was gone when it was read`, {
        hint: 'somebody removes it at this moment; run the same command again',
      });
    },

    close() {
      // Every request has a connection of its own, closed with its answer.
    },
  };
}

interface Request {
  readonly endpoint: string;
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly form: string | undefined;
  readonly deadlineMs: number;
}

interface Reply {
  readonly endpoint: string;
  readonly status: number;
  readonly text: string;
}

function send({ endpoint, method, path, form, deadlineMs }: Request): Promise<Reply> {
  return new Promise((resolve, reject) => {
    // Over the whole request, the body included; `timeout` would only count idle time.
    const signal = AbortSignal.timeout(deadlineMs);
    const failed = (error: unknown): void =>
      reject(new EndpointFailure(reasonOf(error, signal.aborted ? deadlineMs : null), error));
    const url = new URL(path, endpoint);
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    const ask = request(url, { method, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let total = 0;
      response.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total > maxBodyBytes) response.destroy(new Error(`the answer is larger than ${maxBodyBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', failed);
      response.on('end', () =>
        resolve({ endpoint, status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    ask.on('error', failed);
    ask.end(form);
  });
}

function reasonOf(error: unknown, passedMs: number | null): string {
  if (passedMs !== null) return `did not answer within ${passedMs} ms (no quorum?)`;
  const code = errorCode(error);
  if (code === 'ECONNREFUSED') return 'refused the connection';
  return `failed: ${error instanceof Error ? error.message : String(error)}`;
}

/** Sort out what is no answer of the keys API at all, or an answer another member may give better. */
function understood(reply: Reply, attempted: string): Answer {
  const body = parseBody(reply.text);
  if (body === null) {
    if (reply.status !== 404)
      throw new EndpointFailure(`answered HTTP ${reply.status} without a JSON body`, reply.text.slice(0, 200));
    throw new AgentError('unavailable', `cannot ${attempted}: ${reply.endpoint} does not serve the etcd v2 API`, {
      hint: 'set ETCD_ENABLE_V2=true on every member (etcd 3.4 and 3.5; 3.6 has no v2 API), or install flannel 0.18 or newer, which reads v3',
      retryable: false,
    });
  }
  const code = body['errorCode'];
  const message = String(body['message'] ?? '');
  if (reply.status === 401 || code === unauthorized) {
    throw new AgentError('noperm', `cannot ${attempted}: etcd refused it (${message})`, {
      hint: 'this version of diyc-agent uses etcd without user accounts: see etcdctl auth status',
    });
  }
  if (reply.status >= 500) throw new EndpointFailure(`answered HTTP ${reply.status}: ${message}`, body);
  return { endpoint: reply.endpoint, status: reply.status, body };
}

function parseBody(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function nodeOf(answer: Answer, attempted: string): { readonly value: string; readonly isDirectory: boolean } {
  const node = answer.body['node'];
  if (isObject(node)) {
    const value = node['value'];
    const isDirectory = node['dir'] === true;
    if (isDirectory || typeof value === 'string') return { value: typeof value === 'string' ? value : '', isDirectory };
  }
  const said = `HTTP ${answer.status}, ${JSON.stringify(answer.body).slice(0, 200)}`;
  throw new AgentError('unavailable', `cannot ${attempted}: ${answer.endpoint} gave an answer that is none (${said})`, {
    hint: 'see which program listens on the client port there',
    retryable: false,
  });
}

function isDirectory(attempted: string): AgentError {
  return new AgentError('data', `cannot ${attempted}: the key is a directory`, {
    hint: 'choose another prefix in the cluster file, or remove the directory (etcdctl rmdir) when nothing uses it',
  });
}

function leavesOf(node: unknown): StoredValue[] {
  if (!isObject(node)) return [];
  const { key, value, nodes } = node;
  if (Array.isArray(nodes)) return nodes.flatMap((child: unknown) => leavesOf(child));
  return typeof key === 'string' && typeof value === 'string' ? [{ key, value }] : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function encodePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
