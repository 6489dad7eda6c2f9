// The version, put in by the build from package.json.

declare const HELLO_EBPF_VERSION: string | undefined;

export const version: string = typeof HELLO_EBPF_VERSION === "string" ? HELLO_EBPF_VERSION : "from source";
