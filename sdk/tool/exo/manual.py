"""The manual of system.toml, made from the tables that check it.  usage: python3 -m exo.manual"""
from . import manifest

TABLES = (("The manifest itself", manifest.TOP_KEYS), ("`[machine]`", manifest.MACHINE_KEYS),
          ("`[[environment]]`", manifest.ENVIRONMENT_KEYS), ("`[[loan]]`", manifest.LOAN_KEYS), ("`[test]`", manifest.TEST_KEYS))


def default_shown(kind, default):
    if default is manifest.REQUIRED:
        return "must be given"
    if kind == "size":
        return f'`"{manifest.size_shown(default)}"`' if default else "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default!r}`".replace("'", '"') if default not in (None, {}, "", []) else "none"


def manual():
    out = [f"# system.toml, version {manifest.SPEC}", "",
           "Made from `sdk/tool/exo/manifest.py`; do not edit. Unknown keys are errors. Sizes are whole frames, such",
           'as `"256K"`, `"16M"`, `"1G"`.']
    for title, keys in TABLES:
        out += ["", f"## {title}", "", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        out += [f"| `{key}` | {kind} | {default_shown(kind, default)} | {meaning} |"
                for key, (kind, default, meaning) in keys.items()]
    return "\n".join(out)


if __name__ == "__main__":
    print(manual())
