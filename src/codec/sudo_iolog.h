#pragma once
/*
 * sudo_iolog: the facts of one sudo I/O log session: `log.json` (sudo 1.9), or `log`, three lines:
 *
 *   time:user:runas:group:tty[:lines:cols]      group may be empty, runas and group too
 *   working directory
 *   command and arguments
 *
 * Format: docs/formats/import.md, sudo's lib/iolog. The bytes are bundle.c's and timing.c's.
 */
#include "codec/castout.h"

struct sudo_iolog {
    struct buf text;          /* owns what head borrows */
    struct castout_head head;
    bool has_exit;
    int64_t exit_status;
};

void sudo_iolog_init(struct sudo_iolog *s);
void sudo_iolog_deinit(struct sudo_iolog *s);

/* ERR_INVAL: *ret_line is the line (1 to 3, or of the JSON). */
NODISCARD enum err sudo_iolog_text(struct sudo_iolog *s, struct span log, uint64_t *ret_line, struct err_info *reterr);
NODISCARD enum err sudo_iolog_json(struct sudo_iolog *s, struct span log, uint64_t *ret_line, struct err_info *reterr);
