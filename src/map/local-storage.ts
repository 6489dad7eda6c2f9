// Values kept with an object of the kernel and freed with it (kernel/bpf/bpf_local_storage.c): SK_STORAGE with a socket,
// INODE_STORAGE a file, TASK_STORAGE a task, CGRP_STORAGE a cgroup. User space names the object by a descriptor: a
// socket, an open file, a pidfd, a cgroup's folder. And the CGROUP_STORAGE of a program attached to a cgroup
// (kernel/bpf/local_storage.c), whose keys are the cgroup's number.

import {
  BPF_ANY,
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_CGROUP_STORAGE,
  BPF_MAP_TYPE_CGRP_STORAGE,
  BPF_MAP_TYPE_INODE_STORAGE,
  BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_TASK_STORAGE,
} from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { NO_CGROUP, NO_INODE_STORAGE } from "./causes.ts";
import { type Codec, indexKey, scratch } from "./codec.ts";
import { fdOf, type HasFd, onlyByItsOwner, openPath, openProcess } from "./descriptors.ts";
import { BpfMap } from "./map.ts";
import { perCpuCodec } from "./per-cpu.ts";
import { BpfTable } from "./table.ts";
import type { MapType } from "./type.ts";

/** One value an object of the kernel. The kernel does not list them. */
export class BpfLocalStorage<V = unknown> extends BpfMap {
  /** The object's value, undefined where it has none. */
  get(object: HasFd): V | undefined {
    const value = scratch(this.valueCodec.size);
    return this.lookup(indexKey(fdOf(object)), value.u8) ? (this.valueCodec.decode(value, 0) as V) : undefined;
  }

  /** Throws EBADF where the descriptor is none of the map's kind. */
  set(object: HasFd, value: V, flags: number = BPF_ANY): this {
    this.update(indexKey(fdOf(object)), this.valueCodec.encode(value), flags);
    return this;
  }

  delete(object: HasFd): boolean {
    return this.remove(indexKey(fdOf(object)));
  }

  override keyFrom(_text: string): unknown {
    throw onlyByItsOwner(this, "socket");
  }
}

/** Values by cgroup, there from when a program is attached to it until the map or the cgroup goes. */
export class BpfCgroupStorage<K = unknown, V = unknown> extends BpfTable<K, V> {
  protected override readonly walksInBatches = false;
}

export class BpfPerCpuCgroupStorage<K = unknown, V = unknown> extends BpfCgroupStorage<K, V> {
  protected override wrapValue(codec: Codec): Codec {
    return perCpuCodec(codec) as Codec;
  }
}

/** Values by tasks, named by their process. */
class BpfTaskStorage<V = unknown> extends BpfLocalStorage<V> {
  override keyFrom(text: string): Fd {
    return openProcess(text);
  }
}

/** Values by files or cgroups, named by their paths. */
class BpfPathStorage<V = unknown> extends BpfLocalStorage<V> {
  override keyFrom(text: string): Fd {
    return openPath(text);
  }
}

class BpfInodeStorage<V = unknown> extends BpfPathStorage<V> {
  protected override readonly misfit = NO_INODE_STORAGE;
}

class BpfCgrpStorage<V = unknown> extends BpfPathStorage<V> {
  protected override readonly misfit = NO_CGROUP;
}

const ofObject = (type: number, name: string, since: string, storage: MapType["Map"]): MapType => ({
  type,
  name,
  since,
  Map: storage,
  only: {
    flag: BPF_F_NO_PREALLOC,
    maxEntries: () => 0,
    says: "with BPF_F_NO_PREALLOC among map_flags and without max_entries",
  },
  least: { max_entries: 0, map_flags: BPF_F_NO_PREALLOC },
  needs: "btf",
});

export const skStorage = ofObject(BPF_MAP_TYPE_SK_STORAGE, "SK_STORAGE", "5.2", BpfLocalStorage);
export const inodeStorage = ofObject(BPF_MAP_TYPE_INODE_STORAGE, "INODE_STORAGE", "5.10", BpfInodeStorage);
export const taskStorage = ofObject(BPF_MAP_TYPE_TASK_STORAGE, "TASK_STORAGE", "5.11", BpfTaskStorage);
export const cgrpStorage = ofObject(BPF_MAP_TYPE_CGRP_STORAGE, "CGRP_STORAGE", "6.2", BpfCgrpStorage);

const ofCgroup = { least: { key_size: 8, value_size: 8, max_entries: 0 } };

export const cgroupStorage: MapType = {
  type: BPF_MAP_TYPE_CGROUP_STORAGE,
  name: "CGROUP_STORAGE",
  since: "4.19",
  Map: BpfCgroupStorage,
  ...ofCgroup,
};

export const perCpuCgroupStorage: MapType = {
  type: BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
  name: "PERCPU_CGROUP_STORAGE",
  since: "4.20",
  Map: BpfPerCpuCgroupStorage,
  ...ofCgroup,
};
