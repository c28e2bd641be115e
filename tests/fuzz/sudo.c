/*
 * sudo I/O logs: the second byte says where in the list of members they begin, which of them are packed, and whether something is
 * masked; then their contents with NULs between them (FE 00 is a NUL inside).
 */
#include "imported.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "log", "timing", "ttyout", "ttyin", "stdout", "log.json", "stderr", "stdin" };

    return pieces_import(span_of(data, size), names, 8);
}
