export * from './broker/index.ts';
export * from './mail/index.ts';
