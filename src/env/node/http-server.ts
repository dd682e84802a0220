/** The node's HTTP server: GET only, small answers, nothing kept open. */
import http from 'node:http';
import { QuorateError } from '../../base/errors.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain';
  readonly body: string;
}

export interface HttpServer {
  close(): Promise<void>;
}

/** Rejects with 'port_taken' when the port is in use. */
export function serveHttp(
  host: string,
  port: number,
  answer: (path: string) => HttpAnswer | undefined,
): Promise<HttpServer> {
  const server = http.createServer({ requestTimeout: 10_000 }, (request, response) => {
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const found = isGet ? answer(path) : undefined;
    const { status, type, body } = found ?? {
      status: isGet ? 404 : 405,
      type: 'text/plain' as const,
      body: isGet ? 'not found\n' : 'method not allowed\n',
    };
    response.writeHead(status, { 'content-type': `${type}; charset=utf-8` });
    response.end(body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken
          ? new QuorateError('port_taken', `port ${port} on ${host} is taken`)
          : new QuorateError('listen_failed', `cannot listen on ${host}:${port}`, {}, error),
      );
    });
    server.listen({ host, port, exclusive: true }, () =>
      resolve({
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      }),
    );
  });
}
