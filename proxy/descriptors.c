/* The limit of open files. */
#include "proxy/descriptors.h"

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

size_t descriptors_sessions_max(size_t listeners, size_t wanted)
{
    struct rlimit limit;
    size_t taken = count_open() + 2 * listeners + DESCRIPTORS_RESERVE;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= taken)
        return 0;
    size_t max = (limit.rlim_cur - taken) / 2;
    return wanted && wanted < max ? wanted : max;
}
