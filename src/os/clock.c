#include "os/clock.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static time_us read_us(clockid_t id)
{
    struct timespec ts = { 0 };

    (void) clock_gettime(id, &ts); /* these ids cannot fail on Linux */
    return (time_us) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

time_ms clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

time_ms clock_boot_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

time_us clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_boot_id(char out[CLOCK_BOOT_ID_LEN + 1])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, CLOCK_BOOT_ID_LEN);

    out[n == CLOCK_BOOT_ID_LEN ? CLOCK_BOOT_ID_LEN : 0] = '\0';
    if (fd >= 0)
        (void) close(fd);
}

bool clock_is_synced(void)
{
    struct timex t = { 0 };

    if (adjtimex(&t) < 0)
        return false;
    return (t.status & STA_UNSYNC) == 0 && t.maxerror <= 1000000;
}
