/** npm run start:tpc: this service alone, configured by the environment (docs/configuration.md). */
import '../services/tpc/src/main.ts';
