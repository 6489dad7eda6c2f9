// Patterns of function names: `*` is any text, `?` any character (libbpf's glob_match).

/** Whether a name is a pattern. */
export const isPattern = (text: string): boolean => /[*?]/.test(text);

/** What a pattern matches, whole names only. */
export function globPattern(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}
