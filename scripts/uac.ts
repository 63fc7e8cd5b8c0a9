/** npm run start:uac: this service alone, configured by the environment (docs/configuration.md). */
import '../services/uac/src/main.ts';
