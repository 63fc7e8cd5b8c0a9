import { decodeHeaders, placeholders, runOnPrimary } from '@tpc/core';
