/* ttyrec: the first byte says what is masked, then the file: whole and cut it comes to the same. */
#include "imported.h"

#include "codec/ttyrec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imported_opts o = imported_opts();
    struct span in = span_sub(span_of(data, size), 1, size);
    int form;

    if (size < 1)
        return 0;
    form = ttyrec_sniff(in, true);
    MUST(form == 0 || form == 12 || form == 13);
    o.kind = IMPORTER_TERMINAL;
    o.masked = data[0] & 1;
    o.screens = data[0] & 2;
    (void) imported_both(in, 1 + data[size / 2] % 61, &o);
    return 0;
}
