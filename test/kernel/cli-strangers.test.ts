// A process can set its name to anything: nothing of it reaches the terminal as it is, and JSON stays JSON.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Hello, linesOf, recordsOf, SLOWNESS, userSpace } from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);

/** Names as printf(1) writes them, what text shows and what JSON has; `hex` where the name was not UTF-8. */
const NAMES: readonly { name: string; printf: string; text: string; json: string; hex?: string }[] = [
  { name: "an escape sequence", printf: "a\\033[31mb", text: "a\\x1b[31mb", json: "a\u001b[31mb" },
  { name: "a newline", printf: "a\\nb", text: "a\\x0ab", json: "a\nb" },
  { name: "a carriage return", printf: "a\\rb", text: "a\\x0db", json: "a\rb" },
  { name: "a bell and a delete", printf: "a\\007\\177", text: "a\\x07\\x7f", json: "a\u0007\u007f" },
  { name: "a tab", printf: "a\\tb", text: "a\\x09b", json: "a\tb" },
  {
    name: "bytes that are not UTF-8",
    printf: "a\\377\\376b",
    text: "a\\xff\\xfeb",
    json: "a\ufffd\ufffdb",
    hex: "61fffe62",
  },
  { name: "a raw C1 byte", printf: "a\\233b", text: "a\\x9bb", json: "a\ufffdb", hex: "619b62" },
  { name: "C1 as UTF-8", printf: "a\\302\\233b", text: "a\\u{009b}b", json: "a\u009bb" },
  { name: "a character cut in two", printf: "a\\342\\202", text: "a\\xe2\\x82", json: "a\ufffd\ufffd", hex: "61e282" },
  {
    name: "a surrogate as UTF-8",
    printf: "\\355\\240\\200",
    text: "\\xed\\xa0\\x80",
    json: "\ufffd\ufffd\ufffd",
    hex: "eda080",
  },
  { name: "text turned around", printf: "a\\342\\200\\256b", text: "a\\u{202e}b", json: "a\u202eb" },
  { name: "a backslash", printf: "a\\134x1b", text: "a\\\\x1b", json: "a\\x1b" },
  { name: "quotes", printf: "a\"b'", text: "a\"b'", json: "a\"b'" },
  { name: "a space", printf: "a b", text: "a b", json: "a b" },
  { name: "letters beyond ASCII", printf: "n\\303\\244h\\360\\237\\220\\235", text: "näh🐝", json: "näh🐝" },
];

/** What no terminal may be sent: control characters but the newline at the end of a line. */
function expectHarmless(bytes: Buffer): void {
  const text = bytes.toString("latin1");
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  const decoded = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // valid UTF-8
  expect(decoded).not.toMatch(/[\u0080-\u009f\u2028-\u202e\u2066-\u2069]/);
}

/** A shell gives itself the name and starts one process, whose execve is made under that name. */
async function callUnder(printf: string): Promise<number> {
  const script = 'printf "$1" >/proc/$$/comm; /bin/true; :';
  const child = Bun.spawn(["sh", "-c", script, "sh", printf], { stdio: ["ignore", "ignore", "ignore"] });
  await child.exited;
  return child.pid;
}

userSpace(() =>
  describe("a process's name with", () => {
    for (const mode of ["perf", "ring"])
      test(`anything in it, ${mode}`, async () => {
        const text = await new Hello(["--mode", mode]).attached();
        const json = await new Hello(["--mode", mode, "--output", "jsonl"]).attached();
        for (const { printf } of NAMES) await callUnder(printf);
        const shown = (await text.stop()).stdout;
        const records = recordsOf((await json.stop()).stdout).filter(({ type }) => type === "event");
        expectHarmless(text.bytes);
        expectHarmless(json.bytes);
        for (const { name, text, json, hex } of NAMES) {
          const lines = linesOf(shown).filter((line) => line.replace(/^\d+ 0 /, "") === `${text} Hello World`);
          expect([name, lines.length > 0]).toEqual([name, true]);
          const record = records.find(({ command, command_hex }) => command === json && command_hex === hex);
          expect([name, record?.message]).toEqual([name, "Hello World"]);
        }
        for (const line of linesOf(shown)) expect(line).toMatch(/^\d+ \d+ .* Hello World$/);
      });

    test("anything in it, trace", async () => {
      const text = await new Hello(["--mode", "trace"]).attached();
      for (const { printf } of NAMES) await callUnder(printf);
      await text.stop();
      expectHarmless(text.bytes);
      const json = await new Hello(["--mode", "trace", "--output", "jsonl"]).attached();
      for (const { printf } of NAMES) await callUnder(printf);
      const { stdout } = await json.stop();
      expectHarmless(json.bytes);
      for (const record of recordsOf(stdout).filter(({ type }) => type === "event"))
        expect(record).toMatchObject({ message: "Hello World!", pid: expect.any(Number) });
    });

    test("what a filter names", async () => {
      const run = await new Hello(["--mode", "ring", "--comm", "a\x1b[31mb"]).attached();
      await callUnder("a\\033[31mb");
      const { stdout } = await run.stop();
      expect(linesOf(stdout)).toHaveLength(1);
      expect(stdout).toContain(" a\\x1b[31mb Hello World\n");
    });

    test("what a filter names, in bytes that are not UTF-8", async () => {
      // The shell hands on the bytes: a string of ours could not.
      const wrapper = ["sh", "-c", `exec "$@" --comm "$(printf 'b\\377\\376')"`, "sh"];
      const run = await new Hello(["--mode", "ring"], { wrapper }).attached();
      await callUnder("b\\377\\376");
      await callUnder("b\\377");
      const { stdout } = await run.stop();
      expect(linesOf(stdout)).toHaveLength(1);
      expect(stdout).toContain(" b\\xff\\xfe Hello World\n");
    });
  }),
);

test("a command line's own bytes are escaped in what is said of them", async () => {
  const run = await new Hello(["--mode", "ring", "--", "/no/\x1b[2J\u009b"]).ended();
  expect(run.status).toBe(127);
  expect(run.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(run.stderr).toContain("\\x1b[2J\\u{009b}");
});
