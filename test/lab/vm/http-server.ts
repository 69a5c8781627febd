/**
 * The boot server's HTTP half, a program of its own because it has to run inside the lab's network namespace:
 * `bun http-server.ts FOLDER ADDRESS PORT` serves the files of FOLDER and says on stdout who asked for what.
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const [folder, address, port] = process.argv.slice(2);
if (folder === undefined || address === undefined || port === undefined) {
  process.stderr.write('usage: http-server.ts FOLDER ADDRESS PORT\n');
  process.exit(64);
}

createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://lab').pathname));
  const say = (status: number): void => {
    process.stdout.write(`${request.socket.remoteAddress} ${request.method} ${path} ${status}\n`);
  };
  readFile(join(folder, path)).then(
    (content) => {
      say(200);
      response.writeHead(200, { 'content-length': content.length }).end(content);
    },
    () => {
      say(404);
      response.writeHead(404).end();
    },
  );
}).listen(Number(port), address);
