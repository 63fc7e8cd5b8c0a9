/** npm run start:opc: this service alone, configured by the environment (docs/configuration.md). */
import '../services/opc/src/main.ts';
