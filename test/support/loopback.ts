// Ports of loopback for servers of tests, without waiting by the clock.

import { connect, createServer } from 'node:net';

/** A port that nothing listens on now. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => {
      const at = server.address();
      server.close(() => resolve(typeof at === 'object' && at !== null ? at.port : 0));
    });
  });
}

/** Where a server listens: `127.0.0.1:3333`, `[::1]:3333` or the path of a socket. */
export function placeOf(listen: string): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (listen.startsWith('/')) return { path: listen };
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** Resolves once something accepts connections there; the test's own deadline ends it otherwise. */
export async function untilServed(listen: string): Promise<void> {
  for (;;) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(placeOf(listen));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (accepted) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
