// What the network did not give: tests that need it say so and are skipped, where a wrong checksum is a failure.

export class FetchError extends Error {}
