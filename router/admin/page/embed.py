#!/usr/bin/env python3
"""Makes the page a part of the program: embed.py PAGE.html > page_data.cc

The page as it is and as gzip has it, and a Content-Security-Policy that lets its own script and style run, known by their
hashes (W3C CSP level 3, section 2.3.1), and nothing else.
"""
import base64
import gzip
import hashlib
import re
import sys


def hashes(page, tag):
    inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    assert len(inside) == 1, f"one <{tag}>, without attributes"
    digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
    return f"'sha256-{digest}'"


def array(name, data):
    lines = [", ".join(f"0x{byte:02x}" for byte in data[i : i + 24]) for i in range(0, len(data), 24)]
    return f"const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    policy = (
        f"default-src 'none'; script-src {hashes(page, 'script')}; style-src {hashes(page, 'style')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    plain = page.encode()
    packed = gzip.compress(plain, 9, mtime=0)
    print('#include "router/admin/page/page.h"\n\nnamespace tlsbridge {\nnamespace {\n')
    print(array("kPlain", plain))
    print(array("kPacked", packed))
    print(f'constexpr char kPolicy[] = "{policy}";\n\n}}  // namespace\n')
    print("absl::string_view PageText() { return " + "{reinterpret_cast<const char*>(kPlain), sizeof(kPlain)}; }")
    print("absl::string_view PagePacked() { return " + "{reinterpret_cast<const char*>(kPacked), sizeof(kPacked)}; }")
    print("absl::string_view PagePolicy() { return kPolicy; }\n\n}  // namespace tlsbridge")


if __name__ == "__main__":
    main()
