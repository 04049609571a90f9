"""Holds the documents to the program: every configuration key and every command that the tables in the source
have is documented, none is documented that they do not have, every relative link leads to a file, and every
`make` target that a document names exists."""

import pathlib
import re
import sys

mistakes = []


def require(good, message):
    if not good:
        mistakes.append(message)


def read(path):
    path = pathlib.Path(path)
    if not path.exists():
        mistakes.append(f"{path} is missing")
        return ""
    return path.read_text()


def config_keys():
    """section → its keys, from the const tables of config/*.c."""
    source = "".join(read(path) for path in sorted(pathlib.Path("config").glob("*.c")))
    tables = {name: re.findall(r'^\s*\{"([a-z_]+)",', body, re.M)
              for name, body in re.findall(r"struct key (\w+)\[\] = \{(.*?)^\};", source, re.M | re.S)}
    sections = re.findall(r'^\s*\{"(\w+)", (\w+), (?:true|false)\}', source, re.M)
    keys = {section: tables.get(table, []) for section, table in sections}
    keys["migration"] = tables.get("migration_keys", [])
    require(all(keys.values()) and len(keys) > 2, "docs.py cannot read the key tables of config/ any more")
    return keys


def parts(text):
    """The document's headings, each with what stands below it up to the next."""
    pieces = re.split(r"^(#{1,4} .*)$", text, flags=re.M)
    return list(zip(pieces[1::2], pieces[2::2]))


def check_configuration():
    text = read("docs/configuration.md")
    for section, keys in config_keys().items():
        below = "".join(body for heading, body in parts(text) if f"[{section}" in heading)
        if not below:
            mistakes.append(f"docs/configuration.md: no heading names [{section}]")
            continue
        for key in keys:
            require(re.search(rf"`{key}\b", below), f"docs/configuration.md: {key} of [{section}] is not documented")
        for key in re.findall(r"^\| `([a-z_]+)`", below, re.M):
            require(key in keys, f"docs/configuration.md: [{section}] has no key {key}")


def check_commands():
    source = read("proxy/admin/commands.c")
    table = re.search(r"struct command commands\[\] = \{(.*?)^\};", source, re.M | re.S)
    commands = re.findall(r'^\s*\{"([a-z-]+)",', table[1], re.M) if table else []
    options = re.findall(r'^\s*\{"(--[a-z-]+)",', source, re.M)
    require(commands and options, "docs.py cannot read the tables of proxy/admin/commands.c any more")
    text = read("docs/commands.md")
    for word in commands + options:
        require(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), f"docs/commands.md: {word} is not documented")
    for word in re.findall(r"^\| `([a-z][a-z-]*)\b", text, re.M):
        require(word in commands, f"docs/commands.md: there is no command {word}")


def check_references():
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][a-z-]*(?: [a-z-]+)*):", makefile, re.M))
    targets = {word for line in targets for word in line.split()}
    for path in [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").glob("*.md")), pathlib.Path("docker/README.md")]:
        text = read(path)
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
            require((path.parent / link).exists(), f"{path}: {link} does not exist")
        for target in re.findall(r"`make ([a-z][a-z-]*)\b", text):
            require(target in targets, f"{path}: there is no `make {target}`")


def main():
    check_configuration()
    check_commands()
    check_references()
    print("\n".join(mistakes) if mistakes else "docs: keys, commands, links and targets agree")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
