// A small HTTP server for JSON over a port or a socket, with limits that no client can pass.

import { chmod, lstat, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, isIPv4, isIPv6, type ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { AgentError } from '../model/errors.ts';
import type { HttpRequest, HttpResponse, HttpServer } from '../ports/fleet-lock.ts';
import { errorCode, isAbsent } from './system-errors.ts';

export interface NodeHttpServerOptions {
  /** How long a request may take to arrive; tests have less time. */
  readonly requestTimeoutMs?: number;
  /** How long requests under way may take once the signal has fired. */
  readonly graceMs?: number;
}

type Answer = (request: HttpRequest) => Promise<HttpResponse>;
type Place = { readonly path: string } | { readonly host: string; readonly port: number };

const maxHeaderBytes = 8 * 1024;
const maxBodyBytes = 16 * 1024;
/** A body larger than that is not even read to its end. */
const maxDiscardedBytes = 1024 * 1024;
const maxConnections = 64;
const maxRequestsPerConnection = 100;
const idleMs = 5_000;
const socketMode = 0o660;
/** sun_path of unix(7), without the final zero. */
const maxSocketPathBytes = 107;
const probeMs = 1_000;
/** For the last bytes of an answer to leave after its handler has ended. */
const lastWordsMs = 250;

/**
 * The HttpServer port over node:http.
 *
 * Every answer is JSON, also the server's own: 400, 408 and 431 for what is no request, late or too large, 500 for a
 * handler that throws. Connections beyond 64 are closed at once; a client that has not sent its request within 10 s
 * loses its connection.
 */
export function nodeHttpServer({
  requestTimeoutMs = 10_000,
  graceMs = 10_000,
}: NodeHttpServerOptions = {}): HttpServer {
  return {
    async serve(listen, answer, signal) {
      const place = placeOf(listen);
      if (signal.aborted) return;
      if ('path' in place) await removeStaleSocket(place.path);
      const underWay = new Set<Promise<void>>();
      const server = createServer(
        {
          maxHeaderSize: maxHeaderBytes,
          requestTimeout: requestTimeoutMs,
          headersTimeout: requestTimeoutMs,
          connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
          keepAliveTimeout: idleMs,
          // The protocol's own checks answer in its own words; a missing Host harms nobody here.
          requireHostHeader: false,
        },
        (request, response) => {
          void received(request, response).then((body) => {
            if (body === 'gone') return;
            const answered = answerOne({ request, response, body }, answer, signal).finally(() =>
              underWay.delete(answered),
            );
            underWay.add(answered);
          });
        },
      );
      server.maxConnections = maxConnections;
      server.maxRequestsPerSocket = maxRequestsPerConnection;
      server.on('clientError', refuseGarbage);
      await listening(server, place, listen);
      try {
        if ('path' in place) await chmod(place.path, socketMode);
        await fired(signal);
      } finally {
        await ended(server, underWay, graceMs);
        if ('path' in place) await rm(place.path, { force: true });
      }
    },
  };
}

function placeOf(listen: string): Place {
  if (listen.startsWith('/')) {
    if (Buffer.byteLength(listen) > maxSocketPathBytes || listen.endsWith('/') || listen.includes('\0')) {
      throw noAddress(listen, `a socket's path has up to ${maxSocketPathBytes} bytes and names no directory`);
    }
    return { path: listen };
  }
  const found = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(listen);
  const [v6, v4, port] = [found?.[1] ?? '', found?.[2] ?? '', Number(found?.[3] ?? 0)];
  if (port < 1 || port > 65_535 || !(isIPv6(v6) || isIPv4(v4))) {
    throw noAddress(listen, 'it is neither address:port nor the absolute path of a socket');
  }
  return { host: v6 || v4, port };
}

function noAddress(listen: string, why: string): AgentError {
  return new AgentError('usage', `cannot listen on "${listen.slice(0, 200)}": ${why}`, {
    hint: 'write 192.168.99.51:3333, [fd00::51]:3333 or /run/diyc-agent/fleet-lock.sock',
  });
}

function cannotListen(listen: string, why: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('oserr', `cannot listen on ${listen}: ${why}`, { hint, cause });
}

/** What a killed server left: a socket that nobody listens on any more. Anything else at the path stays. */
async function removeStaleSocket(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await lstat(path)).isSocket();
  } catch (error) {
    if (isAbsent(error)) return;
    throw cannotListen(path, textOf(error), `look at ${path} (namei -l shows the way to it)`, error);
  }
  if (!isSocket) {
    throw cannotListen(path, 'something that is no socket stands there', `move ${path} away, or choose another path`);
  }
  if (await isListenedOn(path)) {
    throw cannotListen(path, 'another process listens there', `see which one: ss -xlp | grep ${path}`);
  }
  await rm(path, { force: true });
}

/** Only a refused connection says that nobody is there; a full queue, or no answer at all, is somebody. */
function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (isThere: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isThere);
    };
    const timer = setTimeout(() => settle(true), probeMs);
    socket.once('connect', () => settle(true));
    socket.on('error', (error) => settle(errorCode(error) !== 'ECONNREFUSED'));
  });
}

function listening(server: Server, place: Place, listen: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => reject(listenError(error, listen));
    server.once('error', failed);
    const options: ListenOptions = place;
    server.listen(options, () => {
      server.off('error', failed);
      // A connection that cannot be accepted (too many open files) is that connection's end, not the server's.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function listenError(error: unknown, listen: string): AgentError {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return cannotListen(listen, 'the address is taken', 'see who has it: ss -lntp, ss -xlp', error);
    case 'EADDRNOTAVAIL':
      return cannotListen(
        listen,
        'this host does not have the address (yet)',
        'see ip address; the address in the cluster file has to be one of this host',
        error,
      );
    case 'EACCES':
    case 'EPERM':
      return cannotListen(
        listen,
        'permission denied',
        'run as root, and look at what SELinux says: ausearch -m avc',
        error,
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return cannotListen(listen, 'its directory is not there', `make the directory of ${listen}`, error);
    default:
      return cannotListen(listen, textOf(error), 'look at the addresses of this host (ip address)', error);
  }
}

/** Wait for the body. A client that goes away, meanwhile or later, is no event. */
function received(request: IncomingMessage, response: ServerResponse): Promise<Body | 'gone'> {
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  return bodyOf(request);
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Body;
}

/** Never rejects: whatever happens to one request is between it and its client. */
async function answerOne({ request, response, body }: Exchange, answer: Answer, signal: AbortSignal): Promise<void> {
  const send = ({ status, headers, text }: Reply): void => {
    if (signal.aborted || !body.isWhole) response.shouldKeepAlive = false;
    response.writeHead(status, headers);
    response.end(text);
  };
  try {
    const asked = { method: request.method ?? '', path: pathOf(request), headers: headersOf(request), body: body.text };
    send(replyOf(await answer(asked)));
  } catch (error) {
    // Also what cannot be sent: a status that is none, a header with a line end. Nothing of it has left then.
    const why = error instanceof AgentError ? error.message : 'the server failed: this is a fault of diyc-agent';
    if (!response.headersSent) send(replyOf({ status: 500, json: { kind: 'internal', value: why } }));
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/[?#].*$/s, '');
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly text: string;
}

function replyOf({ status, json, headers }: HttpResponse): Reply {
  // There is no JSON of undefined, whatever the types say.
  const text = `${JSON.stringify(json ?? null)}\n`;
  return {
    status,
    headers: {
      ...headers,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
    },
    text,
  };
}

interface Body {
  /** Null when it was too large, or not UTF-8. */
  readonly text: string | null;
  readonly isWhole: boolean;
}

/** The client that was cut off for being late, or that hung up, gets no answer: `gone`. */
function bodyOf(request: IncomingMessage): Promise<Body | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
      // What is too large is read to its end all the same, so that the client gets to see the answer; within reason.
      else if (bytes > maxDiscardedBytes) {
        request.pause();
        resolve({ text: null, isWhole: false });
      }
    });
    request.on('end', () => resolve({ text: bytes > maxBodyBytes ? null : textOfBytes(chunks), isWhole: true }));
    request.on('close', () => resolve('gone'));
  });
}

function textOfBytes(chunks: readonly Buffer[]): string {
  // What is not UTF-8 becomes U+FFFD, which no JSON needs outside its strings.
  return Buffer.concat(chunks).toString('utf8');
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Called for a connection on which no request could be read. */
function refuseGarbage(error: Error, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const code = errorCode(error);
  const [status, kind, value] =
    code === 'HPE_HEADER_OVERFLOW'
      ? [
          '431 Request Header Fields Too Large',
          'headers_too_large',
          `the headers have more than ${maxHeaderBytes} bytes`,
        ]
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'request_timeout', 'the request did not arrive in time']
        : ['400 Bad Request', 'bad_request', 'this is no HTTP request that can be understood'];
  const text = `${JSON.stringify({ kind, value })}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${text}`, () => socket.destroy());
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** No new connections, those without a request are closed, the others get their answer or the end of the grace. */
async function ended(server: Server, underWay: ReadonlySet<Promise<void>>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  await within(graceMs, Promise.all(underWay));
  await within(lastWordsMs, closed);
  server.closeAllConnections();
  await within(lastWordsMs, closed);
}

async function within(ms: number, wait: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([wait, late]);
  clearTimeout(timer);
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200);
}
