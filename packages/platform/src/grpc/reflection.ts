import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import type { ServerReflectionRequest, ServerReflectionResponse } from '@tpc/gen/grpc/reflection/v1/reflection';

/** Longest name that is looked up, and longest host that is repeated, characters. Real names have fewer than a hundred. */
const MAX_NAME_LENGTH = 512;

/** Answers one question of server reflection. */
export type Reflection = (request: ServerReflectionRequest) => ServerReflectionResponse;

/**
 * Server reflection from `buf build`'s descriptor set, so that grpcurl needs no files. Written here since the kept library merges files
 * of one package and drops dependencies (grpc-node #3018).
 */
export function createReflection(descriptorSet: Uint8Array, serviceNames: readonly string[]): Reflection {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const encoded = new Map([...registry.files].map((file) => [file, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto))]));
  const service = serviceNames.map((name) => ({ name }));
  return (request) => {
    const response = emptyResponse(request);
    const bad = [...Object.values(request), request.fileContainingExtension?.containingType].some(isOverlong);
    if (bad)
      return refusal({ ...response, validHost: '', originalRequest: undefined }, status.INVALID_ARGUMENT, `at most ${MAX_NAME_LENGTH} characters`);
    if (request.listServices !== undefined) return { ...response, listServicesResponse: { service } };
    const type = request.allExtensionNumbersOfType;
    if (type !== undefined) return extensionNumbers(registry, response, type);
    const extension = request.fileContainingExtension;
    const wanted = request.fileByFilename ?? request.fileContainingSymbol ?? extension?.containingType ?? '';
    const file = request.fileByFilename !== undefined ? fileByName(registry, wanted) : fileOfSymbol(registry, wanted);
    if (!file || extension) return notFound(response, wanted);
    const fileDescriptorProto = withDependencies(file).map((each) => encoded.get(each) as Buffer);
    return { ...response, fileDescriptorResponse: { fileDescriptorProto } };
  };
}

function isOverlong(value: unknown): boolean {
  return typeof value === 'string' && value.length > MAX_NAME_LENGTH;
}

function extensionNumbers(registry: FileRegistry, response: ServerReflectionResponse, type: string): ServerReflectionResponse {
  const found = registry.getMessage(type);
  if (!found) return notFound(response, type);
  return { ...response, allExtensionNumbersResponse: { baseTypeName: found.typeName, extensionNumber: [] } };
}

function emptyResponse(request: ServerReflectionRequest): ServerReflectionResponse {
  return {
    validHost: request.host,
    originalRequest: request,
    fileDescriptorResponse: undefined,
    allExtensionNumbersResponse: undefined,
    listServicesResponse: undefined,
    errorResponse: undefined,
  };
}

function notFound(response: ServerReflectionResponse, what: string): ServerReflectionResponse {
  return refusal(response, status.NOT_FOUND, `not found: ${what}`);
}

function refusal(response: ServerReflectionResponse, errorCode: status, errorMessage: string): ServerReflectionResponse {
  return { ...response, errorResponse: { errorCode, errorMessage } };
}

function fileByName(registry: FileRegistry, name: string): DescFile | undefined {
  return [...registry.files].find((file) => `${file.name}.proto` === name || file.proto.name === name);
}

/** A method or field is in the file of what contains it, so its name is shortened until something is found. */
function fileOfSymbol(registry: FileRegistry, symbol: string): DescFile | undefined {
  for (let name = symbol; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const found = registry.get(name);
    if (found) return found.file;
  }
  return undefined;
}

/** The file and all that it needs, itself first. */
function withDependencies(file: DescFile): DescFile[] {
  const seen = new Set([file]);
  // The set grows while it is gone through.
  for (const each of seen) for (const dependency of each.dependencies) seen.add(dependency);
  return [...seen];
}
