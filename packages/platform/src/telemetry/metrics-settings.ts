import { optionalBindSetting, optionalPortSetting } from '../host/config.ts';

/** Settings of a service's metrics endpoint; the port is each service's own. */
export const metricsHostSetting = () =>
  optionalBindSetting().describe(
    'Address that the metrics listen on; any, since they hold counts and times alone, no ids or contents. Default: BIND_HOST.',
  );

export const metricsPortSetting = () =>
  optionalPortSetting().describe('Port of the metrics for Prometheus, at /metrics; 0: the system chooses. Empty: none are collected.');
