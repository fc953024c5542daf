/* The limit of open files. */
#include "proxy/descriptors.h"

#include "proxy/pool.h"

#include <dirent.h>
#include <sys/resource.h>

void descriptors_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

size_t descriptors_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static size_t count_open(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");

    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

void descriptors_divide(size_t listeners, size_t workers, size_t others, size_t sessions_wanted,
                        struct descriptors_share *ret)
{
    size_t limit = descriptors_limit();
    size_t taken = count_open() + workers * (DESCRIPTORS_OF_RING + 2 * listeners) + others +
                   DESCRIPTORS_RESERVE;

    *ret = (struct descriptors_share){0};
    if (limit <= taken)
        return;
    size_t left = limit - taken;
    size_t pipes = left / (DESCRIPTORS_PIPES_PART * 2 * workers);
    ret->pipes = pipes < POOL_ITEMS_MAX ? (unsigned)pipes : POOL_ITEMS_MAX;
    ret->sessions = (left - 2 * workers * ret->pipes) / 2;
    if (sessions_wanted && sessions_wanted < ret->sessions)
        ret->sessions = sessions_wanted;
}
