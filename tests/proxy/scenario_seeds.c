/* Many random runs, and which one it was when a run ends the process. */
#include "tests/proxy/scenario.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile uint64_t running;

static void tell_seed(void)
{
    char text[96];
    int length = snprintf(text, sizeof(text), "\nseed %llu failed; again with: VSLUICE_SEED=%llu\n",
                          (unsigned long long)running, (unsigned long long)running);
    if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(1);
}

static void aborted(int signal_number)
{
    tell_seed();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Where a sanitizer is linked in, it calls this before it ends the process. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

void scenario_run_many(uint64_t first, uint64_t count)
{
    signal(SIGABRT, aborted);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell_seed);
    for (running = first; running < first + count; running++)
        scenario_run(running, false);
    signal(SIGABRT, SIG_DFL);
}

bool scenario_seed_asked(uint64_t *ret_seed)
{
    const char *text = getenv("VSLUICE_SEED");
    if (!text)
        return false;
    *ret_seed = strtoull(text, NULL, 0);
    return true;
}

uint64_t scenario_seeds(uint64_t otherwise)
{
    const char *text = getenv("VSLUICE_SEEDS");
    return text ? strtoull(text, NULL, 0) : otherwise;
}
