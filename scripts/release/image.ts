// A container image from scratch, as one archive: the executable, the loader and its libraries, nothing else.
//
// The archive is at once an OCI image layout (image-layout.md of the OCI image specification 1.1) and what `docker save`
// writes (manifest.json, Docker image specification 1.2), over the same blobs: docker load and podman load both take it,
// old and new. The layer is compressed by gzip, which every one of them reads.

import { createHash } from "node:crypto";
import type { Libc } from "./libc.ts";
import type { Provenance } from "./provenance.ts";
import { type TarEntry, tar } from "./tar.ts";
import type { ImageTarget } from "./targets.ts";

/**
 * The layer may not be larger than this, compressed: with 20 KB for the rest a node pulls 55 MB, where it was brought to its
 * registry as it is (podman manifest push, skopeo copy). Who loads and pushes it compresses it anew, to 5 % more.
 */
export const LAYER_LIMIT = 54_980_000;

const MEDIA = "application/vnd.oci.image";
const NAME = "hello-ebpf";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Labels by the OCI convention (annotations.md). */
export function labels({ version, licenses, description, revision, created }: Provenance) {
  return {
    "org.opencontainers.image.created": created,
    "org.opencontainers.image.description": description,
    // Of all that is in it: ours, Bun with its JavaScriptCore, and glibc.
    "org.opencontainers.image.licenses": `${licenses} AND MIT AND LGPL-2.1-or-later`,
    ...(revision ? { "org.opencontainers.image.revision": revision } : {}),
    "org.opencontainers.image.title": NAME,
    "org.opencontainers.image.version": version,
  };
}

/** The image configuration (config.md): what docker inspect shows, and docker history, where the libc is named. */
function configuration(target: ImageTarget, provenance: Provenance, libc: string, diffId: string) {
  return {
    created: provenance.created,
    architecture: target.architecture,
    ...(target.variant ? { variant: target.variant } : {}),
    os: "linux",
    config: { Entrypoint: [`/${NAME}`], WorkingDir: "/", Labels: labels(provenance) },
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
    history: [{ created: provenance.created, created_by: "COPY . /", comment: libc }],
  };
}

/** The files of an image, by their paths in it. */
export const imageEntries = (executable: Uint8Array, libc: Libc): TarEntry[] => [
  { path: NAME, mode: 0o755, data: executable },
  ...libc.entries,
];

interface Blob {
  readonly mediaType: string;
  readonly data: Uint8Array;
}

const descriptor = ({ mediaType, data }: Blob) => ({ mediaType, digest: `sha256:${sha256(data)}`, size: data.length });
const blobPath = ({ data }: Blob) => `blobs/sha256/${sha256(data)}`;

/** index.json of the layout (image-index.md); the name, in full as Docker writes it, is where containerd looks for it. */
const index = (manifest: Blob, target: ImageTarget, version: string) => ({
  schemaVersion: 2,
  mediaType: `${MEDIA}.index.v1+json`,
  manifests: [
    {
      ...descriptor(manifest),
      annotations: {
        "io.containerd.image.name": `docker.io/library/${NAME}:${version}`,
        "org.opencontainers.image.ref.name": version,
      },
      platform: {
        architecture: target.architecture,
        os: "linux",
        ...(target.variant ? { variant: target.variant } : {}),
      },
    },
  ],
});

/** The first takes a third of the time; the second, as far as gzip goes, 2 % less room. */
const LEVELS = [9, 10] as const;

/** Compressed as quickly as the limit allows; throws where it does not. */
function compress(content: Buffer<ArrayBuffer>, name: string): Uint8Array {
  let length = 0;
  for (const level of LEVELS) {
    const compressed = Bun.gzipSync(content, { library: "libdeflate", level });
    if (compressed.length <= LAYER_LIMIT) return compressed;
    length = compressed.length;
  }
  throw new Error(`Cannot ship the image for ${name}: ${length} bytes, limit ${LAYER_LIMIT}`);
}

/** The archive. Throws where the layer is larger than LAYER_LIMIT. */
export function imageArchive(target: ImageTarget, executable: Uint8Array, libc: Libc, provenance: Provenance): Buffer {
  const content = tar(imageEntries(executable, libc));
  const layer: Blob = {
    mediaType: `${MEDIA}.layer.v1.tar+gzip`,
    data: compress(content, target.name),
  };
  const config: Blob = {
    mediaType: `${MEDIA}.config.v1+json`,
    data: json(configuration(target, provenance, libc.source, sha256(content))),
  };
  const mediaType = `${MEDIA}.manifest.v1+json`;
  const contents = { schemaVersion: 2, mediaType, config: descriptor(config), layers: [descriptor(layer)] };
  const manifest: Blob = { mediaType, data: json(contents) };
  const docker = [{ Config: blobPath(config), RepoTags: [`${NAME}:${provenance.version}`], Layers: [blobPath(layer)] }];
  const files: [string, Uint8Array][] = [
    ...[layer, config, manifest].map((blob): [string, Uint8Array] => [blobPath(blob), blob.data]),
    ["index.json", json(index(manifest, target, provenance.version))],
    ["manifest.json", json(docker)],
    ["oci-layout", json({ imageLayoutVersion: "1.0.0" })],
  ];
  return tar(files.map(([path, data]) => ({ path, mode: 0o644, data })));
}
