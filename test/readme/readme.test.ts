// README.md, and what it points to, stays true: its commands are run, what they print has the shape of what is shown, its program works.

import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
const readme = await Bun.file(join(ROOT, "README.md")).text();
/** With what README.md points to. */
const all = [
  readme,
  ...(await Promise.all(["bpf", "src"].map((folder) => Bun.file(join(ROOT, folder, "README.md")).text()))),
];
const root = process.getuid?.() === 0;

/** The code blocks of a language, without the fences. */
function blocks(language: string, text = readme): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1] ?? "");
}

/** A command after `$ `, and the lines it is shown to print. */
const commands = all
  .flatMap((text) => blocks("console", text))
  .flatMap((block) =>
    block.split(/^\$ /m).flatMap((part) => {
      const [command = "", ...lines] = part.trimEnd().split("\n");
      return command === "" ? [] : [{ command, lines }];
    }),
  );

/** Numbers, names of processes and the trace flags differ from run to run; all else must be as shown. */
function shape(line: string): string {
  return line
    .trim()
    .replace(/"command":"[^"]*"/, '"command":"NAME"')
    .replace(/^(\d+ \d+) \S+/, "$1 NAME")
    .replace(/^\S+?-\d+ +\[\d+\] \S+ +/, "NAME-1 [1] FLAGS ")
    .replace(/\d+/g, "N");
}

async function run(command: string): Promise<{ stdout: string; status: number }> {
  const child = Bun.spawn(["sh", "-c", command], { cwd: ROOT, stdout: "pipe", stderr: "inherit", timeout: 100_000 });
  return { stdout: await new Response(child.stdout).text(), status: await child.exited };
}

describe.skipIf(!root)("README.md (needs root)", () => {
  test("shows commands", () => expect(commands.length).toBeGreaterThanOrEqual(4));

  for (const { command, lines } of commands) {
    test(`\`${command}\` prints what is shown`, async () => {
      const { stdout, status } = await run(command);
      expect(stdout.trimEnd().split("\n").map(shape)).toEqual(lines.map(shape));
      expect(status).toBe(0);
    }, 120_000);
  }

  test("the library's example runs", async () => {
    const [example = ""] = blocks("ts");
    const file = join(ROOT, "readme-example.tmp.ts");
    const ending = `
      Bun.spawn(["/usr/bin/setpriv", "--reuid", "1000", "--clear-groups", "/bin/true"]);
      for await (const event of events) if (event.command === "setpriv") { console.log(JSON.stringify(event)); break; }
      events.close();`;
    writeFileSync(file, example + ending);
    try {
      const { stdout, status } = await run(`${process.execPath} ${file}`);
      expect(JSON.parse(stdout)).toMatchObject({ uid: 1000, command: "setpriv", message: "Hello World" });
      expect(status).toBe(0);
    } finally {
      rmSync(file);
    }
  }, 30_000);
});

test("every npm command that is named exists", async () => {
  const { scripts } = await Bun.file(join(ROOT, "package.json")).json();
  const named = [...all.join("").matchAll(/npm (?:run )?([\w:]+)/g)].map((match) => match[1] ?? "");
  expect(named.length).toBeGreaterThan(3);
  for (const name of new Set(named.filter((name) => name !== "and" && name !== "as")))
    expect(scripts).toHaveProperty(name);
});
