#!/usr/bin/env python3
"""Makes a C file with one function that returns a text file's bytes: embed-text.py IN OUT.c HEADER FUNCTION"""
import sys

source, out, header, function = sys.argv[1:5]
data = open(source, "rb").read()
with open(out, "w", encoding="ascii") as f:
    f.write(f'#include "{header}"\n\nstatic const unsigned char text[] = {{\n')
    for i in range(0, len(data), 20):
        f.write("    " + " ".join(f"{b}," for b in data[i:i + 20]) + "\n")
    f.write(f"}};\n\nstruct span {function}(void)\n{{\n    return span_of(text, sizeof(text));\n}}\n")
