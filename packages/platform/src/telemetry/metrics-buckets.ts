/** Upper bounds of histograms, alike everywhere so that their quantiles can be compared. */

/** Of what usually takes milliseconds, seconds. */
export const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of what may wait for an outage to end, seconds. */
export const DELIVERY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600];
/** Of how many travelled together. */
export const BATCH_COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
