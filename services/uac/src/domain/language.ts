/** The languages of pages, mails and messages, and which one a request asks for. */
export { type Language, languageOf, toLanguage } from '@tpc/core';
