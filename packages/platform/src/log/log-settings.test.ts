import { expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../host/config.ts';
import { logSettings } from './log-settings.ts';

const schema = z.object(logSettings('tpc', ['publish', 'grpc']));
const load = (LOG_LEVELS: string) => loadConfig(schema, { LOG_LEVELS }).LOG_LEVELS;

it('reads levels of parts, and leaves those of other services to them', () => {
  expect(load('')).toEqual({});
  expect(load('tpc.publish=debug, tpc.grpc = warn,tpc=error')).toEqual({ 'tpc.publish': 'debug', 'tpc.grpc': 'warn', tpc: 'error' });
  expect(load('uac.http=debug')).toEqual({ 'uac.http': 'debug' });
});

it.each(['tpc.publisher=debug', 'tpc.publish=loud', 'tpc.publish', '=debug', 'tcp.publish=debug'])(
  'refuses %s at the start, and says what it knows',
  (text) => {
    expect(() => load(text)).toThrow(/LOG_LEVELS="[^"]*": "[^"]*": expected tpc\|tpc\.publish\|tpc\.grpc=trace\|debug/);
  },
);
