#include "server/presets.h"

struct span preset_find(const char *name)
{
    if (strcmp(name, "solo") == 0)
        return preset_solo();
    if (strcmp(name, "regulated") == 0)
        return preset_regulated();
    if (strcmp(name, "demo") == 0)
        return preset_demo();
    return strcmp(name, "team") == 0 ? preset_team() : SPAN_EMPTY;
}
