import { ensureGoTool, GO_BUILD_MS } from '../../../scripts/lib/go-tool.ts';

export const GRPCURL_VERSION = 'v1.9.3';

/** How long a build may take, milliseconds. */
export const GRPCURL_BUILD_MS = GO_BUILD_MS;

/**
 * The real grpcurl, built by Go into .cache/bin when it is not there yet.
 * @returns the folder that holds `grpcurl`, for a PATH
 * @throws Error with a line that says what is missing
 */
export function ensureGrpcurl(): Promise<string> {
  return ensureGoTool({
    name: 'grpcurl',
    package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl',
    version: GRPCURL_VERSION,
    takes: 'about two minutes',
  });
}
