/* Loaded before the C library, this steps the wall clock of one process: by as many nanoseconds as
 * the file named in WALL_CLOCK_STEP holds at that moment. The monotonic clock goes on untouched, as
 * it does on a machine whose clock is set. (libfaketime fakes too much: with the monotonic clock
 * left alone, its sleep fails with EINVAL.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t BILLION = 1000000000;
static const int64_t no_step = 0;
static const volatile int64_t *step = &no_step;
static int (*true_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WALL_CLOCK_STEP");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        step = page;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    if (!true_clock)
        true_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = true_clock(which, now);

    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        int64_t stepped = now->tv_sec * BILLION + now->tv_nsec + *step;
        now->tv_sec = stepped / BILLION;
        now->tv_nsec = stepped % BILLION;
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into)
{
    struct timespec exact;

    clock_gettime(CLOCK_REALTIME, &exact);
    if (into)
        *into = exact.tv_sec;
    return exact.tv_sec;
}
