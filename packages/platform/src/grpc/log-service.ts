import { type ServiceDefinition, status } from '@grpc/grpc-js';
import { durationMs, type WireDuration } from '@tpc/core';
import { LogServiceService, LogLevel as WireLevel, type LogPart as WirePart } from '@tpc/gen/ops/v1/log_service';
import { guard, needs } from '../auth/rules.ts';
import { AppError, type FieldViolation } from '../errors.ts';
import { LOG_LEVELS, type LogLevel, type LogPart, type LogParts } from '../log/log-levels.ts';
import type { UnaryHandlers } from './unary.ts';

/** Longest time after which a level goes back, milliseconds: a day. */
const MAX_RESET_MS = 86_400_000;

/** ops.v1.LogService: shows and changes how much each part of this process logs. To look takes the role viewer, to change it operator. */
export function logService(parts: LogParts): { definition: ServiceDefinition; handlers: Record<string, unknown> } {
  const handlers: UnaryHandlers<typeof LogServiceService> = {
    listLogParts: async () => ({ parts: parts.list().map(toWire) }),
    setLogLevel: async ({ part, level, resetAfter }) => {
      refuseBadFields([...checkLevel(level), ...checkReset(resetAfter)]);
      const changed = parts.set(part, levelOf(level), durationMs(resetAfter));
      if (changed === undefined) throw unknownPart(part, parts);
      return { parts: changed.map(toWire) };
    },
  };
  const guarded = guard(handlers, (method) => needs(method === 'listLogParts' ? 'viewer' : 'operator'));
  return { definition: LogServiceService as unknown as ServiceDefinition, handlers: guarded as unknown as Record<string, unknown> };
}

const wireName = (level: LogLevel) => `LOG_LEVEL_${level.toUpperCase()}` as Exclude<keyof typeof WireLevel, 'LOG_LEVEL_UNSPECIFIED'>;

function toWire({ name, level, resetAt }: LogPart): WirePart {
  return { name, level: WireLevel[wireName(level)], resetTime: resetAt === undefined ? undefined : new Date(resetAt) };
}

function levelOf(level: number): LogLevel | undefined {
  return LOG_LEVELS.find((name) => WireLevel[wireName(name)] === level);
}

function checkLevel(level: number): FieldViolation[] {
  if (level === WireLevel.LOG_LEVEL_UNSPECIFIED || levelOf(level) !== undefined) return [];
  return [{ field: 'level', reason: 'LOG_LEVEL_UNKNOWN', description: `is ${level}, which is no level` }];
}

function checkReset(duration: WireDuration | undefined): FieldViolation[] {
  const ms = durationMs(duration);
  if (ms === undefined || (ms > 0 && ms <= MAX_RESET_MS)) return [];
  return [{ field: 'reset_after', reason: 'OUT_OF_RANGE', description: 'must be above 0 and at most a day' }];
}

/** @throws AppError with all violations, unless there are none */
function refuseBadFields(violations: readonly FieldViolation[]): void {
  if (violations.length === 0) return;
  const message = violations.map(({ field, description }) => `${field} ${description}.`).join(' ');
  throw new AppError({ status: status.INVALID_ARGUMENT, reason: 'LOG_REQUEST_INVALID', message, violations });
}

function unknownPart(part: string, parts: LogParts): AppError {
  const known = parts
    .list()
    .map(({ name }) => name)
    .join(', ');
  return new AppError({
    status: status.NOT_FOUND,
    reason: 'LOG_PART_NOT_FOUND',
    message: `No part ${part} logs here; there are ${known}.`,
    metadata: { part, known },
  });
}
