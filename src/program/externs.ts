// What an object leaves to the kernel, answered by the running one: configuration, addresses, types and kernel functions.
// Source: bpf_object__resolve_externs in libbpf's libbpf.c.

import {
  type CoreTargets,
  type ExternSpec,
  KCONFIG,
  KconfigWriter,
  KSYMS,
  ObjectError,
  type ObjectSpec,
  resolveSymbols,
  type SymbolAnswer,
} from "elf-loader";
import { attachCookie } from "../features/probes.ts";
import { kernelConfiguration } from "../host/kconfig.ts";
import { symbolAddresses } from "../host/kernel-symbols.ts";
import { kernelVersion } from "../host/kernel-version.ts";
import { openModuleBtf } from "../host/module-btf.ts";
import { syscallWrapper } from "../host/syscalls.ts";
import type { Fd } from "../sys/fd.ts";

/** Values that libbpf gives besides the configuration's. */
const VIRTUAL: { readonly [name: string]: () => number } = {
  LINUX_KERNEL_VERSION: kernelVersion,
  LINUX_HAS_BPF_COOKIE: () => Number(attachCookie.probe()),
  LINUX_HAS_SYSCALL_WRAPPER: () => Number(syscallWrapper()),
};

/** An object's externs in the kernel. Keeps descriptors of modules' BTF until its programs are loaded. */
export class KernelExterns implements Disposable {
  /** By name, for the linker. */
  readonly symbols = new Map<string, SymbolAnswer>();
  /** The bytes of `.kconfig`, where the object asks for any. */
  readonly kconfig: Uint8Array | undefined;
  readonly #modules = new Map<string, { readonly fd: Fd; readonly index: number }>();

  /** Throws ObjectError, UnsupportedError or PermissionError where one that is not weak is not there. */
  constructor(spec: ObjectSpec, types: CoreTargets) {
    const externs = [...spec.externs.values()];
    for (const extern of externs) checkSection(extern);
    this.kconfig = configuration(spec, externs);
    this.#findAddresses(externs);
    try {
      for (const [name, { btf, id }] of resolveSymbols(spec, types)) {
        this.symbols.set(name, { btfId: id, ...this.#module(btf.base && btf.name) });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Descriptors for `fd_array` of program load, the first unused; undefined where no module is needed. */
  get fdArray(): Int32Array | undefined {
    const fds = [...this.#modules.values()].map(({ fd }) => fd.number);
    return fds.length > 0 ? Int32Array.of(0, ...fds) : undefined;
  }

  /** The kernel's own BTF needs neither descriptor nor index. */
  #module(name: string | undefined): { btfFd: number; fdIndex: number } {
    if (name === undefined) return { btfFd: 0, fdIndex: 0 };
    let module = this.#modules.get(name);
    if (!module) {
      module = { fd: openModuleBtf(name), index: this.#modules.size + 1 };
      this.#modules.set(name, module);
    }
    return { btfFd: module.fd.number, fdIndex: module.index };
  }

  #findAddresses(externs: readonly ExternSpec[]): void {
    const wanted = externs.filter(({ section, type, kind }) => section === KSYMS && type === 0 && kind === "variable");
    if (wanted.length === 0) return;
    const addresses = symbolAddresses(wanted.map(({ name }) => name));
    for (const extern of wanted) {
      const [address, ...others] = addresses.get(extern.name) ?? [];
      if (others.length > 0) throw ambiguous(extern, [address ?? "", ...others]);
      if (address !== undefined) this.symbols.set(extern.name, { address: BigInt(`0x${address}`) });
      else if (!extern.weak) throw missing(extern, "the kernel's symbols (/proc/kallsyms) have no such name");
    }
  }

  close(): void {
    for (const { fd } of this.#modules.values()) fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function checkSection(extern: ExternSpec): void {
  if (extern.section === KCONFIG || extern.section === KSYMS) return;
  const where = extern.section ? `section ${extern.section} is neither .kconfig nor .ksyms` : "it is defined nowhere";
  throw missing(extern, where, "declare it with __ksym or __kconfig, or define it");
}

function missing(extern: ExternSpec, why: string, action = "make it __weak and look whether it is there"): ObjectError {
  const { name, section, offset } = extern;
  return new ObjectError(`Cannot find extern ${name}: ${why}`, section || ".symtab", offset, {
    subject: `extern ${name}`,
    action,
  });
}

function ambiguous({ name, offset }: ExternSpec, addresses: readonly string[]): ObjectError {
  const where = addresses.map((address) => `0x${address}`).join(", ");
  return new ObjectError(`Cannot use extern ${name}: it is at several addresses, ${where}`, KSYMS, offset, {
    subject: `extern ${name}`,
    likely: "several files of the kernel have one of this name",
  });
}

const NAMES_OF_VALUES = `name an option of the kernel's (CONFIG_…) or one of ${Object.keys(VIRTUAL).join(", ")}`;

function configuration(spec: ObjectSpec, externs: readonly ExternSpec[]): Uint8Array | undefined {
  const contents = spec.maps.get(KCONFIG)?.contents?.slice();
  const wanted = externs.filter(({ section, name }) => section === KCONFIG && !spec.globals.isSet(name));
  if (!contents || !spec.btf || wanted.length === 0) return contents;
  const writer = new KconfigWriter(spec.btf, contents);
  const fromFile = wanted.filter(({ name }) => name.startsWith("CONFIG_"));
  const values =
    fromFile.length > 0 ? kernelConfiguration(fromFile.map(({ name }) => name)) : new Map<string, string>();
  for (const extern of wanted) {
    const [value, virtual] = [values.get(extern.name), VIRTUAL[extern.name]];
    if (value !== undefined) writer.setText(extern, value);
    else if (virtual) writer.setNumber(extern, BigInt(virtual()));
    else if (!/^(CONFIG|LINUX)_/.test(extern.name))
      throw missing(extern, "no configuration has such a name", NAMES_OF_VALUES);
    else if (!extern.weak) throw missing(extern, "the kernel's configuration does not set it");
  }
  return contents;
}
