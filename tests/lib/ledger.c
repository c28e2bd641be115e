/*
 * The nonce ledger of keyhole-watched: each AES-GCM encryption appends SHA-256(key)[:16] || nonce, 28 bytes, to the file
 * named by KEYHOLE_NONCE_LEDGER, in one write before the encryption happens. All roles inherit the variable.
 * tests/lib/ledger.py looks for an entry that comes twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/aead.h"

#define KEY_LEN 16

static int ledger = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_ledger(void)
{
    const char *path = getenv("KEYHOLE_NONCE_LEDGER");

    if (path == NULL)
        return; /* nobody watches this run */
    ledger = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (ledger < 0) {
        (void) fprintf(stderr, "nonce ledger %s: %s\n", path, strerror(errno));
        abort();
    }
}

void aead_watch(const uint8_t key_sum[32], const uint8_t nonce[AEAD_GCM_NONCE_LEN])
{
    uint8_t entry[KEY_LEN + AEAD_GCM_NONCE_LEN];

    (void) pthread_once(&once, open_ledger);
    if (ledger < 0)
        return;
    memcpy(entry, key_sum, KEY_LEN);
    memcpy(entry + KEY_LEN, nonce, AEAD_GCM_NONCE_LEN);
    if (write(ledger, entry, sizeof(entry)) != (ssize_t) sizeof(entry))
        abort(); /* an encryption that nobody sees must not happen here */
}
