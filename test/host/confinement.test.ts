// The text of /proc/PID/attr/current as AppArmor and SELinux write it (apparmor(7), selinux(8)).

import { expect, test } from "bun:test";
import { parseConfinement } from "../../src/host/confinement.ts";

test("a profile that is enforced, and a type that is confined, are named with the flag that lifts them", () => {
  for (const [text, by, lift] of [
    ["docker-default (enforce)", "AppArmor's profile docker-default", "apparmor=unconfined"],
    ["cri-containerd.apparmor.d (enforce)", "AppArmor's profile cri-containerd.apparmor.d", "apparmor=unconfined"],
    ["/usr/bin/with space//child (kill)", "AppArmor's profile /usr/bin/with space//child", "apparmor=unconfined"],
    ["system_u:system_r:container_t:s0:c12,c345", "SELinux's type container_t", "label=disable"],
    ["user_u:user_r:user_t", "SELinux's type user_t", "label=disable"],
  ] as const)
    expect(parseConfinement(text)).toEqual({ by, lift: `--security-opt ${lift}` });
});

test("what only complains or confines nothing is no cause", () => {
  for (const text of [
    ...["", "unconfined", "docker-default (complain)", "lxc-1 (unconfined)", "kernel"],
    ...[
      "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
      "system_u:system_r:spc_t:s0",
      "system_u:system_r:kernel_t:s0",
    ],
  ])
    expect(parseConfinement(text)).toBeUndefined();
});
