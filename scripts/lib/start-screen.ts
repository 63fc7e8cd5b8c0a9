/** What npm start says when everything is up: where people and programs find it, in a few lines. */
import { styleText } from 'node:util';

export type StartScreen = {
  seconds: number;
  /** host:port of each service */
  grpc: { TPC: string; UAC: string; OPC: string };
  broker: string;
  smtp: string;
  /** Addresses of web pages, without a slash at the end. */
  pages: string;
  inbox: string | undefined;
  metrics: readonly number[];
  folder: string;
};

export function startScreen(screen: StartScreen): string {
  const { seconds, grpc, broker, smtp, pages, inbox, metrics, folder } = screen;
  const rows: [name: string, what: string][] = [
    ['Register', link(`${pages}/`)],
    ['Log in', link(`${pages}/login`)],
    ['Inbox', inbox === undefined ? `none: all mail goes to ${smtp} (SMTP_HOST)` : link(`${inbox}/`)],
    ['gRPC', `TPC ${grpc.TPC}   UAC ${grpc.UAC}   OPC ${grpc.OPC}`],
    ['', `grpcurl -plaintext ${grpc.TPC} list`],
    ['Also', `broker ${broker}   SMTP ${smtp}   metrics ${metrics.map((port) => `:${port}`).join(' ')} /metrics`],
    ['State', folder],
  ];
  const head = `${styleText(['bold', 'green'], 'TPC is up')} after ${seconds.toFixed(1)} s`;
  const body = rows.map(([name, what]) => `    ${styleText('bold', name.padEnd(10))} ${what}`);
  const foot = styleText('dim', 'No access tokens: everything on this machine may call everything.  Ctrl-C stops.');
  return ['', `  ${head}`, '', ...body, '', `  ${foot}`].join('\n');
}

function link(url: string): string {
  return styleText(['cyan', 'underline'], url);
}
