// Objects that libbpf refuses: refused by us too, before a program of theirs is loaded, and told why.

import { expect, test } from "bun:test";
import { type BpfError, BpfObject, createMap, type MapSpec } from "../../src/index.ts";
import { fixture, thrownBy, userSpace } from "./lib-support.ts";
import { rowOf } from "./maps-support.ts";

/** By fixture: the kind of the error, and what it says. */
const REFUSED: { readonly [fixture: string]: readonly [BpfError["class"], string] } = {
  refused_common: ["object", "Cannot link function use: shared is in no section of the object: give it a value"],
  refused_extern: ["object", "Cannot set extern CONFIG_HZ: its type is none of a configuration value"],
  refused_kconfig: ["object", "Cannot find extern OPTION: no configuration has such a name"],
  refused_map_field: ["object", "Cannot use map table: unknown field colour"],
  refused_map_inner: ["object", "Cannot use map table.inner: a map inside a map of maps has values"],
  refused_map_length: ["object", "Cannot use map table: values has a length: its slots are counted where it ends"],
  refused_map_number: ["object", "Cannot use map table: max_entries is no __uint()"],
  refused_map_static: ["object", "Cannot use map table: it is not a global variable"],
  refused_map_values: ["object", "Cannot use map table: values of int int"],
  refused_member: [
    "unsupported",
    "Cannot use map other: member nobody of struct tcp_congestion_ops is not in the kernel's",
  ],
  refused_member_kind: [
    "unsupported",
    "Cannot use map other: member flags of struct tcp_congestion_ops is of kind pointer, the kernel's of kind int",
  ],
  refused_member_program: [
    "object",
    "Cannot set tcp_congestion_ops___other to packet: section socket is not of struct_ops",
  ],
  refused_member_size: [
    "unsupported",
    "Cannot use map other: member flags of struct tcp_congestion_ops has 8 bytes, the kernel's 4",
  ],
  refused_version: ["object", "Cannot use section version of 8 bytes"],
};

/** The struct of functions of a refused_member fixture; `nobody`, its last member, is what it is refused for. */
function withMember(change: (other: MapSpec, offset: number) => void) {
  const spec = fixture("refused_member");
  const other = spec.maps.get("other") as MapSpec;
  change(other, (other.contents?.length ?? 0) - 8);
  return spec;
}

userSpace(() => {
  test("what no kernel, or not this one, has is refused at load, each for what it is", () => {
    for (const [name, [kind, message]] of Object.entries(REFUSED)) {
      const error = thrownBy(() => BpfObject.load(fixture(name)).close()) as BpfError;
      expect([name, error.class, error.message]).toEqual([name, kind, message]);
    }
  });

  test("what to do about a type that the kernel has not got holds for any object", () => {
    const spec = fixture("lib_plain");
    const [program] = spec.programs.values();
    Object.assign(program as object, { type: 9999 });
    const unknown = thrownBy(() => BpfObject.load(spec).close()) as BpfError;
    expect([unknown.class, unknown.action]).toEqual(["unsupported", "use another hook or kernel"]);
    const other = thrownBy(() => createMap({ type: 9999, keySize: 4, valueSize: 4, maxEntries: 1 })) as BpfError;
    expect([other.class, other.action]).toEqual(["unsupported", "use another type of map, or a newer kernel"]);
  });

  test("what the kernel takes only in one way is made so for who makes a map, but an object must say it", () => {
    const prealloc = /only with BPF_F_NO_PREALLOC among map_flags/;
    const plain = { keySize: 0, valueSize: 0, maxEntries: 0, flags: 0, keyTypeId: 0, valueTypeId: 0 };
    const cases: [string, Partial<MapSpec>, RegExp][] = [
      ["LPM_TRIE", { ...plain, keySize: 8, valueSize: 8, maxEntries: 16 }, prealloc],
      ["ARENA", { ...plain, maxEntries: 3 }, /only with BPF_F_MMAPABLE/],
      ["RINGBUF", plain, /only with bytes as max_entries/],
      ["USER_RINGBUF", plain, /only with bytes as max_entries/],
      ["SK_STORAGE", { flags: 0 }, prealloc],
      ["TASK_STORAGE", { maxEntries: 16 }, /only with .* and without max_entries/],
    ];
    for (const [name, change, likely] of cases) {
      const { type } = rowOf(name);
      const spec = fixture(name.endsWith("STORAGE") ? "map_storage" : "lib_maps", "none");
      const map = spec.maps.get(name) ?? (spec.maps.get("numbers") as MapSpec);
      Object.assign(map, { type, autocreate: true }, change);
      const error = thrownBy(() => BpfObject.load(spec).close()) as BpfError;
      expect([name, error.errno, error.subject]).toEqual([name, "EINVAL", `map ${map.name}`]);
      expect(error.likely).toMatch(likely);
      if (change.keyTypeId === 0) createMap({ ...change, type }).close();
    }
  });

  test("nobody is told to make weak what is weak", () => {
    expect((thrownBy(() => BpfObject.load(fixture("refused_kconfig"))) as BpfError).action).toMatch(
      /^name an option of the kernel's \(CONFIG_…\) or one of LINUX_KERNEL_VERSION, /,
    );
  });

  test("a member that the kernel has not got is left out where it is zero, but no program is; nor is a pointer set to what is none", () => {
    using object = BpfObject.load(withMember((other, offset) => other.contents?.fill(0, offset)));
    expect([...object.programs.keys()]).toContain("least");
    const set = withMember((other, offset) => {
      other.contents?.fill(0, offset);
      other.slots = [...(other.slots ?? []), { index: offset / 8, name: "least" }];
    });
    expect((thrownBy(() => BpfObject.load(set).close()) as BpfError).message).toContain("member nobody of struct");
    const owned = (change: (other: MapSpec, owner: number) => void) =>
      thrownBy(() => {
        const spec = withMember((other, offset) => {
          other.contents?.fill(0, offset);
          change(other, offset - 8);
        });
        BpfObject.load(spec).close();
      }) as BpfError;
    expect(owned((other, owner) => other.contents?.fill(1, owner, owner + 8)).message).toMatch(/no program$/);
    expect(
      owned((other, owner) => {
        other.slots = [...(other.slots ?? []), { index: owner / 8, name: "least" }];
      }).message,
    ).toMatch(/member owner of struct tcp_congestion_ops is no function in the kernel's$/);
  });
});
