export { brokerPropertiesBytes } from './broker-size.ts';
export { type CheckedContent, checkContent, checkTrace, headersBytes } from './content.ts';
export { decodeHeaders, encodeHeaders } from './headers.ts';
export * from './limits.ts';
export {
  checkConsumerGroup,
  checkFailureReason,
  checkGeneration,
  checkHost,
  checkInstanceId,
  checkKeySyntax,
  checkMessageKey,
  checkProducerGroup,
  checkStoredKey,
  checkStoreId,
  checkTag,
  checkTopic,
  isPlainText,
  type Violation,
} from './syntax.ts';
