// etcd behind the ports: picks the store for the API that is asked for, and loads the libraries only then.

import type { EtcdClient } from '../ports/host.ts';
import { askHealth } from './etcd-health.ts';

/** How long one call may take, all endpoints together. */
const callDeadlineMs = 5_000;

export interface EtcdClientOptions {
  readonly deadlineMs?: number;
}

/** The EtcdClient port. */
export function etcdClient({ deadlineMs = callDeadlineMs }: EtcdClientOptions = {}): EtcdClient {
  return {
    async keys(api, endpoints) {
      if (api === 'v2') {
        const { etcdV2Store } = await import('./etcd-v2-store.ts');
        return etcdV2Store({ endpoints, deadlineMs });
      }
      const { etcdV3Store } = await import('./etcd-v3-store.ts');
      return etcdV3Store({ endpoints, deadlineMs });
    },
    async leases(endpoints) {
      const { etcdV3Store } = await import('./etcd-v3-store.ts');
      return etcdV3Store({ endpoints, deadlineMs });
    },
    health: askHealth,
    async survey(endpoints, surveyDeadlineMs) {
      const { surveyEtcd } = await import('./etcd-survey.ts');
      return await surveyEtcd(endpoints, surveyDeadlineMs);
    },
  };
}
