import type { FastifyInstance } from 'fastify';

/** What the service says of itself; follows its own database alone. TPC away is named, and no reason not to be ready. */
export type HealthState = { ready: boolean; parts: Record<string, string> };

/** `/healthz`: the process answers. `/readyz`: it can serve (503 where not). */
export function addHealthRoutes(app: FastifyInstance, health: () => Promise<HealthState>): void {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const state = await health();
    return reply.code(state.ready ? 200 : 503).send({ status: state.ready ? 'ok' : 'not ready', ...state.parts });
  });
}
