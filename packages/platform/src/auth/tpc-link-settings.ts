import { z } from 'zod';
import { secretSetting } from '../host/config.ts';

/** Settings of the way to TPC, beside TPC_ADDRESS; @tpc/client reads them (tpcOptionsFrom). */
export const tpcLinkSettings = {
  TPC_TOKEN: secretSetting(z.string().optional().describe("Token of this service's group at TPC. Better in a file: TPC_TOKEN_FILE.")),
  TPC_TOKEN_FILE: z.string().optional().describe('File that holds the token and nothing else; read again when it changes.'),
  TPC_TLS: z
    .enum(['true', 'false'])
    .optional()
    .describe('true: TLS to TPC, by the CAs that Node knows. Also on when one of the following files is named.'),
  TPC_CA_FILE: z.string().optional().describe("CA of TPC's certificate, PEM; read again for every new connection."),
  TPC_CLIENT_CERT_FILE: z.string().optional().describe('mTLS: own certificate with its chain, PEM; read again for every new connection.'),
  TPC_CLIENT_KEY_FILE: z.string().optional().describe('mTLS: key of TPC_CLIENT_CERT_FILE, PEM without a password.'),
};
