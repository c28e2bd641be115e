/* util-linux script, its timing classic or advanced, and asciicast v0: as sudo.c; the first byte's lowest bit says which. */
#include "imported.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const script[] = { "timing", "typescript", "input", "x.log" };
    static const char *const v0[] = { "meta.json", "stdout.time", "stdout", "stdout-split" };

    return pieces_import(span_of(data, size), size > 0 && data[0] & 1 ? v0 : script, 4);
}
