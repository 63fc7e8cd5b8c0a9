import { expect, it } from 'vitest';
import { didYouMean, nearMisses } from './near-misses.ts';

const KNOWN = ['TPC_GRPC_PORT', 'UAC_GRPC_PORT', 'UAC_HTTP_PORT', 'SMTP_PORT', 'LOG_LEVEL', 'LOG_LEVELS', 'TPC_DATABASE_URL'];

it.each([
  ['UAC_HTPP_PORT', 'UAC_HTTP_PORT'],
  ['TCP_GRPC_PORT', 'TPC_GRPC_PORT'],
  ['LOG_LEVLE', 'LOG_LEVEL'],
  ['TPC_DATABSE_ULR', undefined],
  ['TPC_DATABASE_UR', 'TPC_DATABASE_URL'],
  ['TPC_GRCP_PORT', 'TPC_GRPC_PORT'],
])('%s is taken for %s', (given, meant) => {
  expect(nearMisses(KNOWN, { [given]: '1' })).toEqual(meant === undefined ? [] : [`${given} is not a setting; did you mean ${meant}?`]);
});

it.each(['OPC_GRPC_PORT', 'HTTP_PORT', 'TPC_SERVICE_PORT', 'TPC_DATABASE_URL_FILE', 'HOME', 'LOG_LEVELS', 'UAC_PORT'])(
  '%s is left alone',
  (given) => {
    expect(nearMisses(KNOWN, { [given]: '1' })).toEqual([]);
  },
);

it('finds the argument that was meant', () => {
  expect(didYouMean('--trcae', ['--help', '--trace'])).toBe('--trace');
  expect(didYouMean('--port', ['--help', '--trace'])).toBeUndefined();
});
