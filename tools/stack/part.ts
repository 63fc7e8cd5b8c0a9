/** One program of the stack. */
export type StackPart = {
  /** Names its pid file, log and state folder. */
  name: string;
  /** What it is, for people. */
  title: string;
  /** Ports that it takes, each with the setting that moves it; the first is its address. */
  ports: readonly { port: number; setting: string }[];
  /** Parts that must answer before this one is started. */
  after: readonly string[];
  /** Writes configuration, makes an empty state where there is none, and answers how the program is run. */
  command(): Promise<PartCommand>;
  /** Resolves when it answers, rejects when it does not yet. */
  probe(): Promise<void>;
  /** Makes what the services need in it, where it is missing: databases, topics. */
  prepare?(): Promise<void>;
  /** How long it may take to leave before it is killed, milliseconds. */
  stopWithinMs: number;
};

export type PartCommand = { file: string; args: readonly string[]; env?: Readonly<Record<string, string>>; cwd: string };
