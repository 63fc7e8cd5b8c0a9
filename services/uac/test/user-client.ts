import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { Status } from '@tpc/gen/google/rpc/status';
import { UserServiceService } from '@tpc/gen/uac/v1/user_service';
import { readRpcStatus } from '@tpc/platform';

type Service = typeof UserServiceService;
type RequestOf<M extends keyof Service> = ReturnType<Service[M]['requestDeserialize']>;
type ResponseOf<M extends keyof Service> = ReturnType<Service[M]['responseDeserialize']>;

/** Every method of UserService as a promise. */
export type UserClient = { readonly [M in keyof Service]: (request: RequestOf<M>) => Promise<ResponseOf<M>> } & { close(): void };

/** A client of UserService on a loopback port. */
export function connectUac(port: number): UserClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const methods: Record<string, unknown> = {};
  for (const [name, { path, requestSerialize, responseDeserialize }] of Object.entries(UserServiceService)) {
    const serialize = requestSerialize as (request: unknown) => Buffer;
    const deserialize = responseDeserialize as (bytes: Buffer) => unknown;
    methods[name] = (request: unknown) =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(path, serialize, deserialize, request, (error, response) => (error ? reject(error) : resolve(response))),
      );
  }
  return Object.assign(methods, { close: () => client.close() }) as UserClient;
}

/** What a refused call says of itself; fields that are undefined when it was not refused. */
export async function refusalOf(answer: Promise<unknown>) {
  const error = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown as ServiceError,
  );
  const details = error?.metadata.get('grpc-status-details-bin')[0] as Buffer | undefined;
  const { info, badRequest } = details ? readRpcStatus(Status.decode(details)) : {};
  const fields = badRequest?.fieldViolations.map(({ field }) => field);
  return { code: error?.code, reason: info?.reason, name: info?.metadata.name, domain: info?.domain, fields };
}
