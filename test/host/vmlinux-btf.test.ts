// The kernel's own types: the same bytes however they come, and not longer in memory than somebody looks at them.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { vmlinuxBtf } from "../../src/index.ts";

const PATH = "/sys/kernel/btf/vmlinux";
const mappings = () =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.endsWith(PATH)).length;

/** Uses them in a frame of its own, so that no register keeps them. */
function use(): { readonly same: boolean; readonly mapped: number } {
  const btf = vmlinuxBtf();
  return { same: Buffer.from(btf?.encode() ?? []).equals(readFileSync(PATH)), mapped: mappings() };
}

test.skipIf(!existsSync(PATH))("are what the file says, and are let go", async () => {
  let most = 0;
  for (let i = 0; i < 20; i++) {
    const { same, mapped } = use();
    expect(same).toBe(true);
    most = Math.max(most, mapped);
    await Bun.sleep(1);
    Bun.gc(true);
  }
  console.log(`${PATH}: at most ${most} mappings at a time`); // none before 6.16
  expect(most).toBeLessThan(10);
  for (let i = 0; i < 50 && mappings() > 0; i++) {
    await Bun.sleep(2);
    Bun.gc(true);
  }
  expect(mappings()).toBe(0);
});
