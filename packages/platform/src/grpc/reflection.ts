import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { ServerReflectionRequest, ServerReflectionResponse } from '@tpc/gen/grpc/reflection/v1/reflection';

/**
 * Server reflection from `buf build`'s descriptor set, so that grpcurl needs no files. Written here since the kept library merges files
 * of one package and drops dependencies (grpc-node #3018).
 */
export function createReflection(descriptorSet: Uint8Array, serviceNames: () => readonly string[]): UntypedServiceImplementation {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  return {
    serverReflectionInfo: (call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>) => {
      call.on('data', (request: ServerReflectionRequest) => call.write(reply(registry, serviceNames(), request)));
      call.on('end', () => call.end());
      call.on('error', () => call.end());
    },
  };
}

function reply(registry: FileRegistry, services: readonly string[], request: ServerReflectionRequest): ServerReflectionResponse {
  const response = emptyResponse(request);
  if (request.listServices !== undefined) return { ...response, listServicesResponse: { service: services.map((name) => ({ name })) } };
  const extension = request.fileContainingExtension;
  if (request.allExtensionNumbersOfType !== undefined) {
    const found = registry.getMessage(request.allExtensionNumbersOfType);
    return found
      ? { ...response, allExtensionNumbersResponse: { baseTypeName: found.typeName, extensionNumber: [] } }
      : notFound(response, request.allExtensionNumbersOfType);
  }
  const wanted = request.fileByFilename ?? request.fileContainingSymbol ?? extension?.containingType ?? '';
  const file = request.fileByFilename !== undefined ? fileByName(registry, wanted) : fileOfSymbol(registry, wanted);
  if (!file || extension) return notFound(response, wanted);
  return { ...response, fileDescriptorResponse: { fileDescriptorProto: withDependencies(file).map(encode) } };
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
  return { ...response, errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `not found: ${what}` } };
}

function fileByName(registry: FileRegistry, name: string): DescFile | undefined {
  return [...registry.files].find((file) => `${file.name}.proto` === name || file.proto.name === name);
}

function fileOfSymbol(registry: FileRegistry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol);
  if (found) return found.file;
  // A method or field: look for what contains it.
  const dot = symbol.lastIndexOf('.');
  return dot > 0 ? fileOfSymbol(registry, symbol.slice(0, dot)) : undefined;
}

function withDependencies(file: DescFile, seen = new Set<DescFile>()): DescFile[] {
  if (seen.has(file)) return [];
  seen.add(file);
  return [file, ...file.dependencies.flatMap((dependency) => withDependencies(dependency, seen))];
}

function encode(file: DescFile): Buffer {
  return Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto));
}
