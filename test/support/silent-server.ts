// A server that accepts every connection and never says a word, as an etcd member without quorum does.

import { createServer, type Socket } from 'node:net';

export interface SilentServer {
  /** `127.0.0.1:port`, or the path of its socket. */
  readonly address: string;
  close(): Promise<void>;
}

/** @param socketPath listen on a unix socket instead of a loopback port */
export function silentServer(socketPath?: string): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = (): void => {
      const at = server.address();
      const address = typeof at === 'object' && at !== null ? `127.0.0.1:${at.port}` : String(at);
      resolve({
        address,
        close: () =>
          new Promise((done) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => done());
          }),
      });
    };
    if (socketPath === undefined) server.listen(0, '127.0.0.1', listening);
    else server.listen(socketPath, listening);
  });
}
